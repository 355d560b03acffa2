"""The details of the status page: English sentences of the server, and the dashboard's Korean ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from cluster.jobs import status_details
from cluster.jobs.status_details import SENTENCES, detail, part_status
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


def test_every_detail_has_a_sentence_in_both_languages_with_the_same_values() -> None:
    words = (ROOT / "clients/dashboard/src/admin/words.ts").read_text()
    korean = words[words.index("  details: {") :].partition("\n  },")[0]
    templates = dict(re.findall(r'^\s+(\w+):\s+"(.*)",$', korean, re.MULTILINE))
    assert set(SENTENCES) == set(get_args(DetailCode)) == set(templates)
    for code, sentence in SENTENCES.items():
        assert set(GAP.findall(templates[code])) == set(GAP.findall(sentence)), code
