"""The console in a browser: by keyboard, by screen reader, in the dark, on a phone, and while things change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from gateway.contacts.erasure import ContactErasureService
from gateway.contacts.erasure_records import Erasure
from tests.console.form_client import PASSWORDS, FormClient, talk
from tests.console.sample_conversations import add_message, begin_conversation, fill_conversation, queue_conversation
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_admin_deadletters import letter
from tests.widget.chat_page import Window, expect

pytestmark = pytest.mark.slow
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LIST = "/console/shop/conversations"
DESK = {"viewport": {"width": 1180, "height": 820}}
ENLARGED = (2, 4)
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


async def violations(page: Page, *, only: str = "") -> list[str]:
    """What axe finds wrong with the page; ``only`` names the one rule that is asked for."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE)
    only_these = {"type": "rule", "values": [only]} if only else {"type": "tag", "values": TAGS}
    options = {"runOnly": only_these, "resultTypes": ["violations"]}
    script = f"axe.run(document, {json.dumps(options)}).then(found => found.violations)"
    found: list[dict[str, Any]] = await page.evaluate(script)
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


async def fill_all_pages(instance: Instance) -> str:
    """Something on every page; the id of the conversation that has everything in it."""
    await begin_conversation(instance, "v1", name="Bob")
    closed = await begin_conversation(instance, "v2", name="Cyd")
    state, now = instance.services.state, instance.clock()
    await state.conversations.own(closed.id, "closed", expected_epoch=0, request_id="close", by="admin", now=now)
    taken = await begin_conversation(instance, "v3")
    await state.conversations.own(taken.id, "person", expected_epoch=0, request_id="take", by="console:ben", now=now)
    whole = await fill_conversation(instance, "v4", name="Ann")
    await state.dead_letters.add(letter(instance))
    erasures = ContactErasureService(instance.services).records
    erased = Erasure(id="e-1", tenant="shop", contact_id="c-1", requested_at=now, requested_by="console:ben")
    await erasures.add(erased.model_copy(update={"id": "e-2", "contact_id": "c-2"}))
    await erasures.add(erasures.finish(erased.count({"messages": 3})))
    body = "# Shipping\n\n## Winter\n\nIn winter we add a heat pack to every parcel for 4.50 euro.\n"
    document = {"title": "Shipping", "body": body, "url": "https://a.example/"}
    await instance.admin("PUT", "/knowledge/shipping", document)
    await instance.settled()
    table = "\n| Country | Price |\n|---|---|\n| Portugal | 6 € |\n"
    await instance.admin("PUT", "/knowledge/shipping", document | {"body": body + table})
    for at, passed in (("2026-05-03T09:00:00Z", 9), ("2026-05-04T09:00:00Z", 8)):
        failed = {"name": "price", "checks": [{"check": "contains", "why": "lacks '4.50 euro'"}]}
        failed |= {"conversation": whole.id, "answers": [{"asked": "How much is it?", "text": "4.90 euro."}]}
        counts = {"cases": 10, "passed": passed, "low": 0.5, "high": 1, "cost": 0.01, "p95_ms": 40.5}
        checks = [{"check": "contains", "passed": passed, "failed": 10 - passed}]
        about = {"suite": "evals.yaml", "setup": "current", "at": at, "misses": ["80% passed"]}
        run = about | counts | {"checks": checks, "failed": [failed]}
        assert (await instance.admin("POST", "/evals", run)).status == 201
    proposal = {"document": "pots", "origin": "insights", "reason": "Asked 12 times this week."}
    await instance.admin("PUT", "/knowledge/pots.draft", {"title": "Pots", "body": body, "proposal": proposal})
    await instance.settled()
    return whole.id


@pytest.fixture
async def window(browser: Browser, instance: Instance, anna: FormClient) -> AsyncIterator[Window]:
    """Anna's browser. At its end: nothing was asked of another host, and no page complained of its policy."""
    window = await Window.open(browser, instance.address, **DESK)
    await signed_in(window, anna)
    yield window
    complaints = window.complaints()
    await window.context.close()
    assert not complaints


async def signed_in(window: Window, seat: FormClient) -> None:
    await window.context.add_cookies(
        [{"name": "parley_console", "value": seat.cookie, "domain": "127.0.0.1", "path": "/console"}]
    )


async def open_page(window: Window, path: str) -> Page:
    page = await window.context.new_page()
    await page.goto(window.base + path)
    return page


DOCUMENT_PAGES = (
    "new",
    "health",
    "upload",
    "documents/shipping",
    "documents/shipping/edit",
    "documents/shipping/versions/1",
    "documents/pots.draft",
)


async def every_page(window: Window, conversation: str) -> AsyncIterator[tuple[str, Page]]:
    """Each with all that can be unfolded on it, one after another in one tab, which is quicker than a new one each."""
    talks = (talk(conversation), talk(conversation, "resolve"), f"{LIST}/nothing")
    documents = [f"/console/shop/knowledge/{page}" for page in DOCUMENT_PAGES]
    sections = [f"/console/shop/{section}" for section in ("contacts", "deadletters", "evals", "knowledge", "access")]
    page = await open_page(window, sections[0])
    sections.append(str(await page.locator("tbody a").first.get_attribute("href")))
    size = page.viewport_size
    assert size is not None
    for path in (LIST, *talks, *sections, *documents):
        await page.set_viewport_size(size)
        await page.goto(window.base + path)
        if path.endswith("knowledge"):
            await page.get_by_label("Ask a question as a contact would").fill("Do you add a heat pack in winter?")
            await page.get_by_role("button", name="Ask").click()
            await expect(page.locator(".passages")).to_be_visible()
        if path.endswith("access"):
            await page.get_by_label("A new API token for").fill("The shop")
            await page.get_by_label("read: ").check()
            await page.get_by_role("button", name="Create").click()
            await expect(page.locator(".notice")).to_be_visible()
        if path.endswith("deadletters"):
            await page.get_by_label("handler_failed").check()
            await page.get_by_role("button", name="Dry run").click()
            await expect(page.locator(".notice")).to_be_visible()
        await page.evaluate("document.querySelectorAll('details:not(.tenant)').forEach(node => (node.open = true))")
        yield path, page
    await page.close()


async def violations_of_both(page: Page) -> list[str]:
    """What is wrong by day, and the contrast by night: the scheme changes nothing but colours."""
    by_day = await violations(page)
    await page.emulate_media(color_scheme="dark")
    by_night = await violations(page, only="color-contrast")
    await page.emulate_media(color_scheme="light")
    return by_day + by_night


async def overflow(page: Page) -> int:
    """The pixels by which the page has to be scrolled sideways."""
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("view", ["desk", "phone"])
async def test_axe_finds_nothing_wrong_and_nothing_is_cut_off(
    browser: Browser, instance: Instance, anna: FormClient, view: str
) -> None:
    """On every page, with everything on it; contrast included, in both colour schemes. Nothing has to be scrolled
    sideways, also at 200 and 400 % of a 1280 pixel screen."""
    whole = await fill_all_pages(instance)
    chosen = DESK if view == "desk" else PHONE
    window = await Window.open(browser, instance.address, color_scheme="light", **chosen)
    page = await open_page(window, "/console")
    found = {"sign in": await violations_of_both(page)}
    await page.get_by_label("Name").fill("anna")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    found["wrong"] = await violations_of_both(page)
    await signed_in(window, anna)
    async for path, page in every_page(window, whole):
        found[path] = await violations_of_both(page)
        assert await overflow(page) <= 0, f"{path} has to be scrolled sideways"
        for zoom in ENLARGED if view == "desk" else ():
            await page.set_viewport_size({"width": 1280 // zoom, "height": 1024 // zoom})
            assert await overflow(page) <= 0, f"{path} has to be scrolled sideways at {zoom}00 %"
    await window.context.close()
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


async def test_a_conversation_is_taken_answered_and_given_back_by_keyboard_alone(
    window: Window, instance: Instance
) -> None:
    found = await begin_conversation(instance, "v1", name="Ann")
    instance.clock.tick(1)
    await begin_conversation(instance, "v2", name="Bob")
    await queue_conversation(instance, found.id)
    page = await open_page(window, LIST)
    keys = page.keyboard
    await keys.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.locator(".talks a").first.focus()
    await keys.press("ArrowDown")
    await keys.press("k")
    await keys.press("j")
    await expect(page.locator(".talks a").last).to_be_focused()
    await page.locator(".talks a", has_text="Ann").focus()
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name="Ann")).to_be_visible()
    await page.get_by_role("button", name="Take over").focus()
    await keys.press("Enter")
    await expect(page.locator(".notice")).to_contain_text("The conversation is yours")
    await page.get_by_label("Reply", exact=True).focus()
    await keys.type("I will look into it")
    await keys.press("Control+Enter")
    await expect(page.locator(".notice")).to_contain_text("on its way")
    await page.get_by_role("button", name="Return to agent").focus()
    await keys.press("Space")
    await expect(page.locator(".notice")).to_contain_text("the agent answers again")
    logged = [type(payload).__name__ for _, payload in await instance.logged("parley.inbound.web")]
    assert logged == ["OwnerRequested", "InboundMessage", "OwnerRequested"]


async def test_changes_are_shown_and_announced_and_a_draft_in_the_form_stays(
    window: Window, instance: Instance
) -> None:
    """A new line joins the page; the field, the focus and an unfolded source stay as they are."""
    found = await fill_conversation(instance)
    page = await open_page(window, talk(found.id))
    field = page.get_by_label("Reply", exact=True)
    await page.locator("summary", has_text="Sources").click()
    await field.fill("half a sen")
    await add_message(instance, found.id, "in-2", "One more thing", name="Ann")
    await expect(page.locator(".line", has_text="One more thing")).to_be_visible()
    await expect(page.locator("#announcer")).to_have_text("Ann wrote: One more thing")
    await expect(field).to_have_value("half a sen")
    await expect(field).to_be_focused()
    await expect(page.locator("blockquote").first).to_be_visible()


async def test_a_claim_elsewhere_shows_at_once_in_the_list_and_keeps_the_focus(
    window: Window, instance: Instance, ben: FormClient
) -> None:
    found = await begin_conversation(instance, "v1", name="Ann")
    await queue_conversation(instance, found.id)
    page = await open_page(window, LIST)
    row = page.locator(".talks a", has_text="Ann")
    await row.focus()
    await expect(row.locator(".state")).to_have_text("Waiting for a person")
    await ben.send(talk(found.id), talk(found.id, "owner"), {"to": "person", "epoch": "1"})
    await expect(row.locator(".state")).to_have_text("Ben")
    await expect(row).to_be_focused()
    await expect(page.locator("#announcer")).to_have_text("Nobody is waiting for a person")


async def test_the_list_is_narrowed_while_one_types(window: Window, instance: Instance) -> None:
    for name in ("Ann", "Bob"):
        await begin_conversation(instance, name, name=name)
    page = await open_page(window, LIST)
    await page.get_by_label("Search this page").fill("bob")
    await expect(page.locator(".talks li:visible")).to_have_count(1)
    await expect(page.locator(".talks li:visible")).to_contain_text("Bob")


async def test_all_letters_of_a_page_are_chosen_with_one_click(window: Window, instance: Instance) -> None:
    for number in range(3):
        await instance.services.state.dead_letters.add(letter(instance, id_=f"dead-{number}"))
    page = await open_page(window, "/console/shop/deadletters")
    await page.get_by_label("All on this page").check()
    await page.get_by_role("button", name="Replay").click()
    await expect(page.locator(".notice")).to_have_text("Replayed.")
    assert len(await instance.logged("parley.inbound.web")) == 3


async def test_signing_out_elsewhere_leads_to_the_sign_in_and_back(
    browser: Browser, instance: Instance, anna: FormClient
) -> None:
    """The page that was open asks for the password again, and is there again afterwards."""
    window = await Window.open(browser, instance.address, **DESK)
    await signed_in(window, anna)
    page = await open_page(window, f"{LIST}?state=queue")
    await anna.send(LIST, "/console/session/end", {})
    await begin_conversation(instance, "v1", name="Ann")
    await queue_conversation(instance, (await begin_conversation(instance, "v1", name="Ann")).id)
    await expect(page.get_by_role("heading", name="Console")).to_be_visible()
    await page.get_by_label("Name").fill("anna")
    await page.get_by_label("Password").fill(PASSWORDS["anna"])
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{instance.address}{LIST}?state=queue")
    await window.context.close()


async def test_it_works_without_its_script(browser: Browser, instance: Instance, anna: FormClient) -> None:
    """Links and forms are all that taking over and answering need."""
    found = await begin_conversation(instance, "v1", name="Ann")
    window = await Window.open(browser, instance.address, java_script_enabled=False, **PHONE)
    await signed_in(window, anna)
    page = await open_page(window, LIST)
    await page.get_by_role("link", name="Ann").click()
    await page.get_by_role("button", name="Take over").click()
    await page.get_by_label("Reply", exact=True).fill("Hello")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".notice")).to_have_text("Your message is on its way.")
    now = await instance.services.state.conversations.get(found.id)
    assert now is not None
    assert (now.owner, len(await instance.logged("parley.inbound.web"))) == ("person", 2)
    await window.context.close()
