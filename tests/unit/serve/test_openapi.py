"""The committed OpenAPI document matches the code, and is complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from launch.cli.openapi import write_openapi
from serve.openapi.document import operations

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    write_openapi(path)
    return dict(json.loads(path.read_text()))


def test_the_committed_document_is_current(document: dict[str, Any]) -> None:
    assert json.loads(COMMITTED.read_text()) == document, "run `make openapi` and commit docs/openapi.json"


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(ref := value.get("$ref"), str):
                target: Any = document
                for part in ref.removeprefix("#/").split("/"):
                    target = target[part]
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)


def test_every_operation_has_a_description_and_a_unique_id(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    names = []
    for path, method, operation in operations(document):
        assert operation.get("description"), f"{method} {path} has no description"
        assert operation["tags"], f"{method} {path} has no tag"
        assert {"500", "503"} <= operation["responses"].keys()
        assert "422" not in operation["responses"]
        assert any(status.startswith("2") for status in operation["responses"])
        names.append(operation["operationId"])
    assert len(names) == len(set(names))


def test_every_operation_of_api_keys_can_answer_that_the_plan_excludes_them(document: dict[str, Any]) -> None:
    scoped = 0
    for path, method, operation in operations(document):
        for requirement in operation.get("security", []):
            if requirement.get("bearer"):
                scoped += 1
                assert "402" in operation["responses"], f"{method} {path}"
    assert scoped > 20


def test_every_body_has_a_valid_example(document: dict[str, Any]) -> None:
    def named(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(ref := value.get("$ref"), str):
                yield ref.rpartition("/")[2]
            for inner in value.values():
                yield from named(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from named(inner)

    schemas = document["components"]["schemas"]
    shown = set()
    for path, method, operation in operations(document):
        bodies = [operation.get("requestBody", {})] + [r for s, r in operation["responses"].items() if s[0] == "2"]
        shown |= {name for body in bodies for name in named(body.get("content", {}).get("application/json", {}))}
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{method} {path}: {parameter['name']} is not described"
    for name in sorted(shown):
        examples = schemas[name].get("examples")
        assert examples, f"{name} has no example: add one to serve/openapi/examples.py"
        validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})
        for example in examples:
            problems = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(example)]
            assert problems == [], name


def test_parameters_are_bounded(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"]
            kinds = schema.get("anyOf", [schema])
            for kind in kinds:
                if kind.get("type") in {"integer", "number"}:
                    assert {"minimum", "exclusiveMinimum"} & kind.keys(), f"{method} {path}: {parameter['name']}"
                    assert {"maximum", "exclusiveMaximum"} & kind.keys(), f"{method} {path}: {parameter['name']}"
                if kind.get("type") == "string" and parameter["in"] == "query":
                    bounded = {"maxLength", "enum", "const", "format"} & kind.keys()
                    assert bounded, f"{method} {path}: {parameter['name']} has no end"


def test_no_body_of_a_user_sets_what_only_the_server_decides(document: dict[str, Any]) -> None:
    decided = {"role", "status", "email_verified", "email_verified_at", "token_version", "user_id", "is_admin"}
    schemas = document["components"]["schemas"]
    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        reference = str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
        if not path.startswith("/v1/admin/") and reference:
            assert not decided & set(schemas[reference].get("properties", {})), f"{method} {path}"
