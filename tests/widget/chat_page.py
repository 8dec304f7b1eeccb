"""The acts of a visitor in a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Request, expect

WAIT = 30_000
"""Milliseconds that a page may take for anything."""
expect.set_options(timeout=WAIT)


SERVER_GONE = (
    "ERR_CONNECTION",
    "WebSocket connection",
    "ERR_INTERNET_DISCONNECTED",
    "ERR_EMPTY_RESPONSE",
    "status of 503",
)
"""What browsers print by themselves while a server is away."""


async def wait_for_value(true: Callable[[], Awaitable[Any]], deadline: float = 30) -> Any:
    """The first true value of ``true``. Fails after ``deadline`` seconds."""
    async with asyncio.timeout(deadline):
        while True:
            if value := await true():
                return value
            await asyncio.sleep(0.02)


@dataclass
class Window:
    """One browser profile: its tabs share storage."""

    context: BrowserContext
    base: str
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of console messages that a test brings about on purpose."""

    @classmethod
    async def open(cls, browser: Browser, base: str, **options: Any) -> Self:
        context = await browser.new_context(**{"viewport": {"width": 1100, "height": 800}, "locale": "en-GB"} | options)
        context.set_default_timeout(WAIT)
        window = cls(context, base)
        context.on("request", window.record_request)
        context.on("console", window.record_message)
        context.on("weberror", lambda error: window.console.append(f"uncaught: {error.error}"))
        return window

    def record_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def record_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console.append(message.text)

    def complaints(self) -> list[str]:
        """Requests that left the origin, and errors: also every violation of the page's content security policy."""
        own = (self.base, self.base.replace("http", "ws", 1), "data:", "blob:", "about:")
        left = [url for url in self.requests if not url.startswith(own)]
        said = [text for text in self.console if not any(part in text for part in self.expected)]
        return left + said

    async def tab(self, path: str = "/", *, open: bool = True) -> ChatPage:
        page = await self.context.new_page()
        await page.goto(self.base + path)
        tab = ChatPage(page)
        if open:
            await tab.open()
        return tab


STILL = """node => Promise.all(node.shadowRoot.getAnimations()
    .filter(one => one.effect.getComputedTiming().endTime < Infinity)
    .map(one => one.finished.catch(() => null)))"""


class ChatPage:
    """One page with the chat on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.chat = page.locator("parley-chat")
        self.launcher = self.chat.locator(".launcher")
        self.panel = self.chat.locator(".panel")
        self.input = self.chat.locator(".field textarea")
        self.log = self.chat.get_by_role("log")
        self.own = self.chat.locator(".line.own")
        self.replies = self.chat.locator(".line.agent:not(.greeting):not(.draft)")
        self.told = self.chat.locator("p[role=status].unseen")
        self.banner = self.chat.locator(".banner")

    async def open(self) -> None:
        await self.launcher.click()
        await expect(self.panel).to_be_visible()

    async def say(self, text: str) -> None:
        await self.input.fill(text)
        await self.input.press("Enter")

    async def ask(self, text: str) -> Locator:
        """Say it and wait for the answer."""
        before = await self.replies.count()
        await self.say(text)
        await expect(self.replies).to_have_count(before + 1)
        return self.replies.last

    async def pick(self, reply: Locator) -> Locator:
        """Pick the first choice of a reply and wait for the answer."""
        before = await self.replies.count()
        await reply.locator(".choices .pill").first.click()
        await expect(self.replies).to_have_count(before + 1)
        return self.replies.last

    def tick(self, state: str) -> Locator:
        """The newest own message, once it is known to be in this state."""
        return self.own.last.locator(f".tick[data-state={state}]")

    async def still(self) -> None:
        """Wait until everything has faded and moved to where it stays; what moves for ever is not waited for."""
        await self.chat.evaluate(STILL)

    async def stored(self) -> dict[str, Any]:
        """What the visitor's device keeps, by the name after the last colon of the prefix."""
        script = (
            "Object.fromEntries(Object.entries(localStorage).map(([k, v]) => [k.split(':main:')[1], JSON.parse(v)]))"
        )
        kept: dict[str, Any] = await self.page.evaluate(script)
        return kept

    async def conversation(self) -> str:
        async def known() -> str:
            return str((await self.stored()).get("session", {}).get("conversation_id", ""))

        found: str = await wait_for_value(known)
        return found


__all__ = ["ChatPage", "Error", "Window", "expect", "wait_for_value"]
