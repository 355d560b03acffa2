"""Extracts the packages of production from the lock file, hashes included.

The lock file also pins development and web tools. It names the dependents of each package ("# via"), which is enough to
compute the closure of the dependencies of production: without a resolver, a network or a second lock file.

    python production_lock.py requirements.lock [--without PACKAGE ...] > production.lock
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==")
#: The dependent that is the project itself; with a group it is "trailmind (pyproject.toml:dev)".
_PROJECT = "trailmind (pyproject.toml)"


def entries(lock: str) -> dict[str, tuple[list[str], set[str]]]:
    """Package -> (its lines, its dependents). A package can have two entries, for different versions of Python."""
    packages: dict[str, tuple[list[str], set[str]]] = {}
    name = ""
    for line in lock.splitlines():
        match = _ENTRY.match(line)
        if match:
            name = match["name"]
            packages.setdefault(name, ([], set()))[0].append(line)
        elif name and line.startswith("    #"):
            dependent = line.strip().lstrip("# ").removeprefix("via").strip()
            if dependent:
                packages[name][1].add(dependent)
        elif name and line.strip():
            packages[name][0].append(line)
    return packages


def production(lock: str, without: frozenset[str] = frozenset()) -> str:
    """The lock of the direct and indirect dependencies, without those in `without` and their own dependencies.

    Raises:
        ValueError: the project does not depend on a name in `without`.
    """
    packages = entries(lock)
    direct = {name for name, (_, dependents) in packages.items() if _PROJECT in dependents}
    if without - direct:
        raise ValueError(f"not among the project's dependencies: {', '.join(sorted(without - direct))}")
    kept: set[str] = set()
    while True:
        more = {
            name
            for name, (_, dependents) in packages.items()
            if name not in kept | without and (_PROJECT in dependents or dependents & kept)
        }
        if not more:
            return "\n".join(line for name in sorted(kept) for line in packages[name][0]) + "\n"
        kept |= more


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    chosen = parser.parse_args()
    sys.stdout.write(production(chosen.lock.read_text(), frozenset(chosen.without)))
