"""`trailmind settings`: every environment variable, as a table for people or for `docs/settings.md`."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Column, Table

from cluster.settings import VARIABLES, Settings, Variable

_INTRODUCTION = """# Settings

<!-- Generated from cluster/settings.py by `make settings-docs`; do not edit. -->

Trailmind reads its configuration from environment variables, once, when a process starts. An invalid value, or a
`TRAILMIND_` variable that is not in this list, stops the start with one sentence that names the variable. A deprecated
name is still read, with a warning. Lists are comma separated; a boolean is `true` or `false`.
"""
_TABLE_HEAD = "| Variable | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"
_TYPE_NAMES = {str: "text", int: "integer", float: "number", bool: "boolean", Path: "path", SecretStr: "secret"}


def settings_command(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md.")] = False,
) -> None:
    """List every environment variable with its type, default and meaning."""
    if markdown:
        typer.echo(settings_markdown(), nl=False)
        return
    # What is cut off cannot be set.
    names = Column("Variable", no_wrap=True, min_width=max(len(variable.name) for variable in VARIABLES))
    table = Table(names, *(Column(title, overflow="fold") for title in ("Type", "Default", "Meaning")))
    for variable in VARIABLES:
        table.add_row(variable.name, _type_text(variable), _default_text(variable), variable.field.description)
    Console().print(table)


def settings_markdown() -> str:
    """The text of `docs/settings.md`."""
    parts = [_INTRODUCTION]
    group: tuple[str, ...] | None = None
    for variable in VARIABLES:
        if variable.path[:-1] != group:
            group = variable.path[:-1]
            parts.append(
                f"\n## {_heading(group)}\n\n| Variable | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"
            )
        cells = (f"`{variable.name}`", _type_text(variable), _default_text(variable), _meaning(variable))
        parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(parts)


def _heading(group: tuple[str, ...]) -> str:
    if not group:
        return "Process"
    model: Any = Settings.model_fields[group[0]].annotation
    return str(model.__doc__).strip().splitlines()[0].rstrip(".")


def _type_text(variable: Variable) -> str:
    annotation: Any = variable.field.annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        (annotation,) = (part for part in typing.get_args(annotation) if part is not type(None))
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is Literal:
        text = ", ".join(f"`{value}`" for value in typing.get_args(annotation))
    elif typing.get_origin(annotation) is tuple:
        text = "list"
    else:
        text = _TYPE_NAMES[annotation]
    bounds = [_bound_text(bound) for bound in variable.field.metadata]
    return ", ".join([text, *(bound for bound in bounds if bound)])


def _bound_text(bound: Any) -> str:
    for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("min_length", "length ≥")):
        if (value := getattr(bound, name, None)) is not None:
            return f"{sign} {value:g}" if value < 10_000 else f"{sign} {value}"
    return ""


def _default_text(variable: Variable) -> str:
    default = variable.field.default
    if variable.name == "TRAILMIND_DATA_DIR":
        # It depends on the user and the operating system.
        return "the user's data directory"
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{','.join(default) if isinstance(default, tuple) else default}`"


def _meaning(variable: Variable) -> str:
    text = variable.field.description or ""
    if variable.aliases:
        text += f" Also read from {', '.join(f'`{name}`' for name in variable.aliases)}."
    if variable.deprecated:
        text += f" Deprecated: {', '.join(f'`{name}`' for name in variable.deprecated)}."
    return text
