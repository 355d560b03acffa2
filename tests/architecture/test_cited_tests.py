"""The documentation cites tests and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_CITATION = re.compile(r"`(?:([\w/]*test_\w+\.py)::)?(test_\w+)`")
_FILE = re.compile(
    r"`((?:tests|serve|models|cluster|actors|launch|telemetry|clients)/[\w/.-]+\.(?:py|ts|tsx|json))(?:::\w+)?`"
)
_TEST_FILE = re.compile(r"`(test_\w+\.py)")


@pytest.mark.parametrize("name", ["security.md", "compatibility.md", "privacy.md"])
def test_cited_tests_and_files_exist(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    sources = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [path for path in _FILE.findall(text) if not (ROOT / path).is_file()]
    missing += [file for file in _TEST_FILE.findall(text) if not (ROOT / "tests" / "acceptance" / file).is_file()]
    for file, test in _CITATION.findall(text):
        candidates = [source for path, source in sources.items() if not file or path.as_posix().endswith("/" + file)]
        if not any(re.search(rf"def {test}\b", source) for source in candidates):
            missing.append(f"{file}::{test}" if file else test)
    assert missing == []
