"""Every page in every appearance. `python -m tests.dashboard.screenshots` writes docs/screenshots."""

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
#: Pages that links in mails and shares open. `{share}` is the token of a shared map; the mail's token is fictitious.
LINKED_PAGES = {
    "shared": "/shared/{share}",
    "forgot": "/forgot-password",
    "reset": "/reset-password#token=from-a-mail",
    "verify": "/verify-email",
    "link": "/extension/link?extension_id=paenoilheahmjokpbligdebdblbckpfc&state=s&code_challenge=c",
}
#: Gives a page the messaging API of an installed extension.
EXTENSION_STUB = "Object.assign(globalThis.chrome ??= {}, { runtime: { sendMessage: async () => ({}) } })"


@dataclass(frozen=True)
class Appearance:
    """A combination of language, theme and device."""

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


#: Every pair of values occurs (pairwise testing), in half of all combinations.
PAIRWISE_APPEARANCES = [
    Appearance("ko", "light", "phone"),
    Appearance("ko", "dark", "desktop"),
    Appearance("en", "light", "desktop"),
    Appearance("en", "dark", "phone"),
]
APPEARANCES = [Appearance(lang, theme, dev) for lang in ("ko", "en") for theme in ("light", "dark") for dev in _SIZES]


async def wait_until_loaded(page: Page) -> None:
    """Wait until the network is idle and the fonts are loaded."""
    await page.wait_for_load_state("networkidle")
    await page.evaluate("document.fonts.ready.then(() => new Promise(done => setTimeout(done, 250)))")


async def open_page(user: BrowserUser, path: str) -> None:
    """Open `path`; sign in when the dashboard redirects to the login page."""
    await user.page.goto(path)
    await wait_until_loaded(user.page)
    if "/login?next=" in user.page.url:
        await user.sign_in()
        await user.page.wait_for_url(f"**{path}")
        await wait_until_loaded(user.page)
    assert user.page.url.endswith(path), f"{path} ended at {user.page.url}"


async def create_share_link(user: BrowserUser) -> str:
    """Share the displayed session; returns the token of the link."""
    await user.page.get_by_role("button", name=re.compile("^(Share|공유)$")).click()
    await user.page.get_by_role("button", name=re.compile("Create link|링크 만들기")).click()
    link = await user.page.get_by_role("dialog").get_by_role("textbox").input_value()
    await user.page.keyboard.press("Escape")
    return link.rsplit("/", 1)[1]


async def take_screenshots(origin: str, folder: Path) -> None:
    """Sign up in each language, play its sample session, and save every page in every appearance."""
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
            for appearance in (each for each in APPEARANCES if each.language == language):
                context = await browser.new_context(**appearance.options, base_url=origin)
                user = BrowserUser(await context.new_page(), origin)
                user.email = owner.email
                await context.add_init_script(EXTENSION_STUB)
                for name, path in {**PAGES, **LINKED_PAGES}.items():
                    await open_page(user, path.format(id=session_id, share=share))
                    if name == "outline":
                        await user.page.locator(".outline-row.topic").first.click()
                        await wait_until_loaded(user.page)
                    await user.page.screenshot(path=folder / f"{name}-{appearance.name}.png")
                await context.close()
            await first.close()
        await browser.close()


def main() -> None:
    """Start the product and save its screenshots."""
    with Product() as product:
        asyncio.run(take_screenshots(product.origin, Path("docs/screenshots")))


if __name__ == "__main__":
    main()
