"""A shift at the console of a whole Parley: the agent hands over, a person answers, the agent goes on."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page

from gateway.console.sessions import BROWSER_COOKIE, COOKIE
from tests.console.conftest import hash_quickly
from tests.console.form_client import PASSWORDS
from tests.e2e.conftest import ENGINES
from tests.harness.chat_client import Contact
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.telemetry.metrics_page import page_of
from tests.widget.chat_page import Window, expect, wait_for_value

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=ENGINES)
async def parley(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One process, and all of them: there the console is the edge's, and what it asks for another process does."""
    anna = {"password_hash": hash_quickly(PASSWORDS["anna"]), "name": "Anna Bloom", "tenants": ["plantstore"]}
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    folder, prefix = tmp_path_factory.mktemp("console"), f"t-{uuid.uuid4().hex[:8]}."
    running = Installation.make(fork_server, folder, prefix=prefix, operators={"anna": anna}, **servers)
    await running.prepare()
    await running.start()
    if running.scaled:
        await running.put_documents()
    yield running
    await running.stop()


@pytest.fixture
async def visitor(parley: Installation) -> AsyncIterator[Contact]:
    async with aiohttp.ClientSession() as http:
        contact = Contact(parley.base, http, f"visitor-{uuid.uuid4().hex[:6]}")
        await contact.open()
        yield contact


@pytest.fixture
async def window(browser: Browser, parley: Installation) -> AsyncIterator[Window]:
    """Anna's browser. At its end: nothing was asked of another host, and no page complained."""
    window = await Window.open(browser, parley.base)
    yield window
    complaints = window.complaints()
    await window.context.close()
    assert not complaints


@pytest.fixture
async def page(window: Window, parley: Installation) -> Page:
    """Anna's page, signed in."""
    opened = await window.context.new_page()
    await opened.goto(parley.base + "/console")
    await opened.get_by_label("Name").fill("anna")
    await opened.get_by_label("Password").fill(PASSWORDS["anna"])
    await opened.get_by_role("button", name="Sign in").click()
    await expect(opened.get_by_role("heading", name="Conversations")).to_be_visible()
    return opened


async def wait_for_line(visitor: Contact, kind: str, text: str) -> dict[str, Any]:
    """The line of the transcript, once the visitor has it."""
    after = 0
    for _ in range(20):
        for line in await visitor.transcript(after, wait=3):
            after = line["seq"]
            if line["author"]["kind"] == kind and text in line["text"]:
                return line
    raise AssertionError(f"the visitor never heard {text!r} of the {kind}")


async def test_a_person_takes_over_answers_under_their_name_and_gives_the_conversation_back(
    parley: Installation, visitor: Contact, page: Page
) -> None:
    asked = await visitor.say("Do you add a heat pack in winter?")
    await visitor.answered(asked.message_id)
    row = page.locator(f"#talk-{visitor.conversation}")
    await expect(row.locator(".state")).to_have_text("Agent")
    await visitor.say("I want to talk to a person")
    await expect(row.locator(".state")).to_have_text("Waiting for a person")
    await expect(row.locator(".wait")).to_contain_text("waiting")
    await row.click()
    await expect(page.locator(".line.agent", has_text="heat pack")).to_be_visible()
    await page.locator("summary", has_text="Sources").first.click()
    await expect(page.locator("blockquote").first).to_contain_text("In winter we add a heat pack")
    await page.locator("summary", has_text="Why: local").first.click()
    await expect(page.locator(".why dd", has_text="local").first).to_be_visible()
    await page.get_by_role("button", name="Take over").click()
    await expect(page.locator(".notice")).to_contain_text("The conversation is yours")
    await page.get_by_label("Reply", exact=True).fill("Anna here: yes, **every** parcel gets one.")
    await page.locator("summary", has_text="Files").click()
    await page.get_by_label("Files", exact=True).set_input_files(
        {"name": "heat-pack.txt", "mimeType": "text/plain", "buffer": b"how to use it"}
    )
    await page.get_by_role("button", name="Send").click()
    line = await wait_for_line(visitor, "person", "Anna here")
    assert line["author"]["name"] == "Anna Bloom"
    assert [file["name"] for file in line["attachments"]] == ["heat-pack.txt"]
    await expect(page.locator(".line.person", has_text="every parcel")).to_contain_text("Anna Bloom")
    quiet = await visitor.say("Can I use tap water?")
    await expect(page.locator(".line.contact", has_text="tap water")).to_be_visible()
    said = [each["author"]["kind"] for each in await visitor.transcript() if each["seq"] > quiet.seq]
    assert said == [], "while the person has it the agent says nothing"
    await page.get_by_role("button", name="Return to agent").click()
    await expect(page.locator(".holding")).to_contain_text("The agent has been answering")
    await wait_for_line(visitor, "agent", "rain water")
    await visitor.say("How long can I return a pot?")
    await wait_for_line(visitor, "agent", "30 days")
    await page.get_by_role("link", name="Resolve…").click()
    await page.get_by_role("button", name="Resolve").click()
    await expect(page.locator(".holding")).to_contain_text("Closed by Anna Bloom")


async def test_the_resolution_is_in_the_figures_and_the_visitor_is_asked_for_a_rating(
    parley: Installation, visitor: Contact, page: Page
) -> None:
    """Resolving at the console counts as at the desk. Its form says so, and nothing else has to happen first."""
    await visitor.say("I want to talk to a person")
    row = page.locator(f"#talk-{visitor.conversation}")
    await expect(row.locator(".state")).to_have_text("Waiting for a person")
    await row.click()
    await page.get_by_role("button", name="Take over").click()
    await page.get_by_label("Reply", exact=True).fill("Anna here: it is on its way.")
    await page.get_by_role("button", name="Send").click()
    await wait_for_line(visitor, "person", "on its way")
    before = await figures(parley)
    await page.get_by_role("link", name="Resolve…").click()
    await page.get_by_label("Outcome").select_option("Workaround")
    await page.get_by_label("Note for colleagues").fill("The *first* parcel is lost.")
    await page.get_by_role("button", name="Resolve").click()
    asked = await wait_for_line(visitor, "system", "How was our help?")
    assert len(asked["choices"]) == 5
    await visitor.say("4")
    kept = page.get_by_label("Resolution")
    for part in ("Anna Bloom", "Workaround", "The *first* parcel is lost.", "4 of 5"):
        await expect(kept).to_contain_text(part)
    told = (await parley.admin("GET", f"conversations/{visitor.conversation}"))["resolutions"]
    names = ("name", "outcome", "note", "score")
    assert [[each[name] for name in names] for each in told] == [
        ["Anna Bloom", "Workaround", "The *first* parcel is lost.", 4]
    ]
    assert not any("parcel is lost" in line["text"] for line in await visitor.transcript())
    grown = {"resolved": before["resolved"] + 1, "closed": before["closed"], "returned": before["returned"]}

    async def counted() -> bool:
        return await figures(parley) == grown

    await wait_for_value(counted)


async def figures(parley: Installation) -> dict[str, float]:
    """How many stretches ended how."""
    port = parley.port("worker" if parley.scaled else "dev")
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as answer:
        told = page_of(await answer.text())
    return {ended: told.value("parley_handoffs_total", ended=ended) for ended in ("resolved", "closed", "returned")}


async def test_danger_to_life_comes_first_and_the_keyboard_leads_to_it(
    parley: Installation, visitor: Contact, page: Page
) -> None:
    """Before those who have waited longer, with the reason; `j` needs no row with the focus."""
    async with aiohttp.ClientSession() as http:
        other = Contact(parley.base, http, "visitor-in-danger")
        for contact, text in ((visitor, "I want to talk to a person"), (other, "I do not want to live any more")):
            await contact.open()
            await contact.say(text)
            await expect(page.locator(f"#talk-{contact.conversation} .wait")).to_be_visible()
        rows = page.locator(".talks a")
        await expect(rows.first.locator(".state")).to_have_text("⚠ Danger to life")
        await expect(rows.first.locator(".last b")).to_have_text("risk: danger to life")
        await page.keyboard.press("j")
        await expect(page.locator(f"#talk-{other.conversation}")).to_be_focused()
        await page.keyboard.press("j")
        await page.keyboard.press("k")
        await page.keyboard.press("Enter")
        await expect(page.locator(".holding .state")).to_have_text("⚠ Danger to life")


async def test_signing_out_holds_in_every_process(parley: Installation, window: Window, page: Page) -> None:
    """The cookie that was left is refused, as the shared store says."""
    # The list may be asking for news just then, and is refused too.
    window.expected = ("status of 401",)
    (cookie,) = [each for each in await page.context.cookies() if each.get("name") == COOKIE]
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Console")).to_be_visible()
    assert [each.get("name") for each in await page.context.cookies()] == [BROWSER_COOKIE]
    headers = {"Cookie": f"{cookie.get('name')}={cookie.get('value')}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{parley.base}/console/plantstore/conversations", headers=headers, allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"][:13]) == (303, "/console?next")


async def test_the_agents_view_of_a_question_is_shown_with_its_passages(parley: Installation, page: Page) -> None:
    await page.get_by_role("link", name="Knowledge").click()
    await page.get_by_label("Ask a question as a contact would").fill("How long can I return a pot?")
    await page.get_by_role("button", name="Ask").click()
    await expect(page.locator(".passages li").first).to_contain_text("within 30 days")
    await expect(page.locator(".answer dd").first).to_have_text("local")
