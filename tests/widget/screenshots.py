"""Takes the pictures of docs/widget.md: the example shop, its chat, and a real talk in it.

python -m tests.widget.screenshots [folder]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from infra.deploy import servers
from tests.harness.processes import ForkServer
from tests.screenshots.pictures import DOCS
from tests.screenshots.shop import shop
from tests.widget.chat_page import ChatPage, Window, expect

DESK = {"viewport": {"width": 1180, "height": 780}}
PHONE = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}
SETTLED = """Promise.allSettled(document.querySelector("parley-chat").shadowRoot.getAnimations()
  .filter(one => one.effect.getTiming().iterations < 9).map(one => one.finished))"""


async def light(tab: ChatPage) -> None:
    """A source unfolded, and a thumb up."""
    await tab.ask("Do you ship to Norway?")
    await tab.ask("How much does shipping to Germany cost?")
    await tab.replies.last.get_by_role("button", name="This helped").click()
    await tab.replies.last.locator(".mark").first.click()
    await tab.input.focus()


async def dark(tab: ChatPage) -> None:
    """What the documents do not hold, and the way to a person."""
    await tab.ask("How much does shipping to Germany cost?")
    await tab.ask("Who wrote Hamlet?")
    await tab.replies.last.locator(".choices button").first.click()
    await expect(tab.chat.locator(".line.system")).to_be_visible()


async def arabic(tab: ChatPage) -> None:
    await tab.page.evaluate("Parley.update({ locale: 'ar' })")
    await expect(tab.chat.locator(".root")).to_have_attribute("dir", "rtl")
    await tab.ask("Do you add a heat pack in winter?")
    await tab.chat.locator(".ask").click()
    await expect(tab.chat.locator(".line.system")).to_be_visible()


async def phone(tab: ChatPage) -> None:
    await tab.ask("Are pitcher plants safe for cats?")


PICTURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "widget-light": (light, DESK),
    "widget-dark": (dark, DESK | {"color_scheme": "dark"}),
    "widget-rtl": (arabic, {"viewport": {"width": 620, "height": 780}}),
    "widget-phone": (phone, PHONE),
}


async def take(browser: Browser, base: str, folder: Path) -> None:
    for name, (act, options) in PICTURES.items():
        window = await Window.open(browser, base, **options)
        tab = await window.tab()
        await act(tab)
        await tab.page.evaluate(SETTLED)
        await tab.page.mouse.move(1, 1)
        await tab.page.screenshot(path=folder / f"{name}.png")
        await window.context.close()
        print(folder / f"{name}.png")


async def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fork_server = ForkServer()
    await fork_server.start()
    async with shop(fork_server, lambda config: None) as parley, async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=servers.fetch_browser(), args=["--no-sandbox"])
        await take(browser, parley.base, folder)
        await browser.close()
    await fork_server.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS))
