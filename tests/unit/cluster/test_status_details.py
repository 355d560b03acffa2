"""The details of the status page: English sentences of the server, and the dashboard's Korean ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from cluster.jobs import status_details
from cluster.jobs.status_details import SENTENCES, detail, part_status
from cluster.jobs.system_status import parts_of_readiness
from models.schemas.status import DetailCode

ROOT = Path(status_details.__file__).parents[2]
GAP = re.compile(r"\{(\w+)\}")


def test_a_part_says_its_details_in_one_sentence_with_readable_values() -> None:
    part = part_status(
        "jobs",
        "ok",
        detail("jobs_waiting_since", count=3, oldest_s=7_260.4),
        detail("database_size", version="18.1", used_bytes=41_943_040),
    )
    assert part.message == "3 waiting, the oldest for 2 h 1 min; version 18.1, 40 MB"
    assert [(each.code, each.values) for each in part.details] == [
        ("jobs_waiting_since", {"count": 3, "oldest_s": 7_260.4}),
        ("database_size", {"version": "18.1", "used_bytes": 41_943_040}),
    ]


def test_an_api_that_answers_is_not_called_ready_while_a_check_fails() -> None:
    def api(**failed: str) -> tuple[str, str]:
        checks = dict.fromkeys(("postgresql", "disk", "schema", "valkey", "shards"), "ok") | failed
        part = parts_of_readiness(checks, detail("api_ready"))[0]
        return part.state, part.message

    assert api() == ("ok", "ready")
    assert api(shards="1 of 4 do not answer") == ("attention", "answers, but is not ready: Shards")
    assert api(valkey="x", disk="is full", schema="x") == ("down", "answers, but is not ready: PostgreSQL, Valkey")


def test_every_detail_has_a_sentence_in_both_languages_with_the_same_values() -> None:
    words = (ROOT / "clients/dashboard/src/admin/words.ts").read_text()
    english, korean = (
        dict(re.findall(r'^\s+(\w+):\s+"(.*)",$', part.partition("\n  }")[0], re.MULTILINE))
        for part in words.split("  details: {\n")[1:]
    )
    # What the dashboard says itself while the server cannot, it says in the same words.
    assert english.items() <= SENTENCES.items()
    assert set(SENTENCES) == set(get_args(DetailCode)) == set(korean)
    for code, sentence in SENTENCES.items():
        assert set(GAP.findall(korean[code])) == set(GAP.findall(sentence)), code
