"""The text of a page as Chromium shows it: all that is shown, once, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.extension.browser import Chromium, wait_until
from tests.extension.cdp import Tab
from tests.extension.fake_server import FakeServer
from tests.extension.local_site import LocalSite
from tests.extension.pdf_pages import CJK_PDFS
from tests.extension.text_pages import PAGES
from tests.extension.user_actions import ready_to_record

pytestmark = [pytest.mark.browser, pytest.mark.real_time]


class Preview:
    """Reads pages as a recording would, without one."""

    def __init__(self, chromium: Chromium, popup: Tab, site: LocalSite) -> None:
        self._chromium, self._popup, self._site = chromium, popup, site

    def of(self, path: str) -> dict[str, Any]:
        """The event that would be sent of the page at `path`."""
        url = self._site.url(path, "text.kinds.test")
        tab = self._chromium.open(url)
        wait_until(lambda: tab.evaluate("document.readyState === 'complete' && location.href !== 'about:blank'"))
        find = f"chrome.tabs.query({{}}).then(ts => ts.find(t => t.url === {json.dumps(url)})?.id)"
        tab_id = wait_until(lambda: self._popup.evaluate(find), what=path)
        message = json.dumps({"command": "preview", "args": {"tabId": tab_id}})
        response = self._popup.evaluate(f"chrome.runtime.sendMessage({message})")
        tab.close()
        event: dict[str, Any] = response["value"]["events"][0]
        return event


@pytest.fixture(scope="module")
def preview(extension_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preview]:
    server, site = FakeServer().start(), LocalSite()
    chromium = Chromium(extension_build, tmp_path_factory.mktemp("profile")).start()
    yield Preview(chromium, ready_to_record(chromium, server), site)
    chromium.kill()
    site.close()
    server.stop()


@pytest.mark.parametrize("name", PAGES)
def test_the_text_of_a_page(preview: Preview, name: str) -> None:
    page = PAGES[name]
    text = preview.of(f"/text/{name}").get("content", "")
    lines = [line.strip() for line in text.split("\n")]
    assert [part for part in page.has if part not in text] == [], text
    assert [part for part in page.has_not if part in text] == [], text
    assert [part for part in page.once if text.count(part) != 1] == [], text
    assert [part for part in page.lines if part not in lines] == [], text


@pytest.mark.parametrize("path", ["/shadow-login", "/closed-shadow-login", "/frame-login"])
def test_a_page_with_a_password_field_in_a_shadow_root_or_a_frame_is_not_read(preview: Preview, path: str) -> None:
    with pytest.raises(TypeError):
        preview.of(path)


@pytest.mark.parametrize("name", CJK_PDFS)
def test_a_pdf_with_a_predefined_character_map(preview: Preview, name: str) -> None:
    event = preview.of(f"/pdf/{name}.pdf")
    assert event["content"] == CJK_PDFS[name].text
    assert event["metadata"]["text_method"] == "pdf"


def test_a_pdf_whose_text_cannot_be_read_says_so(preview: Preview) -> None:
    event = preview.of("/pdf/scan.pdf")
    assert "content" not in event
    assert (event["metadata"]["text_method"], event["metadata"]["text_missing"]) == ("none", "pdf_unreadable")
