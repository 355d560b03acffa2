"""Writes the OpenAPI document to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.settings import Settings
from serve.app import create_api
from serve.openapi.document import document_json


def write_openapi(path: Path) -> None:
    """Write the OpenAPI document to `path`. Needs no database and no cluster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document_json(create_api(Settings(), _no_shard).openapi()), encoding="utf-8")


def _no_shard(index: int) -> Any:
    raise ConnectionError(index)
