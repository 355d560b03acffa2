"""Every rule has a finding for a manifest that violates it, and none for the manifests of the repository."""

from __future__ import annotations

import copy
import math
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from kuberay.checks import __main__ as checks
from kuberay.checks import schemas
from kuberay.checks.manifests import KUBERAY, RenderError, pods, render
from tests.kuberay import broken_samples
from tests.kuberay.broken_samples import RULE_SAMPLES, SCHEMA_SAMPLES, Break

Documents = list[dict[str, Any]]


@pytest.fixture(scope="module")
def overlays() -> dict[str, Documents]:
    return {name: render(name) for name in checks.overlays()}


@pytest.fixture
def eks(overlays: dict[str, Documents]) -> Documents:
    return copy.deepcopy(overlays["eks"])


def _name(value: object) -> str | None:
    return value if isinstance(value, str) else ""


def test_the_overlays_of_the_readme_exist(overlays: dict[str, Documents]) -> None:
    assert sorted(overlays) == ["eks", "kind"]


@pytest.mark.parametrize("overlay", ["eks", "kind"])
def test_the_overlays_pass(overlays: dict[str, Documents], overlay: str) -> None:
    assert [str(f) for f in checks.check_documents(overlays[overlay])] == []


@pytest.mark.parametrize(("rule", "broken", "message"), SCHEMA_SAMPLES, ids=_name)
def test_schemas_refuse(eks: Documents, rule: str, broken: Break, message: str) -> None:
    good = copy.deepcopy(eks)
    broken(eks)
    changed = [d for d in eks if d not in good]
    findings = list(schemas.check(changed)) or list(schemas.check_pods(changed))
    assert rule in {f.rule for f in findings}
    assert any(message in str(f) for f in findings if f.rule == rule), [str(f) for f in findings]


@pytest.mark.parametrize(("rule", "broken", "message"), RULE_SAMPLES, ids=_name)
def test_rules_refuse(eks: Documents, rule: str, broken: Break, message: str) -> None:
    broken(eks)
    findings = [f for f in checks.check_rules(eks) if f.rule == rule]
    assert any(message in str(f) for f in findings), [str(f) for f in findings]


#: Maps with free keys; rules about references and settings check them.
_FREE = {"labels", "annotations", "data", "matchLabels", "nodeSelector", "rayStartParams", "requests", "limits"}


def _fields(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict) and not (path and path[-1] in _FREE):
        for key, sub in value.items():
            yield (*path, key)
            yield from _fields(sub, (*path, key))
    elif isinstance(value, list):
        for index, sub in enumerate(value):
            yield from _fields(sub, (*path, index))


@pytest.mark.parametrize("part", range(4))
def test_a_typo_in_any_field_is_refused(overlays: dict[str, Documents], part: int) -> None:
    """A quarter of a random hundred of the fields in each part; the seed is fixed, so a failure can be repeated."""
    fields = [(i, path) for i, d in enumerate(overlays["eks"]) for path in _fields(d) if path != ("kind",)]
    assert len(fields) > 1000
    for index, path in random.Random(f"typo {part}").sample(fields, 25):
        documents = copy.deepcopy(overlays["eks"])
        inside: Any = documents[index]
        for step in path[:-1]:
            inside = inside[step]
        inside[f"{path[-1]}x"] = inside.pop(path[-1])
        shape = list(schemas.check([documents[index]])) or list(schemas.check_pods([documents[index]]))
        assert shape or checks.check_rules(documents), (documents[index]["kind"], path)


def _quantity(text: str | int) -> float:
    """A quantity of Kubernetes as a number: CPUs, or bytes."""
    number, unit = re.fullmatch(r"([\d.]+)(m|Mi|Gi)?", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * {None: 1.0, "m": 0.001, "Mi": 2.0**20, "Gi": 2.0**30}[unit]


def _requests(documents: Documents, extra: dict[str, int]) -> tuple[float, float]:
    """CPUs and GiB that the Pods request, with `extra` Pods of groups beside their minimum."""
    cpus = gib = 0.0
    for pod in pods(documents):
        if pod.owner.startswith(("Job/", "CronJob/", "RayJob/")):
            continue
        count = 1
        if pod.role == "worker":
            group = broken_samples.group(documents, pod.group or "")
            count = group["minReplicas"] + extra.get(pod.group or "", 0)
        containers = [c["resources"]["requests"] for c in pod.spec["containers"]]
        if pod.role == "head":
            containers.append(broken_samples.cluster(documents)["autoscalerOptions"]["resources"]["requests"])
        cpus += count * sum(_quantity(r["cpu"]) for r in containers)
        gib += count * sum(_quantity(r["memory"]) for r in containers) / 2**30
    # Rounded up: less than that is not enough.
    return math.ceil(round(cpus * 10, 3)) / 10, math.ceil(round(gib * 10, 3)) / 10


def test_the_requests_of_the_pods_on_a_laptop_are_documented(overlays: dict[str, Documents]) -> None:
    at_rest, making_maps = _requests(overlays["kind"], {}), _requests(overlays["kind"], {"ai": 2})
    text = (KUBERAY / "README.md").read_text() + (KUBERAY / "overlays" / "kind" / "kustomization.yaml").read_text()
    words = " ".join(text.replace("#", " ").split())
    assert words.count(f"request {at_rest[0]} CPUs and {at_rest[1]} GiB at rest") == 2, at_rest
    assert words.count(f"{making_maps[0]} CPUs and {making_maps[1]} GiB while") == 2, making_maps


def test_every_rule_has_a_broken_sample() -> None:
    from tests.kuberay.test_kuberay_sources import SOURCE_RULES

    covered = {rule for rule, _, _ in SCHEMA_SAMPLES + RULE_SAMPLES} | SOURCE_RULES
    assert covered == set(checks.RULES)


def test_an_overlay_with_a_missing_resource_does_not_render(tmp_path: Any) -> None:
    overlay = tmp_path / "kuberay" / "overlays" / "eks"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_text("resources: [nowhere.yaml]\n")
    with pytest.raises(RenderError, match=r"nowhere\.yaml"):
        render("eks", tmp_path / "kuberay")


def test_a_changed_setting_is_rolled_out_as_a_new_cluster(overlays: dict[str, Documents], tmp_path: Any) -> None:
    """The ConfigMap's hash reaches the Pod templates, so that the operator sees a changed cluster."""
    import shutil

    copied = tmp_path / "kuberay"
    shutil.copytree(KUBERAY, copied, ignore=shutil.ignore_patterns("secrets", "__pycache__"))
    settings = copied / "base" / "settings.env"
    settings.write_text(settings.read_text().replace("TRAILMIND_NUM_SHARDS=4", "TRAILMIND_NUM_SHARDS=6"))
    before = broken_samples.main(overlays["eks"], "state")["envFrom"][0]["configMapRef"]["name"]
    after = broken_samples.main(render("eks", copied), "state")["envFrom"][0]["configMapRef"]["name"]
    assert before != after
