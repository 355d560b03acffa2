"""Unused code, and product code that only tests use, found by vulture.

`python -m tests.architecture.dead_code` prints both and fails when there is any. Names that frameworks, other processes
or PostgreSQL use are in `used_names.toml`, each with the reason. Fields and attributes are not checked: most are read
as JSON or by a library.
"""

from __future__ import annotations

import fnmatch
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import vulture

ROOT = Path(__file__).parents[2]
USED_NAMES = Path(__file__).with_name("used_names.toml")
PRODUCT = ["actors", "cluster", "kuberay", "launch", "models", "serve", "telemetry"]
TESTS = ["benchmarks", "tests"]
_EXCLUDED = ["models/migrations/versions"]
#: Routes, error handlers, tasks and commands are registered by their decorators, like validators and fixtures.
_REGISTERING_DECORATORS = [
    "@router.*", "@app.*", "@job_app.*", "@*.task", "@*.periodic", "@field_validator", "@model_validator", "@pytest.*",
    "@*.command", "@*.callback", "@event.listens_for", "@corruption",
]  # fmt: skip


def unused(folders: list[str]) -> dict[str, str]:
    """Place by name of everything in `folders` that nothing in `folders` uses."""
    scanner = vulture.Vulture(ignore_decorators=_REGISTERING_DECORATORS)
    scanner.scavenge([str(ROOT / folder) for folder in folders], exclude=[str(ROOT / path) for path in _EXCLUDED])
    return {
        item.name: f"{Path(item.filename).relative_to(ROOT)}:{item.first_lineno}: {item.typ} {item.name}"
        for item in scanner.get_unused_code(min_confidence=60)
        if item.typ not in ("attribute", "variable") or item.confidence == 100 or item.name.isupper()
    }


def _is_exempt(name: str, exceptions: dict[str, str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in exceptions)


def findings() -> Iterator[str]:
    """A sentence for each unused or only tested name, and for each exception that is no longer one."""
    tables = tomllib.loads(USED_NAMES.read_text())
    used, only_tested = tables["used"], tables["only_tested"]
    dead = unused(PRODUCT + TESTS)
    for name, place in sorted(dead.items()):
        if not _is_exempt(name, used):
            yield f"{place} is unused: delete it, or give the reason in used_names.toml"
    dead_in_product = unused(PRODUCT)
    for name, place in sorted(dead_in_product.items()):
        if name not in dead and not _is_exempt(name, used | only_tested):
            yield f"{place} is used by tests only: delete it or move it to tests/"
    unused_names = dead.keys() | dead_in_product.keys()
    for pattern in used | only_tested:
        if not fnmatch.filter(unused_names, pattern):
            yield f"used_names.toml: {pattern} needs no exception"


def main() -> None:
    """Print the findings."""
    problems = list(findings())
    print("\n".join(problems) or "No unused code.")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
