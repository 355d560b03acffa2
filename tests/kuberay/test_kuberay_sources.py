"""The files as they are written: good ones pass, broken ones are refused with the sentence that helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kuberay.checks import __main__ as checks
from kuberay.checks import source_rules
from kuberay.checks.manifests import KUBERAY, ROOT

DOCKERFILE = (KUBERAY / "Dockerfile").read_text()
IGNORE = (ROOT / ".dockerignore").read_text()
SERVICE = (KUBERAY / "base" / "rayservice.yaml").read_text()

#: rule, what is replaced in the Dockerfile, by what, a part of the sentence.
DOCKERFILES = [
    ("hadolint", "python:3.11.14-slim-bookworm AS", "python AS", "DL3006"),
    ("hadolint", "# hadolint ignore=DL3008\n", "", "DL3008"),
    ("docker-user", "USER 1000:1000\n", "", "must be a number"),
    ("docker-user", "USER 1000:1000", "USER ray", "must be a number"),
    ("docker-user", "USER 1000:1000", "USER 0:0", "other than 0"),
    ("docker-probe-tools", "grep wget", "grep", "wget is not installed"),
    ("docker-lock", "--require-hashes ", "", "--require-hashes"),
    ("docker-labels", "image.revision", "image.rev", "image.revision is missing"),
]


def test_the_sources_pass() -> None:
    assert [str(f) for f in checks.check_sources()] == []


@pytest.mark.parametrize(("rule", "good", "bad", "sentence"), DOCKERFILES)
def test_a_broken_dockerfile_is_refused(tmp_path: Path, rule: str, good: str, bad: str, sentence: str) -> None:
    assert good in DOCKERFILE
    file, ignore = tmp_path / "Dockerfile", tmp_path / ".dockerignore"
    file.write_text(DOCKERFILE.replace(good, bad))
    ignore.write_text(IGNORE)
    found = [f for f in source_rules.check_dockerfile(file, ignore) if f.rule == rule]
    assert any(sentence in str(f) for f in found), [str(f) for f in found]


def test_a_build_context_with_secrets_is_refused(tmp_path: Path) -> None:
    file, ignore = tmp_path / "Dockerfile", tmp_path / ".dockerignore"
    file.write_text(DOCKERFILE)
    ignore.write_text(IGNORE.replace("kuberay/overlays/*/secrets\n", ""))
    found = list(source_rules.check_dockerfile(file, ignore))
    assert [(f.rule, f.message) for f in found] == [
        ("docker-ignore", "kuberay/overlays/*/secrets would be sent to the build")
    ]


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("    type: NewCluster # twice", "    type: NewCluster ## twice"),
        ("      version: v2 # said aloud", "      version: v2\n      # said aloud"),
        ("        minReplicas: 2 # one may die; its", "        minReplicas: 2\n        # one may die; its"),
        (
            "            - {containerPort: 8000, name: serve} # without",
            "            - {containerPort: 8000, name: serve}#",
        ),
        ("      port: 8000  # KubeRay's", "      port: 8000\n      # KubeRay's"),
    ],
)
def test_a_field_without_its_reason_is_refused(good: str, bad: str) -> None:
    assert good in SERVICE, good
    changed = SERVICE.replace(good, bad, 1)
    found = list(source_rules.check_reasons(changed))
    if "##" in bad:  # still a comment: the control
        assert found == []
    else:
        assert [f.rule for f in found] == ["reason"], [str(f) for f in found]
        assert "not why" in found[0].message


def test_a_key_said_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("a: 1\nb: {c: 1, c: 2}\n")
    (tmp_path / "two.yaml").write_text("a: [1\n")
    (tmp_path / "good.yaml").write_text("a: 1\n---\na: 1\n")
    found = {f.where: f.message for f in source_rules.check_yaml(tmp_path)}
    assert sorted(found) == ["one.yaml", "two.yaml"]
    assert "'c' is said twice" in found["one.yaml"]


def test_a_careless_script_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "careless.sh"
    script.write_text("#!/usr/bin/env bash\nrm -rf $1/data\n")
    found = list(source_rules.check_scripts([script]))
    assert any("SC2086" in f.message for f in found)
    assert {f.where for f in found} == {"careless.sh line 2"}


#: rule, what is replaced in ci.yml, by what, a part of the sentence.
WORKFLOWS = [
    ("workflow", "runs-on: ubuntu-24.04", "runs_on: ubuntu-24.04", 'unexpected key "runs_on"'),
    ("workflow", "${{ github.sha }}", "${{ github.shaa }}", 'property "shaa" is not defined'),
    ("workflow-security", "@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "@v5", "unpinned-uses"),
    ("workflow-security", "run: .ci/run", "run: echo ${{ github.head_ref }}", "template-injection"),
]


@pytest.mark.parametrize(("rule", "good", "bad", "sentence"), WORKFLOWS)
def test_a_broken_workflow_is_refused(tmp_path: Path, rule: str, good: str, bad: str, sentence: str) -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert good in text
    (tmp_path / "ci.yml").write_text(text.replace(good, bad, 1))
    found = [f for f in source_rules.check_workflows(tmp_path) if f.rule == rule]
    assert any(sentence in str(f) for f in found), [str(f) for f in found]


def test_a_project_without_workflows_is_refused(tmp_path: Path) -> None:
    assert "there is no workflow" in str(next(source_rules.check_workflows(tmp_path)))


def test_the_examples_accounts_do_not_deploy(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main(["--deploy", "eks"]) == 1
    printed = capsys.readouterr().out
    for placeholder in ("trailmind.example.com", "123456789012", "sha256:0000"):
        assert placeholder in printed
    assert "placeholder" in printed


def test_an_overlay_nobody_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        checks.main(["gke"])
    assert "there is no overlay gke, only eks, kind" in capsys.readouterr().err


def _rules(test: Callable[..., None]) -> set[str]:
    return {parameters[0] for mark in test.pytestmark for parameters in mark.args[1]}  # type: ignore[attr-defined]


#: What the tests above prove.
SOURCE_RULES = (
    _rules(test_a_broken_dockerfile_is_refused)
    | _rules(test_a_broken_workflow_is_refused)
    | {
        "docker-ignore",
        "reason",
        "yaml",
        "shellcheck",
        "placeholder",
    }
)
