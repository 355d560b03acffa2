"""The built extension, and a browser, a fake server and local sites for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.extension.browser import Chromium
from tests.extension.builds import build_extension, has_node, with_permissions_granted
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite


@pytest.fixture(scope="session")
def product_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked extension of the product."""
    if not has_node():
        pytest.skip("Node is not installed")
    return build_extension(tmp_path_factory.mktemp("extension") / "product")


@pytest.fixture(scope="session")
def extension_build(product_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension with its optional permissions granted, because a headless browser cannot answer Chrome's dialog.

    `test_permissions.py` tests the dialog with the product's manifest.
    """
    return with_permissions_granted(product_build, tmp_path_factory.mktemp("extension") / "granted")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    server = FakeServer().start()
    yield server
    server.stop()


@pytest.fixture
def site() -> Iterator[LocalSite]:
    site = LocalSite()
    yield site
    site.close()


@pytest.fixture
def browsers(extension_build: Path, tmp_path: Path) -> Iterator[Callable[..., Chromium]]:
    """Start browsers, each with an empty profile; they are killed after the test."""
    started: list[Chromium] = []

    def start(language: str = "en-US", build: Path = extension_build) -> Chromium:
        profile = tmp_path / f"profile-{len(started)}"
        profile.mkdir()
        started.append(Chromium(build, profile, language).start())
        return started[-1]

    yield start
    for chromium in started:
        chromium.kill()


@pytest.fixture
def chromium(browsers: Callable[..., Chromium]) -> Chromium:
    return browsers()
