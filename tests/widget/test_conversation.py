"""A visitor's talk with the agent and with people, as they see it."""

from __future__ import annotations

import asyncio
import json
import re
import uuid

import aiohttp

from schemas import topics
from tests.harness.installation import ADMIN_TOKEN, Installation
from tests.widget.chat_page import SERVER_GONE, ChatPage, Window, expect, wait_for_value

ORDER = re.compile(r"heat pack", re.IGNORECASE)
TWICE = "Do you add a heat pack in winter? On which days do parcels leave your nursery?"


async def test_a_question_is_answered_with_its_source_and_the_thumb_is_kept(
    parley: Installation, window: Window, tab: ChatPage
) -> None:
    """Ask, read the answer, look at its source, say that it did not help and why; the log has it."""
    window.expected = SERVER_GONE
    await expect(tab.chat.locator(".greeting")).to_contain_text("Ask me about your plants")
    reply = await tab.ask("Do you add a heat pack in winter?")
    await expect(reply).to_contain_text(ORDER)
    await expect(reply.locator(".author")).to_have_text("Pitcher")
    await expect(tab.tick("read")).to_be_visible()

    await reply.locator(".mark").first.click()
    await expect(reply.locator(".quote blockquote")).to_contain_text("4.50 euro")
    await expect(reply.locator(".sources [aria-expanded=true]")).to_contain_text("Shipping")

    await reply.get_by_role("button", name="This did not help").click()
    await reply.get_by_role("textbox").fill("Which plants are tropical?")
    await reply.get_by_role("button", name="Submit").click()
    await expect(reply).to_contain_text("Thank you for telling us.")
    pressed = tab.replies.last.get_by_role("button", name="This did not help")
    await expect(pressed).to_have_attribute("aria-pressed", "true")

    await tab.page.reload()
    await expect(pressed).to_have_attribute("aria-pressed", "true")
    conversation = await tab.conversation()

    async def kept() -> bool:
        return await _thumbs(parley, conversation) == [("down", ""), ("down", "Which plants are tropical?")]

    await wait_for_value(kept, 60)


async def test_a_document_that_is_quoted_several_times_has_one_chip_with_all_its_quotes(tab: ChatPage) -> None:
    reply = await tab.ask(TWICE)
    chip = reply.locator(".sources > button")
    await expect(chip).to_have_count(1)
    await expect(chip).to_have_text("1, 2Shipping")
    await chip.click()
    await expect(reply.locator(".quote blockquote")).to_have_count(2)
    await reply.locator(".mark").last.click()
    await expect(reply.locator(".quote blockquote")).to_have_count(1)
    await expect(chip).to_have_attribute("aria-expanded", "true")


async def test_a_greeting_that_nobody_has_written_is_in_the_visitors_language(parley: Installation) -> None:
    """A greeting of the shop's own stays as the shop wrote it."""
    said = []
    async with aiohttp.ClientSession() as http:
        for account, locale in (("plain", "de-AT"), ("plain", "en"), ("plain", "xx"), ("main", "de")):
            query = {"account": account, "locale": locale}
            async with http.get(f"{parley.base}/v1/chat/plantstore/theme", params=query) as answer:
                said.append((await answer.json())["greeting"])
    english = "Hello! How can we help?"
    own = "Hello! Ask me about your plants, your order or its delivery."
    assert said == ["Hallo! Wobei kann ich helfen?", english, english, own]


async def test_the_form_of_a_thumb_down_is_in_view_although_it_opens_below_the_last_line(tab: ChatPage) -> None:
    for _ in range(2):
        await tab.ask("Do you add a heat pack in winter?")
    reply = await tab.ask("Do you add a heat pack in winter?")
    await reply.get_by_role("button", name="This did not help").click()
    await expect(reply.get_by_role("textbox")).to_be_in_viewport(ratio=1)
    await expect(reply.get_by_role("button", name="Submit")).to_be_in_viewport(ratio=1)


async def test_once_people_have_closed_the_conversation_the_assistant_is_named_again(
    parley: Installation, tab: ChatPage
) -> None:
    await tab.ask("Do you add a heat pack in winter?")
    conversation = await tab.conversation()
    await _person_says(parley, conversation, "Anna here, I will look into it.")
    await expect(tab.chat.locator(".sub")).to_contain_text("is with you")
    await _resolve(parley, conversation)
    await expect(tab.chat.locator(".sub")).to_have_text("AI assistant")


async def test_choices_are_buttons_and_one_of_them_brings_a_person(parley: Installation, tab: ChatPage) -> None:
    """The offer to ask a person is picked; the system says what follows, and offers only the way back; a person writes
    and is named; both see it."""
    reply = await tab.ask("What is the telephone number of the king of Norway?")
    await reply.locator(".choices button").first.click()
    await expect(tab.own.last).to_contain_text("person")
    await expect(tab.chat.locator(".line.system")).to_contain_text("colleague")
    await expect(tab.chat.locator(".choices")).to_have_text("Continue with the assistant")
    await expect(tab.chat.locator(".sub")).to_have_text("Waiting for a person")
    await _person_says(parley, await tab.conversation(), "Good morning, how can I help?")
    person = tab.chat.locator(".line.person")
    await expect(person).to_contain_text("Good morning, how can I help?")
    await expect(tab.chat.locator(".sub")).to_contain_text("is with you")


async def test_a_person_can_be_asked_for_at_any_time_and_in_any_language(window: Window) -> None:
    """The button is always there; what it says need not be understood by a model, for the request is a choice."""
    tab = await window.tab()
    await tab.page.evaluate("Parley.update({ locale: 'de' })")
    await tab.chat.get_by_role("button", name="Mit einem Menschen sprechen").click()
    await expect(tab.own.last).to_contain_text("Ich möchte mit einem Menschen sprechen.")
    await expect(tab.chat.locator(".line.system")).to_contain_text("Hier übernimmt so bald wie möglich jemand")
    await expect(tab.chat.locator(".asked")).to_contain_text("Ein Mensch wurde gerufen")
    await tab.page.reload()
    await expect(tab.chat.locator(".asked")).to_be_visible()


async def test_a_closed_chat_counts_what_is_unread_in_badge_and_title(parley: Installation, tab: ChatPage) -> None:
    """Two replies while the chat is closed: 2 on the button and in the title; none once it is open again."""
    title = await tab.page.title()
    await tab.ask("Can I use tap water?")
    conversation = await tab.conversation()
    await tab.input.press("Escape")
    await expect(tab.panel).to_be_hidden()
    for n in (1, 2):
        await _person_says(parley, conversation, f"One more thing, number {n}")
        await expect(tab.chat.locator(".badge")).to_contain_text(str(n))
    await expect(tab.page).to_have_title(f"(2) {title}")
    assert await tab.launcher.get_attribute("aria-label") == "Open chat, 2 unread"
    await tab.page.reload()
    await expect(tab.page).to_have_title(f"(2) {title}")
    await tab.open()
    await expect(tab.chat.locator(".badge")).to_be_hidden()
    await expect(tab.page).to_have_title(title)


async def test_earlier_messages_are_fetched_on_request(parley: Installation, tab: ChatPage) -> None:
    """A long conversation opens with its end; the beginning comes in front, in order."""
    await tab.ask("Can I use tap water?")
    conversation = await tab.conversation()
    await asyncio.gather(*(_person_says(parley, conversation, f"Note {n}") for n in range(66)))
    await expect(tab.chat.locator(".line.person")).to_have_count(66)
    texts = await tab.chat.locator(".line.person .text").all_inner_texts()
    await tab.page.reload()
    await expect(tab.chat.locator(".line.person").last).to_contain_text(texts[-1])
    assert await tab.own.count() == 0
    await tab.chat.get_by_role("button", name="Earlier messages").click()
    await expect(tab.own).to_have_count(1)
    await expect(tab.chat.get_by_role("button", name="Earlier messages")).to_be_hidden()
    assert await tab.chat.locator(".line.person .text").all_inner_texts() == texts
    assert len(set(texts)) == 66


async def test_the_page_may_ask_in_the_visitors_name(window: Window) -> None:
    """A button of the shop opens the chat and asks its question."""
    tab = await window.tab(open=False)
    await expect(tab.launcher).to_be_visible()
    await tab.page.get_by_role("button", name="Do you add a heat pack in winter?").click()
    await expect(tab.replies.last).to_contain_text(ORDER)


async def test_an_account_without_a_page_of_its_own_has_the_chat_in_its_colours(window: Window) -> None:
    """The built-in page: on the left, black on yellow, because white could not be read there."""
    page = await window.context.new_page()
    await page.goto(f"{window.base}/?account=plain")
    tab = ChatPage(page)
    await expect(tab.panel).to_be_visible()
    header = tab.chat.locator(".head")
    assert await header.evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(245, 197, 24)"
    assert await header.evaluate("node => getComputedStyle(node).color") == "rgb(20, 24, 22)"
    box = await tab.launcher.bounding_box()
    assert box is not None
    assert box["x"] < 100


async def _person_says(parley: Installation, conversation: str, text: str) -> None:
    body = {"client_msg_id": uuid.uuid4().hex, "text": text}
    await parley.admin("POST", f"conversations/{conversation}/messages", json=body)


async def _resolve(parley: Installation, conversation: str) -> None:
    """As a colleague does in the console, with the question how it went."""
    page = f"{parley.base}/console/plantstore/conversations/{conversation}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        await http.post(f"{parley.base}/console/session", data={"name": "", "secret": ADMIN_TOKEN})
        for change in ({"to": "queue"}, {"to": "closed", "form": "resolution", "ask": "on"}):
            async with http.get(f"{page}/resolve") as answer:
                hidden = dict(re.findall(r'name="(csrf|epoch)" value="([^"]*)"', await answer.text()))
            async with http.post(f"{page}/owner", data=hidden | change) as answer:
                assert answer.status == 200, await answer.text()


async def _thumbs(parley: Installation, conversation: str) -> list[tuple[str, str]]:
    """From the log itself; the one process that owns the file is stopped meanwhile."""
    from gateway.config.loader import load
    from gateway.wiring.engines import open_engine

    config = load(parley.config)
    await parley.stop()
    async with open_engine(config, config.data_path) as engine:
        records = await engine.bus.read(topics.EVENTS, keys=lambda key: key == conversation)
        found = [r async for r in records if r.headers["ce_type"] == topics.FEEDBACK_GIVEN]
    await parley.start()
    given = [json.loads(record.value or b"{}") for record in found]
    return [(one["value"], one.get("comment", "")) for one in given]
