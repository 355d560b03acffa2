"""A built extension, a browser, a fake server and a local web for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.extension.browser import CHROMIUM, Chromium
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import Site

_EXTENSION = Path(__file__).parents[2] / "clients" / "extension"
_VENV_BIN = Path(__file__).parents[2] / ".venv" / "bin"


def _run(*command: str) -> None:
    path = os.pathsep.join([str(_VENV_BIN), os.environ.get("PATH", "")])
    done = subprocess.run(command, cwd=_EXTENSION, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def extension_build() -> Path:
    """The unpacked extension. Its manifest differs from the product's in one point: site access is granted at once,
    because nobody can answer Chrome's question in a headless browser."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    if not (_VENV_BIN / "npm").exists() and not shutil.which("npm"):
        pytest.skip("Node is not installed")
    if not (_EXTENSION / "node_modules" / "wxt").exists():
        _run("npm", "ci", "--no-audit", "--no-fund")
    _run("npm", "run", "--silent", "build:e2e")
    return _EXTENSION / ".output" / "chrome-mv3-e2e"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    server = FakeServer().start()
    yield server
    server.stop()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def browsers(extension_build: Path, tmp_path: Path) -> Iterator[Callable[..., Chromium]]:
    """Starts browsers, each with a fresh profile; kills what is left."""
    started: list[Chromium] = []

    def start(language: str = "en-US") -> Chromium:
        profile = tmp_path / f"profile-{len(started)}"
        profile.mkdir()
        started.append(Chromium(extension_build, profile, language).start())
        return started[-1]

    yield start
    for chromium in started:
        chromium.kill()


@pytest.fixture
def chromium(browsers: Callable[..., Chromium]) -> Chromium:
    return browsers()
