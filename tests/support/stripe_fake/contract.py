"""Validates the fake's requests and replies against the trimmed copy of Stripe's OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_DOCUMENT = Path(__file__).parent / "openapi.json"


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_DOCUMENT.read_text())
    return document


@cache
def _validator(operation: str, part: str) -> Draft202012Validator:
    schema = _document()["operations"][operation][part]
    return Draft202012Validator({**schema, "$defs": _document()["$defs"]})


@cache
def _object_validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _document()["$defs"]})


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile(re.sub(r"\{\w+\}", "([^/]+)", operation.partition(" ")[2]) + "$"), operation)
        for operation in sorted(_document()["operations"], key=lambda name: name.count("{"))
    )


def operation_of(method: str, path: str) -> tuple[str, tuple[str, ...]] | None:
    """The operation and its path parameters, or None for one that the fake does not serve."""
    for pattern, operation in _patterns():
        match = pattern.match(path)
        if match and operation.startswith(method + " "):
            return operation, match.groups()
    return None


def nested(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The form `a[b][0]=c` as nested dicts; a dict whose keys are all numbers is a list."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        first, *rest = re.findall(r"[^\[\]]+", name)
        node = tree
        for key, following in zip([first, *rest], rest, strict=False):
            assert following
            node = node.setdefault(key, {})
        node[rest[-1] if rest else first] = value
    result: dict[str, Any] = _with_lists(tree)
    return result


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_with_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _with_lists(value) for key, value in node.items()}


def typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """The strings of a form as the types that the schema gives them."""
    if isinstance(value, dict):
        properties = schema.get("properties") or _first_with(schema, "properties").get("properties", {})
        return {key: typed(part, properties.get(key, {})) for key, part in value.items()}
    if isinstance(value, list):
        items = schema.get("items") or _first_with(schema, "items").get("items", {})
        return [typed(part, items) for part in value]
    types = {schema.get("type"), *(part.get("type") for part in schema.get("anyOf", ()))}
    if "integer" in types and re.fullmatch(r"-?\d+", value):
        return int(value)
    if "boolean" in types and value in ("true", "false"):
        return value == "true"
    return value


def _first_with(schema: Mapping[str, Any], keyword: str) -> Mapping[str, Any]:
    return next((part for part in schema.get("anyOf", ()) if keyword in part), {})


def request_parameters(
    operation: str, query: Sequence[tuple[str, str]], form: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """The parameters of a request with their types. Raises AssertionError if Stripe would not know one."""
    known = _document()["operations"][operation]
    values: dict[str, Any] = typed(nested(form), known["form"])
    errors = [error.message for error in _validator(operation, "form").iter_errors(values)] if values else []
    for name, value in nested(query).items():
        if name not in known["query"]:
            errors.append(f"unknown query parameter {name}")
        else:
            values[name] = typed(value, known["query"][name])
    assert not errors, f"{operation}: {errors}"
    return values


def check_reply(operation: str, body: Any) -> None:
    """Raise AssertionError unless the body fits the operation's schema."""
    errors = [f"{error.json_path}: {error.message}"[:300] for error in _validator(operation, "reply").iter_errors(body)]
    assert not errors, f"{operation}: {errors}"


def check_object(body: Mapping[str, Any]) -> None:
    """Raise AssertionError unless an object of Stripe fits its schema."""
    errors = [
        f"{error.json_path}: {error.message}"[:300] for error in _object_validator(body["object"]).iter_errors(body)
    ]
    assert not errors, f"{body['object']}: {errors}"
