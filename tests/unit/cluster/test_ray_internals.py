"""Ray's private API: used in one module, and every attribute that it uses exists in the installed version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.ray_internals import INTERNALS, Internal

ROOT = Path(__file__).parents[3]
_PRODUCT = ("actors", "cluster", "kuberay", "launch", "models", "serve", "telemetry")
_PRIVATE = re.compile(r"\bray(\.\w+)*\._[a-z]\w+|from ray(\.\w+)* import .*\b_[a-z]\w+|\b_raylet\b(?!\.so)")


@pytest.mark.parametrize("internal", INTERNALS, ids=lambda i: f"{i.module}.{i.attribute}")
def test_ray_still_has_the_attribute(internal: Internal) -> None:
    assert internal.problem() is None


def test_a_missing_attribute_is_one_sentence_with_its_purpose() -> None:
    missing = Internal("ray._private.node", "Node.start_teleporter", "teleport")
    assert re.fullmatch(
        r"Ray [\d.]+ has no ray\._private\.node\.Node\.start_teleporter: cluster/ray_internals\.py uses it to teleport",
        missing.problem() or "",
    )
    no_parameter = Internal("ray._private.worker", "init", "teleport", ("_warp_factor",))
    assert "has no parameter _warp_factor" in (no_parameter.problem() or "")


def test_no_other_module_uses_rays_private_api() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for package in _PRODUCT
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "ray_internals.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _PRIVATE.search(line.split("#")[0])
    ]
    assert offenders == []
