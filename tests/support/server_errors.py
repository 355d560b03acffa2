"""What the processes of a product logged as errors since a moment, for the report of a test that failed meanwhile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

from launch.private_dir import private_short_dir

#: Of both the log of a process and the report: the end of an error is what explains it.
_MAX_CHARS: Final = 12_000
_ERROR_LEVELS: Final = frozenset({"error", "critical"})
_ERROR_LINE: Final = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|PANIC)\b|^\w[\w.]*(?:Error|Exception)\b")


def log_files(data_dir: Path) -> Iterator[Path]:
    """The logs of `trailmind up`, its stores, and all workers of its Ray; a pattern without files gives none."""
    yield from data_dir.glob("*.log")
    yield from data_dir.glob("logs/*.log")
    sessions = private_short_dir(data_dir)
    for pattern in ("worker-*.out", "worker-*.err", "serve/*.log"):
        yield from sessions.glob(f"ray*/session_2*/logs/{pattern}")


def log_sizes(data_dir: Path) -> dict[Path, int]:
    """The present size of each log, to be passed to `errors_since`."""
    sizes = {}
    for path in log_files(data_dir):
        # A server that stops removes files meanwhile.
        with suppress(FileNotFoundError):
            sizes[path] = path.stat().st_size
    return sizes


def errors_since(data_dir: Path, sizes: Mapping[Path, int]) -> str:
    """The error lines and tracebacks written after `sizes`, each log under its name; empty without any."""
    found = []
    for path in sorted(log_files(data_dir)):
        lines: list[str] = []
        with suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(sizes.get(path, 0))
            lines += error_lines(file.read().decode(errors="replace"))
        if lines:
            found.append("\n".join([f"{path.name}:", *lines])[-_MAX_CHARS:])
    return "\n".join(found)[-_MAX_CHARS:]


def error_lines(text: str) -> Iterator[str]:
    """Log records of level error, lines of other programs that name an error, and whole tracebacks."""
    is_in_traceback = False
    for line in text.splitlines():
        if line.startswith("{") and (record := _parse(line)) is not None:
            is_in_traceback = False
            if record.get("level") in _ERROR_LEVELS or "traceback" in record:
                traceback = str(record.pop("traceback", ""))
                yield from chain([json.dumps(record, ensure_ascii=False)], traceback.splitlines())
            continue
        is_in_traceback = line.startswith("Traceback ") or (is_in_traceback and line.startswith((" ", "\t")))
        if is_in_traceback or _ERROR_LINE.search(line):
            yield line


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
