"""Every page in every look. `python -m tests.dashboard.screenshots` writes the pictures of docs/screenshots."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.dashboard.browser_user import CHROMIUM_FLAGS, BrowserUser
from tests.support.chromium import CHROMIUM
from tests.support.product import Product

_SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
PAGES = {
    "login": "/login",
    "signup": "/signup",
    "sessions": "/sessions",
    "session": "/sessions/{id}",
    "radial": "/sessions/{id}?view=map&layout=radial",
    "galaxy": "/sessions/{id}?view=map&layout=galaxy",
    "outline": "/sessions/{id}?view=map&layout=outline",
    "timeline": "/sessions/{id}?view=timeline",
    "search": "/search?q=git",
    "account": "/account",
}
#: Pages people are sent to. `{share}` is the token of a shared map; the one of the mail is made up.
LINKED_PAGES = {
    "shared": "/shared/{share}",
    "forgot": "/forgot-password",
    "reset": "/reset-password#token=from-a-mail",
    "verify": "/verify-email",
    "link": "/extension/link?extension_id=paenoilheahmjokpbligdebdblbckpfc&state=s&code_challenge=c",
}
#: What a browser has in which the extension is installed.
EXTENSION_STUB = "Object.assign(globalThis.chrome ??= {}, { runtime: { sendMessage: async () => ({}) } })"


@dataclass(frozen=True)
class Appearance:
    """One way to look at the dashboard."""

    language: str
    theme: str
    device: str

    @property
    def name(self) -> str:
        """For file names and messages."""
        return f"{self.language}-{self.theme}-{self.device}"

    @property
    def options(self) -> dict[str, Any]:
        """Options of a Playwright context."""
        width, height = _SIZES[self.device]
        return {
            "viewport": {"width": width, "height": height},
            "locale": "ko-KR" if self.language == "ko" else "en-US",
            "color_scheme": self.theme,
            "reduced_motion": "reduce",
            "has_touch": self.device == "phone",
        }


#: Every language, theme and device with every other, in half as many looks as there are.
PAIRWISE_APPEARANCES = [
    Appearance("ko", "light", "phone"),
    Appearance("ko", "dark", "desktop"),
    Appearance("en", "light", "desktop"),
    Appearance("en", "dark", "phone"),
]
APPEARANCES = [Appearance(lang, theme, dev) for lang in ("ko", "en") for theme in ("light", "dark") for dev in _SIZES]


async def wait_until_loaded(page: Page) -> None:
    """Wait until nothing is loading and the fonts are there."""
    await page.wait_for_load_state("networkidle")
    await page.evaluate("document.fonts.ready.then(() => new Promise(done => setTimeout(done, 250)))")


async def open_page(person: BrowserUser, path: str) -> None:
    """Go to `path` and stay there, signing in when asked to."""
    await person.page.goto(path)
    await wait_until_loaded(person.page)
    if "/login?next=" in person.page.url:
        await person.sign_in()
        await person.page.wait_for_url(f"**{path}")
        await wait_until_loaded(person.page)
    assert person.page.url.endswith(path), f"{path} ended at {person.page.url}"


async def create_share_link(person: BrowserUser) -> str:
    """Share the session in sight; the token of the link."""
    await person.page.get_by_role("button", name=re.compile("^(Share|공유)$")).click()
    await person.page.get_by_role("button", name=re.compile("Create link|링크 만들기")).click()
    link = await person.page.get_by_role("dialog").get_by_role("textbox").input_value()
    await person.page.keyboard.press("Escape")
    return link.rsplit("/", 1)[1]


async def take_screenshots(origin: str, folder: Path) -> None:
    """Sign up in each language, play its sample session, and write a picture of every page in every look."""
    folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        for language in ("ko", "en"):
            first = await browser.new_context(**Appearance(language, "light", "desktop").options, base_url=origin)
            owner = BrowserUser(await first.new_page(), origin)
            await owner.sign_up()
            await wait_until_loaded(owner.page)
            await owner.page.screenshot(path=folder / f"first-run-{language}-light-desktop.png")
            session_id = await owner.play_sample()
            share = await create_share_link(owner)
            for look in (each for each in APPEARANCES if each.language == language):
                context = await browser.new_context(**look.options, base_url=origin)
                person = BrowserUser(await context.new_page(), origin)
                person.email = owner.email
                await context.add_init_script(EXTENSION_STUB)
                for name, path in {**PAGES, **LINKED_PAGES}.items():
                    await open_page(person, path.format(id=session_id, share=share))
                    if name == "outline":
                        await person.page.locator(".outline-row.topic").first.click()
                        await wait_until_loaded(person.page)
                    await person.page.screenshot(path=folder / f"{name}-{look.name}.png")
                await context.close()
            await first.close()
        await browser.close()


def main() -> None:
    """Start a product and take its pictures."""
    with Product() as product:
        asyncio.run(take_screenshots(product.origin, Path("docs/screenshots")))


if __name__ == "__main__":
    main()
