"""One of something is not many, in the sentences of commands, of maps and of the status page."""

from __future__ import annotations

import re
from pathlib import Path

import models.plurals
from cluster.jobs.status_details import SENTENCES as STATUS_SENTENCES
from models.mindmap.notes import SENTENCES as NOTES
from models.plurals import counted

_ROOT = Path(models.plurals.__file__).parents[1]
#: A bare count in front of a noun in the plural: `{num_pages} pages`. In “1 of 3 pages” the noun belongs to the total.
_BARE_COUNT = re.compile(
    r"(?<! of )\{(?:[\w.]*\bnum_\w+|len\([^{}]*\)|count|\w+_count)(?::,)?\} (?!is\b|was\b|has\b)[a-z]+s\b"
)


def test_counts_have_the_number_of_their_noun() -> None:
    assert [counted(n, "page") for n in (0, 1, 2, 1_200)] == ["0 pages", "1 page", "2 pages", "1,200 pages"]
    assert [counted(n, "process") for n in (1, 2)] == ["1 process", "2 processes"]


def test_no_command_prints_a_bare_count_before_a_plural() -> None:
    assert _BARE_COUNT.search('f"{run}: {num_deleted} maps deleted"')
    found = [
        f"{path.relative_to(_ROOT)}: {match[0]}"
        for path in sorted((_ROOT / "launch").rglob("*.py"))
        for match in _BARE_COUNT.finditer(path.read_text())
    ]
    assert found == []


def test_no_note_of_a_map_and_no_line_of_the_status_counts_one_as_many() -> None:
    sentences = {**NOTES, **{f"status {code}": text for code, text in STATUS_SENTENCES.items()}}
    names = {name for text in sentences.values() for name in re.findall(r"\{(\w+)\}", text)}
    one = dict.fromkeys(names, "x") | dict.fromkeys(("count", "failed", "limit", "missing", "total"), "1")
    wrong = re.compile(r"(?<! of )\b1 (?!is\b|was\b|without\b)([a-z]+s|are|were|have|do|wait|run|fire)\b")
    assert [code for code, text in sentences.items() if wrong.search(text.format(**one))] == []
