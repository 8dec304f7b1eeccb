"""Takes the pictures of docs/desk.md: a conversation that goes to people, as the simulated Slack shows it.

python -m tests.e2e.desk_pictures [folder]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, async_playwright

from infra.deploy import local_browser
from tests.e2e.desk_stage import Stage, heard, labels, marks, tenant, words
from tests.harness.client import Contact
from tests.harness.installation import Installation
from tests.harness.processes import Nursery
from tests.platforms.slack.looks import page
from tests.platforms.slack.server import SlackVendor
from tests.platforms.slack.workspace import Post

ROOT = Path(__file__).parents[2]
WIDE = {"width": 760, "height": 400}


async def take(browser: Browser, stage: Stage, name: str, posts: Sequence[Post], folder: Path) -> None:
    """Light and dark."""
    for scheme in ("light", "dark"):
        tab = await browser.new_page(viewport=WIDE, color_scheme=scheme, device_scale_factor=1.5)  # type: ignore[arg-type,unused-ignore]
        await tab.set_content(page(posts, stage.slack.workspace))
        await tab.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
        await tab.close()
        print(folder / f"{name}-{scheme}.png")


async def play(stage: Stage, ann: Contact, browser: Browser, folder: Path) -> None:
    await ann.say("Do you add a heat pack in winter?")
    await heard(ann, lambda lines: len(lines) == 2)
    await ann.say("My parcel was frozen. I want to talk to a person please")
    card = await stage.card()
    await heard(ann, lambda lines: len(lines) == 4)
    await take(browser, stage, "desk-card", [card], folder)
    await stage.claimed("Mo", card)
    written = stage.reply("Mo", card, "I am sorry to hear that. Can you tell me your order?")
    await stage.until(lambda: marks(written))
    await ann.say("Can I use tap water?")
    await stage.in_thread(card, "tap water")
    stage.reply("Mo", card, "// looks like frost, we should send a new one")
    await stage.press("Mo", card, "Draft")
    await stage.until(lambda: any("draft" in words(post.body).casefold() for post in stage.thread(card)))
    await stage.until(lambda: "Release" in labels(card.body))
    await take(browser, stage, "desk-thread", [card, *stage.thread(card)], folder)


async def main(folder: Path) -> None:
    nursery = Nursery()
    await nursery.start()
    slack = SlackVendor(pace=0.01)
    with tempfile.TemporaryDirectory() as home:
        async with slack.serving(), async_playwright() as driver, aiohttp.ClientSession() as http:
            parley = Installation.make(nursery, Path(home), tenants={"plantstore": tenant(slack)})
            await parley.start()
            slack.call(f"{parley.base}/v1/webhooks/slack/plantstore/main")
            browser = await driver.chromium.launch(executable_path=local_browser.fetch(), args=["--no-sandbox"])
            ann = Contact(parley.base, http, "ann")
            await ann.open()
            await play(Stage(parley, slack), ann, browser, folder)
            await browser.close()
            await parley.stop()
    await nursery.close()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
