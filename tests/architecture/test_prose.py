"""The prose linter finds forbidden words where readers meet them, and nowhere else."""

from __future__ import annotations

import pytest

from tests.architecture.prose import Vocabulary, check

VOCABULARY = Vocabulary()

PYTHON = '''"""Nobody reads this."""

LIMIT = 3  # whoever comes first
STATEMENT = "SELECT 1 -- nobody"


def nobody_waits(told: str) -> None:
    """Fine."""
    raise ValueError("the shard is away")
'''


def words(path: str, source: str) -> list[tuple[int, str]]:
    return [(finding.line, finding.word) for finding in check(path, source, VOCABULARY)]


def test_docstrings_comments_messages_and_names_of_python() -> None:
    assert words("models/example.py", PYTHON) == [
        (1, "Nobody"),
        (3, "whoever"),
        (7, "nobody_waits (nobody)"),
        (7, "told (told)"),
        (9, "is away"),
    ]


def test_strings_in_tests_are_data() -> None:
    assert (9, "is away") not in words("tests/example.py", PYTHON)


def test_markdown_without_its_code() -> None:
    source = "One `nobody` in code.\n\n```\nnobody\n```\n\nAnd nobody\nin prose.\n"
    assert words("docs/example.md", source) == [(7, "nobody")]


def test_idioms_across_lines() -> None:
    assert words("docs/example.md", "The shard is\naway now.") == [(1, "is away")]
    assert words("models/example.py", "# The shard is\n# away now.\n") == [(1, "is # away")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("clients/a/src/api.ts", [(1, "nobody")]), ("clients/a/src/i18n/en.ts", [(1, "nobody"), (2, "Whoever")])],
)
def test_comments_and_catalogues_of_typescript(path: str, expected: list[tuple[int, str]]) -> None:
    assert words(path, "// nobody\nconst text = 'Whoever // reads';\n") == expected


@pytest.mark.parametrize(
    "path", ["clients/a/src/i18n/ko.ts", "clients/a/src/admin/words.ts", "cluster/mail/a.py", "cluster/mail/a.ko.j2"]
)
def test_one_korean_word_for_one_thing(path: str) -> None:
    assert words(path, "text = '새 맵을 그려요'\nother = '새 지도 · 카카오맵'\n") == [(1, "맵")]


def test_a_marked_line_is_skipped() -> None:
    assert words("models/example.py", '"""Nobody."""  # prose: allow\n') == []


def test_a_marked_region_is_skipped() -> None:
    source = "# prose: off\n# nobody\n# prose: on\n# nobody\n"
    assert words("models/example.py", source) == [(4, "nobody")]


def test_part_of_a_word_is_no_finding() -> None:
    assert words("docs/example.md", "A deskside, a newsletter, an outstanding repair-stand-instance.") == []
