"""Migrations form one line, numbered without gaps, so that two of them never claim the same place."""

from __future__ import annotations

import re
from pathlib import Path

from models.migrations import run

VERSIONS = Path(run.__file__).parent / "versions"


def test_each_migration_follows_the_one_before() -> None:
    files = sorted(VERSIONS.glob("[0-9]*.py"))
    texts = [file.read_text() for file in files]
    named = [re.search(r"^revision = ['\"](\d+)['\"]", text, re.MULTILINE).group(1) for text in texts]  # type: ignore[union-attr]
    before = [re.search(r"^down_revision = (?:['\"](\d+)['\"]|None)", text, re.MULTILINE).group(1) for text in texts]  # type: ignore[union-attr]
    numbers = [f"{number:04d}" for number in range(1, len(files) + 1)]
    assert [file.name[:4] for file in files] == named == numbers
    assert before == [None, *numbers[:-1]]
