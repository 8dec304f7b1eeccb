"""The pictures of docs/console.md: the example shop's console during a shift."""

from __future__ import annotations

from typing import Any

import aiohttp
from playwright.async_api import Browser, Page

from tests.console.conftest import hash_quickly
from tests.console.form_client import PASSWORDS
from tests.harness.chat_client import Contact
from tests.harness.processes import ForkServer
from tests.screenshots.pictures import Screenshots
from tests.screenshots.shop import shop
from tests.widget.chat_page import Window, expect

DESK = {"viewport": {"width": 1180, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}
DARK = {"color_scheme": "dark"}


async def talks(base: str, http: aiohttp.ClientSession) -> list[Contact]:
    """Three customers: one is served, one waits for a person, one will be answered by Anna."""
    found: list[Contact] = []
    for questions in (
        ("How much does shipping to Germany cost?",),
        ("Are pitcher plants safe for cats?", "I want to talk to a person"),
        ("Do you add a heat pack in winter?", "Please let me talk to a person about my parcel"),
    ):
        contact = Contact(base, http, f"customer-{len(found)}")
        await contact.open()
        for question in questions:
            said = await contact.say(question)
            await contact.answered(said.message_id)
        found.append(contact)
    return found


async def signed_in(browser: Browser, base: str, **options: Any) -> tuple[Window, Page]:
    window = await Window.open(browser, base, **options)
    page = await window.context.new_page()
    await page.goto(base + "/console")
    await page.get_by_label("Name").fill("anna")
    await page.get_by_label("Password").fill(PASSWORDS["anna"])
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".talks li")).to_have_count(3)
    return window, page


async def answered(page: Page, contact: Contact) -> None:
    """Anna takes it over, answers, and looks at why the agent had said what it said."""
    await page.locator(f"#talk-{contact.conversation}").click()
    await page.get_by_role("button", name="Take over").click()
    await expect(page.locator(".notice")).to_be_visible()
    await page.get_by_label("Reply", exact=True).fill("I am looking at your parcel now. **One minute**, please.")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".line.person .receipt")).to_be_visible()
    await page.locator("summary", has_text="Why").first.click()


async def take(browser: Browser, base: str, customers: list[Contact], album: Screenshots) -> None:
    window, page = await signed_in(browser, base, **DESK)
    await answered(page, customers[2])
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    await album.take("console-conversation", page)
    await page.get_by_role("link", name="Conversations").click()
    await expect(page.locator(".talks li")).to_have_count(3)
    await album.take("console-list", page)
    await window.context.close()
    window, page = await signed_in(browser, base, **DESK, **DARK)
    await page.get_by_role("link", name="Knowledge").click()
    await page.get_by_label("Ask a question as a contact would").fill("How long does delivery to Norway take?")
    await page.get_by_role("button", name="Ask").click()
    await expect(page.locator(".passages")).to_be_visible()
    await album.take("console-knowledge-dark", page)
    await window.context.close()
    window, page = await signed_in(browser, base, **PHONE, **DARK)
    await page.locator(f"#talk-{customers[1].conversation}").click()
    await expect(page.locator(".transcript")).to_be_visible()
    await album.take("console-phone-dark", page)
    await window.context.close()


def configure(config: dict[str, Any]) -> None:
    config["operators"] = {"anna": {"password_hash": hash_quickly(PASSWORDS["anna"]), "name": "Anna Bloom"}}


async def play(fork_server: ForkServer, browser: Browser, album: Screenshots) -> None:
    async with shop(fork_server, configure) as parley, aiohttp.ClientSession() as http:
        await take(browser, parley.base, await talks(parley.base, http), album)
