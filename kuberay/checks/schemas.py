"""Validates documents against the CRDs and their CEL rules, the core kinds and the kinds of other operators."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cel
import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from jsonschema import Draft202012Validator

from kuberay.checks.findings import Finding
from kuberay.checks.manifests import ROOT, Document, label, pods

RULES = {
    "document": "every document has a kind and a name",
    "unknown-kind": "every document has a schema",
    "crd-schema": "custom resources fit their CRD, without unknown fields",
    "crd-cel": "custom resources satisfy the CEL rules of their CRD",
    "core-schema": "core kinds fit Kubernetes' OpenAPI, strictly",
    "pod-schema": "Pod templates inside custom resources fit Kubernetes' OpenAPI, strictly",
}
#: The oldest supported Kubernetes; `preStop.sleep` is stable in it.
KUBERNETES_VERSION = "1.34"
CRDS = ROOT / "tests" / "kuberay" / "crds"
_FOREIGN = Path(__file__).with_name("foreign_schemas.yaml")

Schema = dict[str, Any]


def closed(schema: Any, is_root: bool = False) -> Any:
    """The structural schema of a CRD as a JSON Schema that rejects fields which the API server would prune.

    Unknown fields are rejected unless the schema preserves them; a required field with a default may be missing.
    """
    if not isinstance(schema, dict):
        return schema
    out: Schema = {k: v for k, v in schema.items() if k not in {"format", "nullable"} and not k.startswith("x-")}
    if schema.get("x-kubernetes-int-or-string"):
        text = {"type": "string", **({"pattern": schema["pattern"]} if "pattern" in schema else {})}
        return {"anyOf": [{"type": "integer"}, text]}
    if "properties" in schema:
        properties = schema["properties"]
        out["properties"] = {name: closed(sub) for name, sub in properties.items()}
        out["required"] = [n for n in schema.get("required", []) if "default" not in properties.get(n, {})]
        if is_root:
            out["properties"]["metadata"] = {"type": "object"}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            out["additionalProperties"] = False
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), dict):
            out[key] = closed(schema[key])
    return {"anyOf": [out, {"type": "null"}]} if schema.get("nullable") else out


def broken_cel(schema: Schema, value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, message) of each CEL rule that `value` violates; rules about changes (`oldSelf`) are skipped."""
    for rule in schema.get("x-kubernetes-validations", []):
        if "oldSelf" not in rule["rule"] and cel.evaluate(rule["rule"], {"self": value}) is False:
            yield path, rule["message"]
    if isinstance(value, dict):
        for name, sub in value.items():
            if name in schema.get("properties", {}):
                yield from broken_cel(schema["properties"][name], sub, f"{path}.{name}")
    elif isinstance(value, list) and "items" in schema:
        for index, sub in enumerate(value):
            yield from broken_cel(schema["items"], sub, f"{path}[{index}]")


@functools.cache
def crd_schema(api_version: str, kind: str) -> tuple[Schema, Draft202012Validator] | None:
    """The schema of a CRD and its validator; None for an unknown kind or a deprecated version."""
    file = CRDS / f"{api_version.partition('/')[0]}_{kind.lower()}s.yaml"
    if not file.exists():
        return None
    crd = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)["spec"]
    for version in crd["versions"]:
        if f"{crd['group']}/{version['name']}" == api_version and not version.get("deprecated"):
            schema = version["schema"]["openAPIV3Schema"]
            return schema, Draft202012Validator(closed(schema, is_root=True))
    return None


@functools.cache
def foreign_schemas() -> dict[tuple[str, str], Draft202012Validator]:
    """(apiVersion, kind) -> validator, for the operators other than KubeRay's."""
    schemas = yaml.safe_load(_FOREIGN.read_text())
    return {
        (entry["apiVersion"], entry["kind"]): Draft202012Validator({**entry["schema"], "$defs": schemas["defs"]})
        for entry in schemas["kinds"]
    }


def _errors(validator: Draft202012Validator, document: Document, rule: str) -> Iterator[Finding]:
    for error in validator.iter_errors(document):
        where = ".".join(str(step) for step in error.absolute_path) or "the document"
        yield Finding(rule, f"{label(document)} {where}", error.message[:300])


def _core_error(document: Document) -> str | None:
    try:
        kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        where = ".".join(str(step) for step in error.path) or "the document"
        return f"{where}: {error.message[:300]}"
    return None


def check(documents: list[Document]) -> Iterator[Finding]:
    """Validate every document against its schema."""
    for index, document in enumerate(documents):
        metadata = document.get("metadata")
        if not (
            document.get("apiVersion") and document.get("kind") and isinstance(metadata, dict) and "name" in metadata
        ):
            yield Finding("document", f"document {index + 1}", "needs apiVersion, kind and metadata.name")
            continue
        key = (document["apiVersion"], document["kind"])
        crd = crd_schema(*key)
        if crd:
            schema, validator = crd
            yield from _errors(validator, document, "crd-schema")
            for path, message in broken_cel(schema, document):
                yield Finding("crd-cel", f"{label(document)} {path.lstrip('.')}", message)
        elif key in foreign_schemas():
            yield from _errors(foreign_schemas()[key], document, "crd-schema")
        else:
            try:
                message_or_none = _core_error(document)
            except kubernetes_validate.SchemaNotFoundError:
                yield Finding("unknown-kind", label(document), f"there is no schema for {key[1]} of {key[0]}")
                continue
            if message_or_none:
                yield Finding("core-schema", label(document), message_or_none)


def check_pods(documents: list[Document]) -> Iterator[Finding]:
    """Validate the Pod templates in custom resources: a CRD has the shape of a Pod, but not all its rules."""
    for pod in pods(documents):
        if pod.cluster_kind:
            metadata = {"name": "cut-out", **pod.template.get("metadata", {})}
            message = _core_error({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod.spec})
            if message:
                yield Finding("pod-schema", pod.owner, message)
