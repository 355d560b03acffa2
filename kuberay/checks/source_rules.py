"""Rules about source files: YAML, the comments of the RayService, the Dockerfile, scripts and workflows."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kuberay.checks.findings import Finding
from kuberay.checks.manifests import find_tool
from kuberay.checks.service_rules import strict_yaml

RULES = {
    "yaml": "every YAML file parses, without duplicate keys",
    "reason": "a comment explains every field of the RayService",
    "hadolint": "hadolint finds nothing in the Dockerfile",
    "docker-user": "the image runs as a numeric user other than root",
    "docker-probe-tools": "the image has the programs of the operator's probes: wget, bash, grep",
    "docker-lock": "the image is built from the lock file with checked hashes",
    "docker-labels": "the image has the standard OCI labels",
    "docker-ignore": "the build context excludes private and large files",
    "shellcheck": "shellcheck finds nothing in the scripts",
    "workflow": "actionlint finds nothing in the workflows",
    "workflow-security": "zizmor finds nothing in the workflows: pinned actions, minimal permissions, no injection",
    "operator-values": "the operator watches our namespace and is not throttled",
    "placeholder": "no placeholder of the example is left",
}
_LABELS = ("title", "description", "licenses", "source", "version", "revision")
_IGNORED = (".git", ".venv", "node_modules", "tests", "kuberay/overlays/*/secrets")
_PLACEHOLDERS = ("example.com", "123456789012", "sha256:" + "0" * 64, "abcdefghijklmnopabcdefghijklmnop")
#: A mapping key in block style, and the rest of the line.
_KEY = re.compile(r"^(?P<indent> *)(?:- )?(?P<key>[\w./-]+):(?P<rest> .*|)$")


def check_yaml(folder: Path) -> Iterator[Finding]:
    """The findings about every YAML file below `folder`, except secrets."""
    for file in sorted(folder.rglob("*.yaml")):
        if "secrets" in file.parts or "templates" in file.parts:  # generated; templates of Helm charts
            continue
        try:
            strict_yaml(file.read_text().replace("${max_workers}", "1"))
        except yaml.YAMLError as error:
            yield Finding("yaml", str(file.relative_to(folder)), str(error).replace("\n", " ")[:300])


def check_reasons(rayservice: str) -> Iterator[Finding]:
    """The fields below `spec:` without a comment on their line or the line above.

    A field that only opens a block needs none, because its contents have comments.
    """
    lines = rayservice.splitlines()
    for number in range(lines.index("spec:") + 1, len(lines)):
        line, above = lines[number], lines[number - 1].strip()
        match = _KEY.match(line)
        if not match and line.strip().startswith("- {"):
            match = re.match(r"^( *)- \{(?P<key>\w+):(?P<rest>.*)$", line)
        if not match or line.lstrip().startswith("#"):
            continue
        opens = match["rest"].strip() in {"", "|"} or re.fullmatch(r" &\w+", match["rest"])
        alias = re.fullmatch(r" \*\w+", match["rest"])
        if not (opens or alias or " #" in line or above.startswith("#")):
            yield Finding("reason", f"line {number + 1} {match['key']}", "has no comment that says why")


def check_dockerfile(dockerfile: Path, dockerignore: Path) -> Iterator[Finding]:
    """The findings about the Dockerfile and the build context."""
    result = subprocess.run(
        [find_tool("hadolint"), "--no-color", "--format", "json", dockerfile],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for entry in json.loads(result.stdout or "[]"):
        yield Finding("hadolint", f"Dockerfile line {entry['line']}", f"{entry['code']} {entry['message']}")
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    final = text[text.rindex("\nFROM ") :]
    users = re.findall(r"^USER\s+(\S+)", final, re.MULTILINE)
    if not users or not re.fullmatch(r"[1-9]\d*(:\d+)?", users[-1]):
        yield Finding("docker-user", "Dockerfile", "the last USER must be a number other than 0")
    installed = " ".join(re.findall(r"apt-get install(.*)", final))
    for tool in ("bash", "grep", "wget"):
        if not re.search(rf"\b{tool}\b", installed):
            yield Finding("docker-probe-tools", "Dockerfile", f"{tool} is not installed: no Pod would become ready")
    if "--require-hashes" not in text or "requirements.lock" not in text:
        yield Finding("docker-lock", "Dockerfile", "install from requirements.lock with --require-hashes")
    for name in _LABELS:
        if f"org.opencontainers.image.{name}=" not in final:
            yield Finding("docker-labels", "Dockerfile", f"label org.opencontainers.image.{name} is missing")
    ignored = set(dockerignore.read_text().split())
    for entry in _IGNORED:
        if entry not in ignored:
            yield Finding("docker-ignore", ".dockerignore", f"{entry} is missing: the build would receive it")


def _run_checker(tool: str, *arguments: str | Path) -> list[dict[str, Any]]:
    """The JSON that a checker prints."""
    result = subprocess.run([find_tool(tool), *arguments], capture_output=True, text=True, timeout=60, check=False)
    entries: list[dict[str, Any]] = json.loads(result.stdout or "[]")
    return entries


def check_scripts(scripts: list[Path]) -> Iterator[Finding]:
    """The findings of shellcheck, style included."""
    for entry in _run_checker("shellcheck", "--format=json", *scripts):
        where = f"{Path(entry['file']).name} line {entry['line']}"
        yield Finding("shellcheck", where, f"SC{entry['code']} {entry['message']}")


def check_workflows(workflows: Path) -> Iterator[Finding]:
    """The findings of actionlint (errors) and zizmor (security). Neither uses the network."""
    files = sorted(workflows.glob("*.yml"))
    if not files:
        yield Finding("workflow", str(workflows), "there is no workflow: changes would be merged unchecked")
        return
    for entry in _run_checker("actionlint", "-no-color", "-format", "{{json .}}", *files):
        yield Finding("workflow", f"{Path(entry['filepath']).name} line {entry['line']}", entry["message"])
    updates = [file for file in [workflows.parent / "dependabot.yml"] if file.exists()]
    for entry in _run_checker("zizmor", "--offline", "--quiet", "--format=json", *files, *updates):
        place = next(p for p in entry["locations"] if p["symbolic"]["kind"] == "Primary")
        file = Path(place["symbolic"]["key"]["Local"]["verbatim_path"]).name
        line = place["concrete"]["location"]["start_point"]["row"] + 1
        yield Finding("workflow-security", f"{file} line {line}", f"{entry['ident']}: {entry['desc']}")


def check_operator_values(values: str, namespace: str) -> Iterator[Finding]:
    """The findings about the values of KubeRay's Helm chart, which Helm merges with the chart's own."""
    given = yaml.safe_load(values)
    if given.get("singleNamespaceInstall") and namespace not in (given.get("watchNamespace") or []):
        text = f"singleNamespaceInstall without {namespace} in watchNamespace: the operator ignores our RayService"
        yield Finding("operator-values", "operator-values.yaml", text)
    limits = given.get("resources", {}).get("limits", {})
    if "cpu" not in limits or limits["cpu"] is not None:
        text = "limits.cpu must be null: left out, the chart's limit of 100m stays and throttles the operator"
        yield Finding("operator-values", "operator-values.yaml", text)


def check_placeholders(rendered: str) -> Iterator[Finding]:
    """The placeholders of the example in a rendered overlay, which a deployment must replace."""
    for number, line in enumerate(rendered.splitlines(), 1):
        for placeholder in _PLACEHOLDERS:
            if placeholder in line:
                text = f"is a placeholder: {line.strip()[:100]}"
                yield Finding("placeholder", f"rendered line {number}", text)
