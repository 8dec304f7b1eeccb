"""The chat by keyboard, by screen reader, in the dark, from right to left, on a phone and enlarged."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from playwright.async_api import Browser

from agent_worker.translations import LANGUAGES
from tests.harness.installation import Installation
from tests.widget.chat_page import ChatPage, Window, expect, wait_for_value

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


async def violations(tab: ChatPage) -> list[str]:
    """What axe finds wrong on the whole page, the chat's shadow tree included."""
    await tab.still()
    await tab.page.evaluate(AXE)
    options = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
    script = f"axe.run(document, {json.dumps(options)}).then(found => found.violations)"
    found: list[dict[str, Any]] = await tab.page.evaluate(script)
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


async def fill(parley: Installation, tab: ChatPage) -> None:
    """Everything that can stand in a conversation: an answer with its source open, a question why, choices, a file, a
    person, something not sent."""
    reply = await tab.ask("Do you add a heat pack in winter?")
    await reply.locator(".mark").first.click()
    await reply.locator(".thumbs button").last.click()
    await tab.chat.locator("input[type=file]").set_input_files(
        {"name": "note.txt", "mimeType": "text/plain", "buffer": b"A note"}
    )
    await expect(tab.chat.locator(".chips progress")).to_have_count(0)
    await tab.say("See the file")
    await expect(tab.own.locator(".files a")).to_have_count(1)
    await expect(tab.replies).to_have_count(2)
    body = {"client_msg_id": tab.page.url + str(id(tab)), "text": "A **person** with a [link](https://example.com)."}
    await parley.admin("POST", f"conversations/{await tab.conversation()}/messages", json=body)
    await expect(tab.chat.locator(".line.person")).to_be_visible()
    await tab.chat.locator("input[type=file]").set_input_files(
        {"name": "empty.txt", "mimeType": "text/plain", "buffer": b""}
    )
    await expect(tab.chat.locator(".chips .wrong")).to_be_visible()


LOOKS = {
    "light": {"theme": "light", "locale": "en"},
    "dark": {"theme": "dark", "locale": "en"},
    "Arabic": {"theme": "light", "locale": "ar"},
    "German in the dark": {"theme": "dark", "locale": "de"},
}
SETTLED = """Promise.allSettled(document.querySelector("parley-chat").shadowRoot.getAnimations()
  .filter(one => one.effect.getTiming().iterations < 9).map(one => one.finished))"""


async def test_axe_finds_nothing_wrong(parley: Installation, tab: ChatPage) -> None:
    """In both themes, mirrored, on a phone and closed; contrast included, and the shop's page too."""
    found = {}
    await fill(parley, tab)
    for look, options in LOOKS.items():
        await tab.page.emulate_media(color_scheme="dark" if options["theme"] == "dark" else "light")
        await tab.page.evaluate("options => Parley.update(options)", options)
        await expect(tab.chat.locator(".root")).to_have_attribute("lang", options["locale"])
        # Fading in changes contrast; measured is what stays.
        await tab.page.evaluate(SETTLED)
        found[look] = await violations(tab)
    await tab.page.set_viewport_size({"width": 390, "height": 780})
    found["phone"] = await violations(tab)
    await tab.input.press("Escape")
    found["closed"] = await violations(tab)
    assert {look: wrong for look, wrong in found.items() if wrong} == {}


async def test_everything_works_by_keyboard_alone(tab: ChatPage) -> None:
    """Open, write, read, look at a source, rate, close: without a pointer, and the focus is never lost."""
    keys = tab.page.keyboard
    await expect(tab.input).to_be_focused()
    await keys.type("Do you add a heat pack in winter?")
    await keys.press("Shift+Enter")
    await keys.type("And in spring?")
    await keys.press("Enter")
    await expect(tab.own.locator(".text")).to_contain_text("winter?\nAnd in spring?", use_inner_text=True)
    await expect(tab.replies).to_have_count(1)
    await _tab_to(tab, ".mark", back=True)
    await keys.press("Enter")
    await expect(tab.chat.locator(".quote")).to_be_visible()
    await _tab_to(tab, ".thumbs button:first-child")
    await keys.press("Space")
    await expect(tab.chat.locator(".thumbs [aria-pressed=true]")).to_have_count(1)
    await _tab_to(tab, ".log", back=True)
    await _tab_to(tab, ".ask")
    await keys.press("Enter")
    await expect(tab.input).to_be_focused()
    await expect(tab.chat.locator(".line.system")).to_be_visible()
    await keys.press("Escape")
    await expect(tab.panel).to_be_hidden()
    await expect(tab.launcher).to_be_focused()
    await keys.press("Enter")
    await expect(tab.input).to_be_focused()


async def _tab_to(tab: ChatPage, selector: str, *, back: bool = False) -> None:
    for _ in range(30):
        await tab.page.keyboard.press("Shift+Tab" if back else "Tab")
        there = "(node, selector) => node.shadowRoot.activeElement?.matches(selector) ?? false"
        if await tab.chat.evaluate(there, selector):
            return
    raise AssertionError(f"{selector} cannot be reached")


async def test_the_focus_stays_inside_only_where_the_chat_covers_the_page(
    browser: Browser, parley: Installation
) -> None:
    """On a phone Tab goes round in the chat; on a desk it leaves for the page, which is there to be used."""
    inside = "document.activeElement === document.querySelector('parley-chat')"
    for phone in (True, False):
        window = await Window.open(browser, parley.base, **(PHONE if phone else {}))
        tab = await window.tab()
        seen = []
        for _ in range(12):
            await tab.page.keyboard.press("Tab")
            seen.append(await tab.page.evaluate(inside))
        assert all(seen) is phone
        assert (await tab.panel.get_attribute("aria-modal") == "true") is phone
        await window.context.close()


async def test_screen_readers_are_told_whole_answers_and_nothing_twice(tab: ChatPage) -> None:
    """The log itself is not live, so pieces are not read out; the status line holds the answer once, without marks."""
    await expect(tab.log).to_have_attribute("aria-live", "off")
    said: list[str] = []
    await tab.page.expose_function("said", lambda text: said.append(text))
    await tab.told.evaluate(
        "node => new MutationObserver(() => said(node.textContent)).observe(node, { childList: true })"
    )
    reply = await tab.ask("Can I use tap water?")
    await expect(tab.told).to_contain_text("Pitcher: ")
    answers = [text for text in said if "Pitcher:" in text]
    assert len(answers) == 1
    assert "[1]" not in answers[0]
    first = (await reply.locator(".text").inner_text()).split()[0]
    assert first in answers[0]


async def test_a_phone_shows_the_chat_over_the_whole_screen_and_follows_the_keyboard(
    browser: Browser, parley: Installation
) -> None:
    """Edge to edge, the page beneath cannot scroll; when the screen gets smaller the field stays on it."""
    window = await Window.open(browser, parley.base, **PHONE)
    tab = await window.tab()

    async def whole() -> bool:
        return await tab.panel.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 780}

    await wait_for_value(whole)
    await expect(tab.launcher).to_be_hidden()
    assert await tab.page.evaluate("getComputedStyle(document.documentElement).overflow") == "hidden"
    await tab.page.set_viewport_size({"width": 390, "height": 420})
    await expect(tab.panel).to_have_css("height", "420px")
    box = await tab.input.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 420
    size = await tab.input.evaluate("node => parseFloat(getComputedStyle(node).fontSize)")
    assert size >= 16, "a smaller font makes phones zoom in"
    await tab.chat.get_by_role("button", name="Close chat").click()
    assert await tab.page.evaluate("getComputedStyle(document.documentElement).overflow") != "hidden"
    await window.context.close()


async def test_all_languages_have_their_direction_and_fit(tab: ChatPage) -> None:
    """Arabic and Urdu run from right to left. No button of the chat is wider than the chat in any language."""
    await tab.ask("Can I use tap water?")
    for language in LANGUAGES:
        await tab.page.evaluate("locale => Parley.update({ locale })", language)
        root = tab.chat.locator(".root")
        await expect(root).to_have_attribute("lang", language)
        await expect(root).to_have_attribute("dir", "rtl" if language in ("ar", "ur") else "ltr")
        assert await tab.panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth"), language


@pytest.mark.parametrize(("browser_language", "language"), [("es-MX", "es-MX"), ("fi-FI", "en")])
async def test_a_page_without_a_language_shows_that_of_the_browser(
    browser: Browser, parley: Installation, browser_language: str, language: str
) -> None:
    """The tenant's language takes its place where the chat does not speak the browser's."""
    window = await Window.open(browser, parley.base, locale=browser_language)
    tab = await window.tab(open=False)
    await tab.page.evaluate("document.documentElement.removeAttribute('lang'); Parley.shutdown(); Parley.boot()")
    await expect(tab.chat.locator(".root")).to_have_attribute("lang", language)
    await window.context.close()


async def test_arabic_is_mirrored_and_each_message_keeps_its_own_direction(tab: ChatPage) -> None:
    """Own messages stand on the left, the launcher too; an English sentence inside runs from left to right."""
    await tab.page.evaluate("Parley.update({ locale: 'ar' })")
    await tab.ask("Can I use tap water?")
    await tab.ask("هل يمكنني استخدام ماء الصنبور؟")
    launcher, own, reply = [
        await node.bounding_box() for node in (tab.launcher, tab.own.last.locator(".text"), tab.replies.first)
    ]
    assert launcher is not None
    assert own is not None
    assert reply is not None
    assert launcher["x"] < 200
    assert own["x"] < reply["x"]
    directions = [
        await text.evaluate("node => getComputedStyle(node).direction") for text in await tab.own.locator(".text").all()
    ]
    assert directions == ["ltr", "rtl"]
    await expect(tab.input).to_have_attribute("placeholder", "اكتب رسالة")


@pytest.mark.parametrize("zoom", [2, 4])
async def test_nothing_is_cut_off_when_the_page_is_enlarged(browser: Browser, parley: Installation, zoom: int) -> None:
    """At 200 and 400 % of a 1280 pixel screen nothing has to be scrolled sideways, and the field can be used."""
    view = {"width": 1280 // zoom, "height": 1024 // zoom}
    window = await Window.open(browser, parley.base, viewport=view, device_scale_factor=zoom)
    tab = await window.tab()
    await tab.ask("Do you add a heat pack in winter?")
    await tab.still()
    for node in (tab.panel, tab.input, tab.chat.locator(".head"), tab.chat.locator(".send")):
        box = await node.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= view["width"]
        assert box["y"] + box["height"] <= view["height"]
    assert await tab.log.evaluate("node => node.scrollWidth <= node.clientWidth")
    await window.context.close()


async def test_motion_stops_for_who_wants_none_and_system_colours_are_kept(
    browser: Browser, parley: Installation
) -> None:
    """Reduced motion: no animation runs. Forced colours: what only a background told apart has a border."""
    window = await Window.open(browser, parley.base, reduced_motion="reduce", forced_colors="active")
    tab = await window.tab()
    await tab.ask("Can I use tap water?")
    assert await tab.chat.evaluate("node => node.shadowRoot.getAnimations().length") == 0
    await expect(tab.own.locator(".text")).to_have_css("border-top-style", "solid")
    await expect(tab.launcher).to_have_css("border-top-width", "1px")
    await window.context.close()


async def test_sound_is_off_until_it_is_switched_on(tab: ChatPage) -> None:
    """The switch says its state and is remembered."""
    await tab.chat.get_by_role("button", name="Sound off").click()
    await tab.page.reload()
    await expect(tab.chat.get_by_role("button", name="Sound on")).to_be_visible()
