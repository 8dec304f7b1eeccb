"""Frames of the socket as the widget shows them: streamed drafts, aborted drafts, receipts, refusals.

Between the page and the real server stands the test, which lets everything through and adds frames of its own.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from playwright.async_api import WebSocketRoute

from tests.widget.chat_page import ChatPage, Window, expect, wait_for_value

COUNT_PIECES = """node => {
  window.pieces = 0;
  const look = () => { if (node.querySelector(".draft .text")?.textContent) window.pieces += 1; };
  new MutationObserver(look).observe(node, { childList: true, subtree: true, characterData: true });
}"""


class SocketProxy:
    """One socket of a page, with the test between its two ends."""

    def __init__(self) -> None:
        self.there: asyncio.Future[WebSocketRoute] = asyncio.get_running_loop().create_future()
        self.swallow: set[str] = set()
        self.asked: list[dict[str, Any]] = []
        self.kept = 0
        """Frames that were swallowed."""

    async def enter(self, window: Window) -> ChatPage:
        tab = await window.tab(open=False)
        await tab.page.route_web_socket("**/socket", self.take)
        await tab.open()
        return tab

    async def swallowed(self) -> int:
        return self.kept

    def take(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def up(data: str | bytes) -> None:
            frame = json.loads(data)
            self.asked.append(frame)
            if frame["type"] in self.swallow:
                self.kept += 1
            else:
                server.send(data)

        socket.on_message(up)
        server.on_message(socket.send)
        if not self.there.done():
            self.there.set_result(socket)

    async def tell(self, **frame: Any) -> None:
        (await self.there).send(json.dumps(frame))


async def test_pieces_of_an_answer_are_shown_in_order_and_only_once(window: Window) -> None:
    """A repeat is dropped; after a gap nothing more is shown, for it would make no sense; the answer replaces it."""
    between = SocketProxy()
    tab = await between.enter(window)
    await tab.ask("Can I use tap water?")
    draft = tab.chat.locator(".draft .text")
    await between.tell(type="typing", author={"kind": "agent", "name": "Pitcher"})
    await expect(tab.chat.locator(".typist")).to_contain_text("Pitcher is typing")
    for index, text in [(0, "One **bold** piece."), (1, "Two."), (1, "Two."), (0, "One."), (3, "Four.")]:
        await between.tell(type="delta", turn_id="t1", index=index, text=text)
    await between.tell(type="typing", author={"kind": "agent", "name": "Pitcher"})
    await expect(draft).to_have_text("One bold piece. Two.")
    await expect(tab.told).not_to_contain_text("Two.")
    await expect(tab.tick("read")).to_be_visible()
    message = {
        "seq": 3,
        "id": "r1",
        "author": {"kind": "agent", "name": "Pitcher"},
        "text": "The **whole** answer.",
        "html": "<p>The <strong>whole</strong> answer.</p>",
        "citations": [],
        "choices": [],
        "attachments": [],
        "created_at": "2026-05-04T09:30:00.000Z",
        "in_reply_to": None,
        "state": "sent",
    }
    await between.tell(type="message", message=message)
    await expect(tab.replies.last.locator(".text")).to_have_text("The whole answer.")
    await expect(draft).to_have_count(0)
    await expect(tab.told).to_have_text("Pitcher: The whole answer.")
    await between.tell(type="receipt", message_id="r1", state="failed")
    await expect(tab.replies.last).to_contain_text("Could not be delivered")


async def test_an_answer_that_was_taken_back_leaves_nothing(window: Window) -> None:
    """Two turns are being written; the abort of one takes away its text alone, and it may begin again."""
    between = SocketProxy()
    tab = await between.enter(window)
    await tab.ask("Can I use tap water?")
    drafts = tab.chat.locator(".draft .text")
    for turn in ("t1", "t2"):
        await between.tell(type="delta", turn_id=turn, index=0, text=f"From {turn}.")
    await between.tell(type="abort", turn_id="t1")
    await expect(drafts).to_have_text(["From t2."])
    await between.tell(type="delta", turn_id="t1", index=0, text="Again.")
    await expect(drafts).to_have_text(["From t2.", "Again."])


async def test_a_real_answer_is_streamed_before_it_is_whole(window: Window) -> None:
    """Without any help from the test: the page has shown a piece of the answer before the answer."""
    tab = await window.tab()
    await tab.log.evaluate(COUNT_PIECES)
    await tab.ask("Do you add a heat pack in winter?")
    assert await tab.page.evaluate("window.pieces") > 0


async def test_a_refused_message_stays_with_a_retry_that_sends_it(window: Window) -> None:
    """A final refusal: the message is marked, said to screen readers, still there after a reload, and can be sent."""
    between = SocketProxy()
    tab = await between.enter(window)
    await tab.ask("Can I use tap water?")
    between.swallow = {"message"}
    await tab.say("How long can I return a pot?")
    await expect(tab.tick("sending")).to_be_visible()
    await wait_for_value(between.swallowed)
    client_id = next(frame["client_msg_id"] for frame in reversed(between.asked) if frame["type"] == "message")
    error = {"code": "invalid_request", "message": "no", "retryable": False}
    await between.tell(type="error", error=error, client_msg_id=client_id)
    await expect(tab.tick("failed")).to_contain_text("Not sent")
    await expect(tab.told).to_have_text("Not sent")
    between.swallow = set()
    await tab.page.reload()
    await expect(tab.tick("failed")).to_be_visible()
    await tab.own.last.get_by_role("button", name="Retry").click()
    await expect(tab.replies.last).to_contain_text("30 days")
    await expect(tab.own).to_have_count(2)


async def test_a_message_without_an_answer_in_time_is_sent_again_on_a_new_socket(window: Window) -> None:
    """The socket is open but dead: after five seconds without an ack the same id goes over a new one."""
    between = SocketProxy()
    tab = await between.enter(window)
    between.swallow = {"message"}
    await tab.page.clock.install()
    await tab.say("Can I use tap water?")
    await expect(tab.tick("sending")).to_be_visible()
    await wait_for_value(between.swallowed)
    between.swallow = set()
    await tab.page.clock.fast_forward(5_100)
    await expect(tab.tick("read")).to_be_visible()
    sent = [frame["client_msg_id"] for frame in between.asked if frame["type"] == "message"]
    assert len(sent) == 2
    assert len(set(sent)) == 1
    await expect(tab.own).to_have_count(1)


async def test_a_rate_limited_visitor_is_told_and_everything_is_sent_in_the_end(window: Window) -> None:
    """Two messages a minute are allowed: the third waits, with a notice, and is not lost."""
    between = SocketProxy()
    page = await window.context.new_page()
    await page.goto(f"{window.base}/?account=hasty")
    tab = ChatPage(page)
    await tab.page.route_web_socket("**/socket", between.take)
    await tab.page.reload()
    for n in range(3):
        await tab.say(f"Message {n}")
    await expect(tab.banner).to_contain_text("Too many messages at once")
    await expect(tab.tick("sending")).to_be_visible()
    sent = {frame["text"] for frame in between.asked if frame["type"] == "message"}
    assert sent == {"Message 0", "Message 1", "Message 2"}


async def test_the_visitor_is_shown_as_typing_at_most_every_two_seconds(window: Window) -> None:
    """Ten letters make one frame."""
    between = SocketProxy()
    tab = await between.enter(window)
    await tab.ask("Can I use tap water?")
    begun = time.monotonic()
    await tab.input.press_sequentially("And rain")

    async def told() -> int:
        return [frame["type"] for frame in between.asked].count("typing")

    assert await wait_for_value(told) <= 2 + (time.monotonic() - begun) // 2
