"""Extract the schema of what our Terraform uses, for `kuberay.checks.terraform_rules`.

    python -m kuberay.checks.extract_terraform_schema WHEELS MODULES > kuberay/checks/terraform_schema.json

Neither a provider nor an account is needed: the generated Python bindings of the providers (PyPI: cdktn-provider-aws,
cdktn-provider-helm, cdktn-provider-random, unpacked into WHEELS) hold every argument of every resource, and are read
without starting them. MODULES holds one directory for each module, named as its source with `/` written as `+`: a copy
of the tagged release. Only names and whether they are required are kept.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kuberay.checks.terraform_rules import TERRAFORM, Block, read_root

#: Arguments of every resource in the bindings that are Terraform's own.
_META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners", "id"}
#: Deeper than any block of ours; WAF statements contain themselves.
_MAX_DEPTH = 8


def _package(wheels: Path, kind: str) -> Path | None:
    """The file of the bindings of `kind`: `aws_kms_key`, `data.aws_route53_zone`, `ephemeral.random_password`."""
    category, _, name = kind.rpartition(".")
    provider, _, rest = name.partition("_")
    folder = {"data": f"data_{provider}_", "ephemeral": f"ephemeral_{provider}_"}.get(category, "") + rest
    for candidate in (folder, folder.replace("_", "")):
        file = wheels / f"cdktn_provider_{provider}" / candidate / "__init__.py"
        if file.exists():
            return file
    return None


def _arguments(classes: dict[str, ast.ClassDef], name: str, depth: int = 0) -> dict[str, Any]:
    init = next(f for f in classes[name].body if isinstance(f, ast.FunctionDef) and f.name == "__init__")
    arguments: dict[str, Any] = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        if depth == 0 and argument.arg in _META:
            continue
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        entry: dict[str, Any] = {"required": True} if default is None else {}
        inner = [c for c in re.findall(r"'(\w+)'", annotation) if c in classes]
        if inner:
            entry["block"] = _arguments(classes, inner[0], depth + 1) if depth < _MAX_DEPTH else {}
        arguments[argument.arg.rstrip("_")] = entry
    return arguments


def _attributes(classes: dict[str, ast.ClassDef], name: str) -> list[str]:
    """The attributes that can be referred to: the properties of the resource's class."""
    return sorted(
        f.name.rstrip("_")
        for f in classes[name].body
        if isinstance(f, ast.FunctionDef)
        and any(ast.unparse(d).endswith("property") for d in f.decorator_list)
        and not f.name.endswith("_input")
    )


def _resource(file: Path) -> dict[str, Any]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    config = next(c for c in classes if any("MetaArguments" in ast.unparse(b) for b in classes[c].bases))
    return {
        "arguments": _arguments(classes, config),
        "attributes": _attributes(classes, config.removesuffix("Config")),
    }


def _module(folder: Path, version: str) -> dict[str, Any]:
    inputs, outputs = {}, []
    for file in sorted(folder.glob("*.tf")):
        text = file.read_text(encoding="utf-8")
        for match in re.finditer(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL):
            has_default = re.search(r"^  default\s*=", match[2], re.MULTILINE)
            inputs[match[1]] = {} if has_default else {"required": True}
        outputs += re.findall(r'^output "(\w+)"', text, re.MULTILINE)
    return {"version": version, "inputs": inputs, "outputs": sorted(outputs)}


def _used(blocks: list[Block]) -> Iterator[str]:
    for block in blocks:
        if block.kind in {"resource", "data", "ephemeral"}:
            yield block.labels[0] if block.kind == "resource" else f"{block.kind}.{block.labels[0]}"


def main(arguments: list[str]) -> int:
    """Print the schema; 1 when something that is used has none."""
    wheels, modules = map(Path, arguments)
    blocks = [block for root in sorted(TERRAFORM.glob("*/versions.tf")) for block in read_root(root.parent)]
    schema: dict[str, Any] = {"resources": {}, "modules": {}}
    for kind in sorted(set(_used(blocks))):
        file = _package(wheels, kind)
        if file is None:
            print(f"no schema of {kind}", file=sys.stderr)
            return 1
        schema["resources"][kind] = _resource(file)
    for block in blocks:
        if block.kind == "module":
            source, version = block.body["source"].strip('"'), block.body["version"].strip('"')
            schema["modules"][source] = _module(modules / source.replace("/", "+"), version)
    # A line for each entry: a change of one resource is a change of one line.
    parts = [
        f'"{part}": {{\n'
        + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in entries.items())
        + "\n}"
        for part, entries in schema.items()
    ]
    print("{\n" + ",\n".join(parts) + "\n}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
