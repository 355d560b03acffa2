"""Rules about the Terraform configuration, without a provider, an account or the network.

`terraform validate` needs the providers, which are programs of hundreds of megabytes from a registry. The schema of
what we use is in `terraform_schema.json` instead (`extract_terraform_schema.py` says where it comes from), and the
files are parsed by `python-hcl2`.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2
from lark.exceptions import LarkError

from kuberay.checks.findings import Finding
from kuberay.checks.manifests import KUBERAY

RULES = {
    "tf-syntax": "every file parses",
    "tf-format": "every file has the form of `terraform fmt` (where terraform is installed)",
    "tf-type": "every resource and data source exists in the provider",
    "tf-argument": "every argument and block exists in the schema of its resource",
    "tf-required": "every required argument is given",
    "tf-module": "every module is pinned to the release whose inputs are recorded",
    "tf-reference": "every reference leads to something that exists",
    "tf-variable": "every variable is described and used",
    "tf-environment": "every environment gives exactly the variables that exist and have no default",
    "tf-secret": "no password or key is an argument that the state keeps",
    "tf-version": "providers and charts are pinned",
}
TERRAFORM = KUBERAY / "terraform"
#: Arguments of Terraform itself.
_META = {"count", "for_each", "depends_on", "provider", "lifecycle", "source", "version", "providers"}
#: Arguments whose values the state keeps, where a write-only argument exists.
_KEPT = {"password", "auth_token", "secret_string", "secret_binary", "passwords", "private_key"}
#: The first part of a reference that is not a resource.
_NAMESPACES = {"var", "local", "module", "data", "ephemeral", "each", "count", "path", "self", "terraform"}
_REFERENCE = re.compile(r"(?<![\w.\"$])((?:[a-z][\w-]*)(?:\[[^\]]*\])?(?:\.[a-z_][\w-]*(?:\[[^\]]*\])?)+)")


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level block: `resource "aws_kms_key" "data" {...}` has the kind `resource` and two labels."""

    file: str
    kind: str
    labels: tuple[str, ...]
    body: Mapping[str, Any]

    @property
    def where(self) -> str:
        """The block as a reader would look for it."""
        return f"{self.file} {' '.join([self.kind, *self.labels])}"


@functools.cache
def _schema() -> Mapping[str, Any]:
    schema: Mapping[str, Any] = json.loads((KUBERAY / "checks" / "terraform_schema.json").read_text(encoding="utf-8"))
    return schema


@functools.cache
def _parse(text: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = hcl2.loads(text)
    return parsed


def read_file(path: Path, text: str | None = None) -> list[Block]:
    """The blocks of a file. Raises lark.exceptions.LarkError."""
    parsed = _parse(text if text is not None else path.read_text(encoding="utf-8"))
    blocks = []
    for kind, values in parsed.items():
        for value in values if isinstance(values, list) and not kind.startswith("__") else []:
            labels, body = [], value
            while isinstance(body, dict) and "__is_block__" not in body and len(body) == 1:
                label, body = next(iter(body.items()))
                labels.append(label.strip('"'))
            blocks.append(Block(path.name, kind, tuple(labels), body))
    return blocks


def read_root(folder: Path) -> list[Block]:
    """The blocks of a root module. Raises lark.exceptions.LarkError."""
    return [block for file in sorted(folder.glob("*.tf")) for block in read_file(file)]


def check(terraform: Path = TERRAFORM) -> Iterator[Finding]:
    """The findings about every root module and environment."""
    roots = sorted(file.parent for file in terraform.glob("*/versions.tf"))
    for root in roots:
        blocks: list[Block] = []
        for file in sorted(root.glob("*.tf")):
            try:
                blocks += read_file(file)
            except LarkError as error:
                yield Finding("tf-syntax", f"{root.name}/{file.name}", str(error).splitlines()[0])
                return
        yield from check_blocks(blocks)
        environments = sorted((terraform / "environments").glob("*.tfvars")) if root.name == "aws" else []
        for environment in environments:
            yield from check_environment(blocks, environment.name, environment.read_text(encoding="utf-8"))
    yield from _check_format(terraform)


def _check_format(terraform: Path) -> Iterator[Finding]:
    program = shutil.which("terraform")
    if program is None:
        return
    done = subprocess.run(
        [program, "fmt", "-check", "-recursive", "-no-color", terraform],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.endswith((".tf", ".tfvars")):
            yield Finding("tf-format", line, "is not formatted: run `terraform fmt -recursive kuberay/terraform`")


def check_blocks(blocks: list[Block]) -> Iterator[Finding]:
    """The findings about the blocks of one root module."""
    for block in blocks:
        if block.kind in {"resource", "data", "ephemeral"}:
            yield from _check_resource(block)
        elif block.kind == "module":
            yield from _check_module(block)
        yield from _check_secrets(block)
    yield from _check_references(blocks)
    yield from _check_variables(blocks)
    yield from _check_versions(blocks)


def _names(body: Mapping[str, Any]) -> Iterator[str]:
    """The names of arguments and blocks, dynamic ones included."""
    for name in body:
        if name.startswith("__"):
            continue
        if name == "dynamic":
            for dynamic in body[name]:
                yield from (label.strip('"') for label in dynamic if not label.startswith("__"))
        else:
            yield name


def _inner_bodies(body: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    values = body.get(name, [])
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, dict) and "__is_block__" in value:
            yield value
    for dynamic in body.get("dynamic", []):
        for label, inner in dynamic.items():
            if label.strip('"') == name:
                yield from inner.get("content", [])


def _check_resource(block: Block) -> Iterator[Finding]:
    kind = block.labels[0] if block.kind == "resource" else f"{block.kind}.{block.labels[0]}"
    known = _schema()["resources"].get(kind)
    if known is None:
        yield Finding("tf-type", block.where, f"there is no {kind} in the recorded schema of the provider")
        return
    yield from _check_arguments(block.where, block.body, known["arguments"], allowed=_META)


def _check_arguments(
    where: str, body: Mapping[str, Any], known: Mapping[str, Any], allowed: frozenset[str] | set[str] = frozenset()
) -> Iterator[Finding]:
    given = set(_names(body))
    for name in sorted(given - known.keys() - allowed):
        close = [other for other in known if other.replace("_", "") == name.replace("_", "")]
        hint = f"; did you mean {close[0]}?" if close else ""
        yield Finding("tf-argument", f"{where} {name}", f"has no such argument{hint}")
    for name, entry in known.items():
        if entry.get("required") and name not in given:
            yield Finding("tf-required", f"{where} {name}", "is required")
        if entry.get("block"):
            for inner in _inner_bodies(body, name):
                yield from _check_arguments(f"{where} {name}", inner, entry["block"])


def _check_module(block: Block) -> Iterator[Finding]:
    source, version = (str(block.body.get(key, "")).strip('"') for key in ("source", "version"))
    known = _schema()["modules"].get(source)
    if known is None or known["version"] != version:
        recorded = known["version"] if known else "none"
        yield Finding("tf-module", block.where, f"{source} {version or 'without a version'}: recorded is {recorded}")
        return
    yield from _check_arguments(block.where, block.body, known["inputs"], allowed=_META)


def _check_secrets(block: Block) -> Iterator[Finding]:
    if block.kind not in {"resource", "module"}:
        return
    for name in sorted(_KEPT & set(_names(block.body))):
        yield Finding("tf-secret", f"{block.where} {name}", f"the state would keep it: use {name}_wo")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in {"__comments__", "__inline_comments__"}:
                yield from _texts(key)
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _expressions(text: str) -> str:
    """`text` without what is a literal: quoted strings lose everything outside `${...}`."""
    out, depth, index, in_string = [], 0, 0, []
    while index < len(text):
        if text.startswith("${", index):
            depth += 1
            in_string.append(False)
            index += 2
            out.append(" ")
            continue
        char = text[index]
        if char == "{" and depth:
            depth += 1
            in_string.append(in_string[-1] if in_string else False)
        elif char == "}" and depth:
            depth -= 1
            in_string.pop()
        elif char == '"' and depth:
            in_string[-1] = not in_string[-1]
            out.append(" ")
            index += 1
            continue
        out.append(char if depth and in_string and not in_string[-1] else " ")
        index += 1
    return "".join(out)


def _references(value: object) -> Iterator[tuple[str, ...]]:
    for text in _texts(value):
        bound = set(re.findall(r"\bfor ([\w, ]+) in\b", text))
        names = {name.strip() for group in bound for name in group.split(",")}
        for match in _REFERENCE.finditer(_expressions(text)):
            parts = tuple(re.sub(r"\[[^\]]*\]", "", match[1]).split("."))
            if parts[0] not in names:
                yield parts


def _dynamic_names(value: object) -> Iterator[str]:
    """The iterators of `dynamic` blocks inside `value`."""
    if isinstance(value, dict):
        for dynamic in value.get("dynamic", []):
            yield from (label.strip('"') for label in dynamic)
        for inner in value.values():
            yield from _dynamic_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _dynamic_names(inner)


def _check_references(blocks: list[Block]) -> Iterator[Finding]:
    variables = {b.labels[0] for b in blocks if b.kind == "variable"}
    local_names = {name for b in blocks if b.kind == "locals" for name in b.body}
    modules = {b.labels[0]: str(b.body.get("source", "")).strip('"') for b in blocks if b.kind == "module"}
    resources = {(b.kind, *b.labels) for b in blocks if b.kind in {"resource", "data", "ephemeral"}}
    for block in blocks:
        own = set(_dynamic_names(block.body))
        for parts in _references(block.body):
            problem = ""
            if parts[0] in own:
                continue
            if parts[0] == "var":
                problem = "" if parts[1] in variables else "no such variable"
            elif parts[0] == "local":
                problem = "" if parts[1] in local_names else "no such local value"
            elif parts[0] == "module":
                problem = _module_problem(parts, modules)
            elif parts[0] in {"data", "ephemeral"} or "_" in parts[0]:
                path = parts if parts[0] in {"data", "ephemeral"} else ("resource", *parts)
                problem = _resource_problem(path, resources)
            elif parts[0] not in _NAMESPACES:
                continue
            if problem:
                yield Finding("tf-reference", f"{block.where} {'.'.join(parts)}", problem)


def _module_problem(parts: tuple[str, ...], modules: Mapping[str, str]) -> str:
    if parts[1] not in modules:
        return "no such module"
    outputs = _schema()["modules"].get(modules[parts[1]], {}).get("outputs")
    if outputs is not None and len(parts) > 2 and parts[2] not in outputs:
        return "the module has no such output"
    return ""


def _resource_problem(path: tuple[str, ...], resources: set[tuple[str, ...]]) -> str:
    if len(path) < 3 or path[:3] not in resources:
        return "no such resource"
    kind = path[1] if path[0] == "resource" else f"{path[0]}.{path[1]}"
    known = _schema()["resources"].get(kind)
    if known and len(path) > 3 and path[3] not in {*known["attributes"], *known["arguments"], "id"}:
        return f"{kind} has no such attribute"
    return ""


def _check_variables(blocks: list[Block]) -> Iterator[Finding]:
    used = {
        parts[1]
        for block in blocks
        if block.kind != "variable"
        for parts in _references(block.body)
        if parts[0] == "var"
    }
    for block in blocks:
        if block.kind != "variable":
            continue
        if "description" not in block.body:
            yield Finding("tf-variable", block.where, "has no description")
        if block.labels[0] not in used:
            yield Finding("tf-variable", block.where, "is not used")


def _check_versions(blocks: list[Block]) -> Iterator[Finding]:
    for block in blocks:
        if block.kind == "terraform":
            for providers in block.body.get("required_providers", []):
                for name, expected in providers.items():
                    if isinstance(expected, dict) and not str(expected.get("version", "")).strip('"').startswith("~> "):
                        yield Finding(
                            "tf-version", f"{block.file} provider {name}", 'write a version such as "~> 6.28"'
                        )
        is_chart = block.kind == "resource" and block.labels[0] == "helm_release" and "repository" in block.body
        version = str(block.body.get("version", "")).strip('"')
        if is_chart and not re.fullmatch(r"\d+\.\d+\.\d+", version):
            yield Finding("tf-version", block.where, f"the chart's version is {version or 'missing'}: name one exactly")


def check_environment(blocks: list[Block], name: str, text: str) -> Iterator[Finding]:
    """The findings about the variable file `name` with the content `text`."""
    try:
        given = hcl2.loads(text)
    except LarkError as error:
        yield Finding("tf-syntax", name, str(error).splitlines()[0])
        return
    variables = {b.labels[0]: b.body for b in blocks if b.kind == "variable"}
    for key in sorted(k for k in given if not k.startswith("__") and k not in variables):
        yield Finding("tf-environment", f"{name} {key}", "there is no such variable")
    for key in sorted(k for k, body in variables.items() if "default" not in body and k not in given):
        yield Finding("tf-environment", f"{name} {key}", "is missing, and it has no default")
    for key in sorted(k for k in given if k in variables and isinstance(given[k], dict)):
        expected = set(re.findall(r"(\w+)\s*=", str(variables[key].get("type", ""))))
        inner = {k for k in given[key] if not k.startswith("__")}
        for part in sorted(expected ^ inner):
            problem = "is missing" if part in expected else "there is no such field"
            yield Finding("tf-environment", f"{name} {key}.{part}", problem)


def main() -> int:
    """Print the findings; 1 when there is one."""
    findings = list(check())
    for finding in findings:
        print(finding)
    print(f"{len(RULES)} rules, {len(findings)} findings")
    if shutil.which("terraform") is None:
        print("tf-format was not checked: terraform is not installed")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
