"""Every page in every appearance. `python -m tests.dashboard.screenshots` writes docs/screenshots."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.dashboard.browser_user import CHROMIUM_FLAGS, BrowserUser
from tests.support.chromium import CHROMIUM
from tests.support.product import Product

_SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1440, 900)}
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


#: Every value occurs once.
SINGLE_APPEARANCES = [Appearance("ko", "light", "phone"), Appearance("en", "dark", "desktop")]
#: Every pair of values occurs (pairwise testing), in half of all combinations.
PAIRWISE_APPEARANCES = [
    Appearance("ko", "light", "phone"),
    Appearance("ko", "dark", "desktop"),
    Appearance("en", "light", "desktop"),
    Appearance("en", "dark", "phone"),
]
APPEARANCES = [
    Appearance(lang, theme, device)
    for lang in ("ko", "en")
    for theme in ("light", "dark")
    for device in ("phone", "desktop")
]
#: Pages, dialogs, errors and empty states at the width between phone and desktop.
TABLET_APPEARANCES = [Appearance("ko", "light", "tablet"), Appearance("en", "dark", "tablet")]
TABLET_PAGES = ("sessions", "session", "account")


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


async def open_overlay(user: BrowserUser, name: str, session_id: str) -> None:
    """Show a dialog, a menu, an error or an empty state by the user's own actions."""
    page, patterns = user.page, _OVERLAYS[name]
    if name == "not-found":
        await open_page(user, f"/sessions/{uuid.UUID(int=0)}")
    elif name == "error":
        await page.route("**/v1/sessions?*", lambda route: route.fulfill(status=500, body="{}"))
        await page.goto("/sessions")
        await page.locator("[data-error]").wait_for()
        await page.unroute("**/v1/sessions?*")
    elif name == "nothing-found":
        await open_page(user, "/search?q=zzzqqq")
    else:
        await open_page(user, f"/sessions/{session_id}?view=map{'&layout=outline' if name == 'evidence' else ''}")
        if name in ("palette", "keys"):
            await page.keyboard.press(patterns)
        elif name == "evidence":
            await page.locator(".outline-row.topic").first.click()
        for pattern in patterns.split("/") if name not in ("palette", "keys", "evidence") else ():
            await (
                page.locator("button, [role=menuitem]")
                .filter(visible=True)
                .and_(
                    page.get_by_role("button", name=re.compile(pattern)).or_(
                        page.get_by_role("menuitem", name=re.compile(pattern))
                    )
                )
                .last.click()
            )
        await page.locator("[role=dialog], [role=menu], .evidence").first.wait_for()
    await wait_until_loaded(page)


#: What opens each of them: a key, or the names of buttons and menu items, one after the other.
_OVERLAYS = {
    "palette": "Control+k",
    "keys": "?",
    "evidence": "",
    "share": "^(Share|공유)$",
    "export": "^(Export|내보내기)$",
    "new-topic": "^(New topic|새 주제)$",
    "versions": "^(More actions for the map|지도의 더 많은 작업)$/^(Versions|버전)$",
    "score": "^(More actions for the map|지도의 더 많은 작업)$/^(Scorecard|점수표)$",
    "left-out": "^(More actions for the map|지도의 더 많은 작업)$/(left out|제외)",
    "regenerate": "^(More actions for the map|지도의 더 많은 작업)$/^(Draw again|다시 그리기)$",
    "not-found": "",
    "error": "",
    "nothing-found": "",
}
OVERLAYS = tuple(_OVERLAYS)


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
            for appearance in (each for each in TABLET_APPEARANCES if each.language == language):
                context = await browser.new_context(**appearance.options, base_url=origin)
                user = BrowserUser(await context.new_page(), origin)
                user.email = owner.email
                for name in TABLET_PAGES:
                    await open_page(user, PAGES[name].format(id=session_id))
                    await user.page.screenshot(path=folder / f"{name}-{appearance.name}.png")
                for name in OVERLAYS:
                    await open_overlay(user, name, session_id)
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
