"""The generated reference of the settings is current and complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.settings import VARIABLES
from launch.cli.main import app
from launch.cli.settings import settings_markdown

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_markdown(), "run `make settings-docs` and commit the page"


def test_every_variable_is_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = settings_markdown()
    for variable in VARIABLES:
        assert text.count(f"| `{variable.name}` |") == 1
        for name in (*variable.aliases, *variable.deprecated):
            assert f"`{name}`" in text
    monkeypatch.setenv("COLUMNS", "200")
    assert "TRAILMIND_EXPOSURE" in CliRunner().invoke(app, ["settings"]).output
