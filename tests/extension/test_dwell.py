"""Active time is what a person saw, within a second, in every situation of `dwell_situations`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extension.browser import Chromium
from tests.extension.dwell_situations import SITUATIONS, Situation, measure
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.recorded import Recorded

pytestmark = [pytest.mark.browser, pytest.mark.real_time]


@pytest.fixture(scope="module")
def recorded(extension_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    server, site = FakeServer().start(), LocalSite()
    chromium = Chromium(extension_build, tmp_path_factory.mktemp("profile")).start()
    yield Recorded(chromium, server, site)
    chromium.kill()
    site.close()
    server.stop()


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_active_time_is_what_a_person_saw(recorded: Recorded, situation: Situation) -> None:
    measured = measure(recorded, situation, situation.__name__.replace("_", "-"))
    assert [visit for visit in measured if visit.stored_s != pytest.approx(visit.seen_s, abs=1.0)] == []
