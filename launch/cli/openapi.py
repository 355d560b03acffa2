"""`trailmind openapi`: writes the OpenAPI document of the API to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

_DEFAULT_PATH = Path("docs/openapi.json")


def openapi_command(
    output: Annotated[Path, typer.Argument(help="The file to write.")] = _DEFAULT_PATH,
) -> None:
    """Write the OpenAPI document of the API. Needs no database and no cluster."""
    write_openapi(output)


def write_openapi(path: Path) -> None:
    """Write the OpenAPI document to `path`, as the repository stores it."""
    from cluster.settings import Settings
    from serve.app import create_api
    from serve.openapi.document import document_json

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document_json(create_api(Settings(), _no_shard).openapi()), encoding="utf-8")


def _no_shard(index: int) -> Any:
    raise ConnectionError(index)
