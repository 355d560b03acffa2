"""What several commands share: options, the console for progress, and the settings they lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cluster.settings import Settings, load_settings
from models.errors import ConfigurationError

DataDir = Annotated[Path | None, typer.Option(help="Data directory (TRAILMIND_DATA_DIR).")]
Port = Annotated[int | None, typer.Option(help="Port of the server (TRAILMIND_PORT).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

#: Progress and errors; standard output carries results only.
err = Console(stderr=True)


@contextmanager
def reported_steps(first: str) -> Iterator[Callable[[str], None]]:
    """Show the step that a command is at; yields the function that receives each further step.

    On a terminal it is one line that changes, elsewhere a line for each step, so that a log shows them too.
    """
    if err.is_terminal:
        with err.status(escape(first)) as status:
            yield lambda step: status.update(escape(step))
    else:
        print_line(first)
        yield print_line


def print_line(text: str) -> None:
    """Print `text` to standard error as it is."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def command_settings(data_dir: Path | None = None, port: int | None = None) -> Settings:
    """The settings in the environment with the options of the command. Raises ConfigurationError."""
    options = {"data_dir": data_dir.expanduser().absolute() if data_dir else None, "port": port}
    return load_settings(**{name: value for name, value in options.items() if value is not None})


def settings_with_database(data_dir: Path | None) -> Settings:
    """The settings with the URL of a running database: the configured one, or the embedded one of `trailmind up`.

    Raises ConfigurationError when there is none.
    """
    from launch.local_server import with_running_stores

    settings = with_running_stores(command_settings(data_dir))
    if settings.database.url is None:
        raise ConfigurationError("there is no database: set DATABASE_URL, or start one with `trailmind up`")
    return settings
