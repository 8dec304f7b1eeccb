"""Text of strangers stays text wherever the console shows it: checked in the markup, and in a browser.

In the browser the page's policy is switched off, so that a payload which gets into the document does run.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from markupsafe import escape
from playwright.async_api import Browser, Page

from tests.console.conftest import Sit
from tests.console.form_client import FormClient, ShownPage, talk
from tests.console.sample_conversations import fill_conversation
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_admin_deadletters import letter
from tests.widget.chat_page import Window, wait_for_value
from tests.widget.test_injection import PAYLOADS

LIST = "/console/shop/conversations"
_ELEMENTS = """
    html head meta title link script body main header nav section div span p b a ul ol li dl dt dd details
    summary form input button label textarea select option time h1 h2 blockquote pre table caption thead tbody
    tr th td strong em s code br hr
"""
KNOWN = frozenset(_ELEMENTS.split())


def find_injected_elements(seen: ShownPage) -> list[str]:
    """Elements and attributes that only a payload can have brought."""
    found = []
    scripts = 0
    for name, attributes in seen.elements():
        scripts += name == "script"
        if name not in KNOWN:
            found.append(name)
        for attribute, value in attributes.items():
            address = (value or "").strip().lower()
            if attribute.startswith("on") or attribute in ("style", "srcdoc", "formaction"):
                found.append(f"{name} {attribute}")
            if attribute in ("href", "src", "action") and not address.startswith(("/", "https://", "http://", "#main")):
                found.append(f"{attribute}={value}")
    return found + ["script"] * (scripts - 1)


async def add_payload_everywhere(instance: Instance, payload: str, number: int) -> str:
    """The payload in every place that strangers, documents or models can write to; the conversation's id."""
    found = await fill_conversation(instance, f"place-{number}", name=payload, hostile=payload)
    dead = letter(instance, id_=f"dead-{number}", code=payload[:60], reason=payload, conversation_id=payload)
    await instance.services.state.dead_letters.add(dead)
    body = f"# Winter\n\nA zygopetalum needs {payload} every day.\n"
    document = {"title": f"Zygopetalum {payload}"[:300], "body": body}
    assert (await instance.admin("PUT", f"/knowledge/hostile-{number}", document)).status == 200
    return found.id


async def test_no_payload_becomes_markup_on_any_page(instance: Instance, anna: FormClient) -> None:
    for number, payload in enumerate(PAYLOADS):
        found = await add_payload_everywhere(instance, payload, number)
        page = await anna.get(talk(found))
        assert find_injected_elements(page) == [], payload
        assert f"<h1>{escape(payload)}</h1>" in page.text, "the contact's name, as they wrote it"
        kept = await anna.send(
            talk(found), talk(found, "messages"), {"text": "x" * 8001, "client_msg_id": payload[:64]}
        )
        assert find_injected_elements(kept) == [], payload
    await instance.settled()
    for path in (LIST, f"{LIST}?state=queue", "/console/shop/deadletters", "/console/shop/knowledge"):
        assert find_injected_elements(await anna.get(path)) == []
    for payload in PAYLOADS:
        asked = await anna.send("/console/shop/knowledge", "/console/shop/knowledge", {"question": payload})
        assert find_injected_elements(asked) == [], payload


async def test_an_address_that_holds_a_payload_is_harmless(anna: FormClient, sit: Sit, instance: Instance) -> None:
    stranger = await sit()
    for payload in PAYLOADS[:20]:
        for seat, path, query in (
            (anna, LIST, "state"),
            (anna, LIST, "channel"),
            (anna, LIST, "after"),
            (anna, LIST, "notice"),
            (anna, "/console/shop/deadletters", "code"),
            (anna, f"{LIST}/x", "after"),
            (stranger, "/console", "next"),
        ):
            assert find_injected_elements(await seat.get(path, params={query: payload})) == []
        assert (
            find_injected_elements(
                await anna.get(f"/console/{payload.replace('/', '%2F').replace('#', '%23')}/knowledge")
            )
            == []
        )
        instance.clock.tick(60)
        refused = await stranger.post("/console/session", {"name": payload, "secret": payload, "next": payload})
        assert (refused.status, find_injected_elements(refused)) == (401, [])


@pytest.fixture
async def open_page(browser: Browser, instance: Instance, anna: FormClient) -> Any:
    """Anna's browser without the page's policy, and what was run in it."""
    window = await Window.open(browser, instance.address, bypass_csp=True)
    ran: list[str] = []

    def pwned(*_: object) -> None:
        ran.append("ran")

    await window.context.expose_function("pwned", pwned)
    await window.context.add_cookies(
        [{"name": "parley_console", "value": anna.cookie, "domain": "127.0.0.1", "path": "/console"}]
    )
    page = await window.context.new_page()
    yield page, ran
    await window.context.close()


@pytest.mark.slow
async def test_the_trap_catches_what_is_inserted_as_it_is(
    open_page: tuple[Page, list[str]], instance: Instance
) -> None:
    """Otherwise the test below would show nothing."""
    page, ran = open_page
    await page.goto(instance.address + LIST)
    await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=pwned()>')")

    async def caught() -> bool:
        return bool(ran)

    await wait_for_value(caught)


@pytest.mark.slow
async def test_fifty_payloads_on_every_page_run_nothing(
    open_page: tuple[Page, list[str]], instance: Instance, anna: FormClient
) -> None:
    """In the page as it comes, and in the parts that its own script puts there."""
    page, ran = open_page
    assert len(PAYLOADS) >= 50
    talks = [await add_payload_everywhere(instance, payload, number) for number, payload in enumerate(PAYLOADS)]
    await instance.settled()
    for path in (LIST, "/console/shop/deadletters", "/console/shop/knowledge", *(talk(each) for each in talks)):
        await page.goto(instance.address + path)
        await page.evaluate("document.querySelectorAll('details').forEach(node => (node.open = true))")
        await page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 10)))")
    assert ran == []
    await page.goto(instance.address + LIST)
    instance.clock.tick(1)
    await add_payload_everywhere(instance, f"newest {PAYLOADS[0]}", len(PAYLOADS))
    await page.locator(".talks .name", has_text="newest").wait_for()
    await page.evaluate("new Promise(done => setTimeout(done, 50))")
    await asyncio.sleep(0)
    assert ran == []
