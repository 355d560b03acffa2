"""The rules about source files: valid files pass, and each broken file leads to a finding that names the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kuberay.checks import __main__ as checks
from kuberay.checks import source_rules
from kuberay.checks.manifests import KUBERAY, ROOT

DOCKERFILE = (KUBERAY / "Dockerfile").read_text()
IGNORE = (ROOT / ".dockerignore").read_text()
SERVICE = (KUBERAY / "base" / "rayservice.yaml").read_text()

#: rule, what is replaced in the Dockerfile, by what, a part of the message.
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
    findings = [f for f in source_rules.check_dockerfile(file, ignore) if f.rule == rule]
    assert any(sentence in str(f) for f in findings), [str(f) for f in findings]


def test_a_build_context_with_secrets_is_refused(tmp_path: Path) -> None:
    file, ignore = tmp_path / "Dockerfile", tmp_path / ".dockerignore"
    file.write_text(DOCKERFILE)
    ignore.write_text(IGNORE.replace("kuberay/overlays/*/secrets\n", ""))
    findings = list(source_rules.check_dockerfile(file, ignore))
    assert [(f.rule, f.message) for f in findings] == [
        ("docker-ignore", "kuberay/overlays/*/secrets is missing: the build would receive it")
    ]


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("    type: NewCluster # twice", "    type: NewCluster ## twice"),
        ("      version: v2 # explicit", "      version: v2\n      # explicit"),
        ("        minReplicas: 2 # one may die; its", "        minReplicas: 2\n        # one may die; its"),
        (
            "            - {containerPort: 8000, name: serve} # without",
            "            - {containerPort: 8000, name: serve}#",
        ),
        ("      port: 8000  # KubeRay's", "      port: 8000\n      # KubeRay's"),
    ],
)
def test_a_field_without_a_comment_is_refused(good: str, bad: str) -> None:
    assert good in SERVICE, good
    changed = SERVICE.replace(good, bad, 1)
    findings = list(source_rules.check_reasons(changed))
    if "##" in bad:  # still a comment: the control
        assert findings == []
    else:
        assert [f.rule for f in findings] == ["reason"], [str(f) for f in findings]
        assert "says why" in findings[0].message


def test_a_duplicate_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("a: 1\nb: {c: 1, c: 2}\n")
    (tmp_path / "two.yaml").write_text("a: [1\n")
    (tmp_path / "good.yaml").write_text("a: 1\n---\na: 1\n")
    findings = {f.where: f.message for f in source_rules.check_yaml(tmp_path)}
    assert sorted(findings) == ["one.yaml", "two.yaml"]
    assert "duplicate key 'c'" in findings["one.yaml"]


def test_a_script_with_an_unquoted_variable_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "careless.sh"
    script.write_text("#!/usr/bin/env bash\nrm -rf $1/data\n")
    findings = list(source_rules.check_scripts([script]))
    assert any("SC2086" in f.message for f in findings)
    assert {f.where for f in findings} == {"careless.sh line 2"}


#: rule, what is replaced in ci.yml, by what, a part of the message.
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
    findings = [f for f in source_rules.check_workflows(tmp_path) if f.rule == rule]
    assert any(sentence in str(f) for f in findings), [str(f) for f in findings]


def test_an_update_without_a_delay_is_refused(tmp_path: Path) -> None:
    workflows = tmp_path / "workflows"
    workflows.mkdir()
    (workflows / "ci.yml").write_text((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    updates = (ROOT / ".github" / "dependabot.yml").read_text()
    assert "cooldown: {default-days: 7}" in updates
    (tmp_path / "dependabot.yml").write_text(re.sub(r"^ +cooldown: .*\n", "", updates, flags=re.MULTILINE))
    (finding, *_) = source_rules.check_workflows(workflows)
    assert (finding.rule, "dependabot-cooldown" in str(finding)) == ("workflow-security", True)


def test_a_release_passes_every_argument_of_the_image() -> None:
    """The ids of the extension in stores, too: without them a released dashboard cannot sign it in."""
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]["image"]["steps"]
    (build,) = (step for step in steps if "build-push-action" in step.get("uses", ""))
    passed = {line.partition("=")[0] for line in build["with"]["build-args"].splitlines()}
    assert passed >= set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))


def test_workflows_call_targets_of_the_makefile() -> None:
    """What runs on GitHub can be run anywhere by the same name."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called: set[str] = set()
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = file.read_text()
        for command in re.findall(r"(?:run: |^ +|&& )make ([^\n&]+)$", text, re.MULTILINE):
            called |= {word for word in command.split() if re.fullmatch(r"[a-z][a-z-]*", word)}
        called |= {name for names in re.findall(r"check: \[(.+)\]", text) for name in names.split(", ")}
    assert {"setup", "scan-image", "chaos", "soak", "test-nightly", "check-terraform", "lock"} <= called
    assert called <= targets


@pytest.mark.parametrize(
    ("good", "bad", "sentence"),
    [
        ("watchNamespace: [trailmind]", "watchNamespace: []", "the operator ignores our RayService"),
        ("watchNamespace: [trailmind]", "", "the operator ignores our RayService"),
        ("cpu: null, ", "", "the chart's limit of 100m stays"),
        ("cpu: null", "cpu: 200m", "must be null"),
    ],
)
def test_broken_values_of_the_operator_are_refused(good: str, bad: str, sentence: str) -> None:
    values = (KUBERAY / "operator-values.yaml").read_text()
    assert good in values
    (finding,) = source_rules.check_operator_values(values.replace(good, bad), "trailmind")
    assert sentence in str(finding)


def test_a_project_without_workflows_is_refused(tmp_path: Path) -> None:
    assert "there is no workflow" in str(next(source_rules.check_workflows(tmp_path)))


def test_placeholders_are_refused_for_a_deployment(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main(["--deploy", "eks"]) == 1
    printed = capsys.readouterr().out
    for placeholder in ("trailmind.example.com", "123456789012", "sha256:0000"):
        assert placeholder in printed
    assert "placeholder" in printed


def test_an_unknown_overlay_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        checks.main(["gke"])
    assert "there is no overlay gke, only eks, kind" in capsys.readouterr().err


def _rules(test: Callable[..., None]) -> set[str]:
    return {parameters[0] for mark in test.pytestmark for parameters in mark.args[1]}  # type: ignore[attr-defined]


#: The rules that the tests above cover.
SOURCE_RULES = (
    _rules(test_a_broken_dockerfile_is_refused)
    | _rules(test_a_broken_workflow_is_refused)
    | {
        "docker-ignore",
        "reason",
        "yaml",
        "shellcheck",
        "operator-values",
        "placeholder",
    }
)
