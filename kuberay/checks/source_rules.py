"""Rules about files as they are written: YAML, the RayService's reasons, the Dockerfile, the scripts."""

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
    "yaml": "every YAML file parses, with no key said twice",
    "reason": "every field of the RayService carries its reason as a comment",
    "hadolint": "hadolint finds nothing in the Dockerfile",
    "docker-user": "the image runs as a user that is not root, by number",
    "docker-probe-tools": "the image has what the operator's probes call: wget, bash, grep",
    "docker-lock": "the image is built from the lock file, hashes checked",
    "docker-labels": "the image says what it is and where it is from",
    "docker-ignore": "the build context leaves out what is private or large",
    "shellcheck": "shellcheck finds nothing in the scripts",
    "workflow": "GitHub's workflows are what GitHub understands",
    "workflow-security": "zizmor finds nothing in GitHub's workflows: pinned actions, few rights, no injection",
    "placeholder": "nothing of the example accounts is left",
}
_LABELS = ("title", "description", "licenses", "source", "version", "revision")
_IGNORED = (".git", ".venv", "node_modules", "tests", "kuberay/overlays/*/secrets")
_PLACEHOLDERS = ("example.com", "123456789012", "sha256:" + "0" * 64, "abcdefghijklmnopabcdefghijklmnop")
#: A mapping key in block style, with whatever follows on the line.
_KEY = re.compile(r"^(?P<indent> *)(?:- )?(?P<key>[\w./-]+):(?P<rest> .*|)$")


def check_yaml(folder: Path) -> Iterator[Finding]:
    """Every YAML file below `folder`, secrets aside."""
    for file in sorted(folder.rglob("*.yaml")):
        if "secrets" in file.parts:
            continue
        try:
            strict_yaml(file.read_text().replace("${max_workers}", "1"))
        except yaml.YAMLError as error:
            yield Finding("yaml", str(file.relative_to(folder)), str(error).replace("\n", " ")[:300])


def check_reasons(rayservice: str) -> Iterator[Finding]:
    """Each field below `spec:` has a comment on its line or right above it.

    A field that only opens a block is explained by what is inside it, and a list item's `name` by its siblings.
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
            yield Finding("reason", f"line {number + 1} {match['key']}", "says what, not why: add a comment")


def check_dockerfile(dockerfile: Path, dockerignore: Path) -> Iterator[Finding]:
    """The image's recipe and what is sent to its build."""
    done = subprocess.run(
        [find_tool("hadolint"), "--no-color", "--format", "json", dockerfile],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for found in json.loads(done.stdout or "[]"):
        yield Finding("hadolint", f"Dockerfile line {found['line']}", f"{found['code']} {found['message']}")
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    final = text[text.rindex("\nFROM ") :]
    users = re.findall(r"^USER\s+(\S+)", final, re.MULTILINE)
    if not users or not re.fullmatch(r"[1-9]\d*(:\d+)?", users[-1]):
        yield Finding("docker-user", "Dockerfile", "the last USER must be a number other than 0: the kubelet checks it")
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
            yield Finding("docker-ignore", ".dockerignore", f"{entry} would be sent to the build")


def _found_by(tool: str, *arguments: str | Path) -> list[dict[str, Any]]:
    """What a checker says, as the JSON it prints."""
    done = subprocess.run([find_tool(tool), *arguments], capture_output=True, text=True, timeout=60, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found


def check_scripts(scripts: list[Path]) -> Iterator[Finding]:
    """shellcheck, its opinions about style included."""
    for found in _found_by("shellcheck", "--format=json", *scripts):
        where = f"{Path(found['file']).name} line {found['line']}"
        yield Finding("shellcheck", where, f"SC{found['code']} {found['message']}")


def check_workflows(workflows: Path) -> Iterator[Finding]:
    """actionlint for what GitHub would refuse, zizmor for what it would let happen. Neither asks the network."""
    files = sorted(workflows.glob("*.yml"))
    if not files:
        yield Finding("workflow", str(workflows), "there is no workflow: nothing would be checked before it lands")
        return
    for found in _found_by("actionlint", "-no-color", "-format", "{{json .}}", *files):
        yield Finding("workflow", f"{Path(found['filepath']).name} line {found['line']}", found["message"])
    for found in _found_by("zizmor", "--offline", "--quiet", "--format=json", *files):
        place = next(p for p in found["locations"] if p["symbolic"]["kind"] == "Primary")
        file = Path(place["symbolic"]["key"]["Local"]["verbatim_path"]).name
        line = place["concrete"]["location"]["start_point"]["row"] + 1
        yield Finding("workflow-security", f"{file} line {line}", f"{found['ident']}: {found['desc']}")


def check_placeholders(rendered: str) -> Iterator[Finding]:
    """For a deployment, not for the repository: the example's accounts and names must be gone."""
    for number, line in enumerate(rendered.splitlines(), 1):
        for placeholder in _PLACEHOLDERS:
            if placeholder in line:
                text = f"still the example's: {line.strip()[:100]}"
                yield Finding("placeholder", f"rendered line {number}", text)
