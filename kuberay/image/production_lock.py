"""Cuts what production runs on out of the lock file, hashes included.

The one lock file also pins development and web tools. It says for each package who asked for it ("# via"), so the
closure of the project's own dependencies can be read off it: no resolver, no network, no second lock to keep in step.

    python production_lock.py requirements.lock [--without PACKAGE ...] > production.lock
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==")
#: Asked for by the project itself; with a group it reads "trailmind (pyproject.toml:dev)".
_PROJECT = "trailmind (pyproject.toml)"


def entries(lock: str) -> dict[str, tuple[list[str], set[str]]]:
    """Package -> (its lines, who asked for it). A package may be there twice, for different Pythons."""
    found: dict[str, tuple[list[str], set[str]]] = {}
    name = ""
    for line in lock.splitlines():
        match = _ENTRY.match(line)
        if match:
            name = match["name"]
            found.setdefault(name, ([], set()))[0].append(line)
        elif name and line.startswith("    #"):
            asker = line.strip().lstrip("# ").removeprefix("via").strip()
            if asker:
                found[name][1].add(asker)
        elif name and line.strip():
            found[name][0].append(line)
    return found


def production(lock: str, without: frozenset[str] = frozenset()) -> str:
    """The lock of the project's dependencies and theirs, less those in `without` and what only they ask for.

    Raises ValueError for a name in `without` that the project does not depend on.
    """
    packages = entries(lock)
    direct = {name for name, (_, askers) in packages.items() if _PROJECT in askers}
    if without - direct:
        raise ValueError(f"not among the project's dependencies: {', '.join(sorted(without - direct))}")
    kept: set[str] = set()
    while True:
        more = {
            name
            for name, (_, askers) in packages.items()
            if name not in kept | without and (_PROJECT in askers or askers & kept)
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
