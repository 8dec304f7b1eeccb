"""The line to the server breaks, comes back, and is shared by two tabs."""

from __future__ import annotations

import time

import jwt

from tests.harness.installation import Installation
from tests.widget.chat_page import SERVER_GONE, ChatPage, Window, expect, wait_for_value
from tests.widget.conftest import IDENTITY_SECRET


async def test_a_message_typed_while_the_server_is_down_is_sent_once_when_it_is_back(
    parley: Installation, window: Window, tab: ChatPage
) -> None:
    """The process is killed, the visitor writes on and even reloads nothing; after the restart each message is there
    once, in order, and answered."""
    window.expected = SERVER_GONE
    await tab.ask("Can I use tap water?")
    await parley.kill("dev")
    await expect(tab.banner).to_contain_text("Connection lost")
    await expect(tab.told).to_contain_text("Connection lost")
    await tab.say("How long can I return a pot?")
    await tab.say("Do you add a heat pack in winter?")
    await expect(tab.tick("sending")).to_be_visible()
    await parley.start()
    await expect(tab.chat.locator(".tick[data-state=read]")).to_have_count(3)
    await expect(tab.banner).to_be_hidden()
    await expect(tab.replies.last).to_contain_text("heat pack")
    await _agrees_with_the_server(parley, tab, 3)


async def test_a_message_survives_the_tab_that_could_not_send_it(
    parley: Installation, window: Window, tab: ChatPage
) -> None:
    """Written without a connection, the tab closed: the next tab finds the message and sends it, once."""
    window.expected = SERVER_GONE
    await tab.ask("Can I use tap water?")
    await window.context.set_offline(True)
    await expect(tab.banner).to_contain_text("Connection lost")
    await tab.say("How long can I return a pot?")
    await expect(tab.tick("sending")).to_be_visible()
    await tab.page.close()
    await window.context.set_offline(False)
    next_tab = await window.tab()
    await expect(next_tab.replies.last).to_contain_text("30 days")
    await _agrees_with_the_server(parley, next_tab, 2)


async def test_two_tabs_hold_one_conversation(parley: Installation, window: Window) -> None:
    """A new visitor opens two at once; what is said in one is in the other, and read in one is read in both."""
    one, two = await window.tab(open=False), await window.tab(open=False)
    await one.open()
    await two.open()
    await one.say("Can I use tap water?")
    for tab in (one, two):
        await expect(tab.own).to_have_count(1)
        await expect(tab.replies).to_have_count(1)
    for tab in (one, two):
        await tab.input.press("Escape")
    body = {"client_msg_id": "from-a-person", "text": "A person looks at this now."}
    await parley.admin("POST", f"conversations/{await one.conversation()}/messages", json=body)
    for tab in (one, two):
        await expect(tab.chat.locator(".badge")).to_contain_text("1")
    await one.open()
    await expect(one.chat.locator(".line.person")).to_be_visible()
    await expect(two.chat.locator(".badge")).to_be_hidden()
    await _agrees_with_the_server(parley, one, 1)


async def test_a_socket_that_comes_back_asks_only_for_what_it_missed(window: Window) -> None:
    """The hello after a break names the last number seen."""
    hellos: list[str] = []
    tab = await window.tab(open=False)
    tab.page.on("websocket", lambda socket: socket.on("framesent", lambda data: hellos.append(str(data))))
    await tab.open()
    await tab.ask("Can I use tap water?")
    await window.context.set_offline(True)
    await window.context.set_offline(False)
    await expect(tab.banner).to_be_hidden()

    async def said() -> list[str]:
        return [text for text in hellos if '"hello"' in text][1:]

    assert '"last_seq":2' in (await wait_for_value(said))[0]
    await expect(tab.replies).to_have_count(1)


async def test_signing_in_and_out_leaves_nothing_of_one_visitor_to_the_next(window: Window, tab: ChatPage) -> None:
    """Anonymous, then signed in, then signed out: three conversations, and the last one is empty."""
    await tab.ask("Can I use tap water?")
    anonymous = await tab.conversation()
    now = int(time.time())
    token = jwt.encode({"sub": "customer-7", "iat": now, "exp": now + 600}, IDENTITY_SECRET, algorithm="HS256")
    await tab.page.evaluate("token => Parley.identify(async () => token)", token)
    await expect(tab.own).to_have_count(0)
    known = await tab.conversation()
    assert known != anonymous
    await tab.ask("How long can I return a pot?")
    token = (await tab.stored())["session"]["visitor_token"]
    await tab.page.evaluate("Parley.shutdown()")
    await expect(tab.chat).to_have_count(0)
    await wait_for_value(lambda: signed_out(window, token))
    assert not any("session" in name or "queue" in name for name in await tab.stored())
    await tab.page.evaluate("Parley.boot()")
    await tab.open()
    await tab.ask("Can I use tap water?")
    await expect(tab.own).to_have_count(1)
    assert await tab.conversation() not in (anonymous, known)


async def test_a_visit_goes_on_when_an_identity_expires_and_the_page_gives_fresh_ones(window: Window) -> None:
    """By itself, in the same conversation, and without a word about a lost connection."""
    tab = await window.tab(open=False)
    now = int(time.time())
    tokens = [
        jwt.encode(
            {"sub": "customer-9", "jti": f"{now}-{left}", "iat": now, "exp": now + left},
            IDENTITY_SECRET,
            algorithm="HS256",
        )
        for left in (10, 900)
    ]
    await tab.page.evaluate(
        "tokens => Parley.identify(async () => tokens.length > 1 ? tokens.shift() : tokens[0])", tokens
    )
    await tab.open()
    await tab.ask("Can I use tap water?")
    conversation = await tab.conversation()
    await tab.page.evaluate(
        """() => {
          const banner = document.querySelector("parley-chat").shadowRoot.querySelector(".banner");
          window.banners = [];
          new MutationObserver(() => window.banners.push(banner.textContent))
            .observe(banner, { childList: true, characterData: true, subtree: true });
        }"""
    )

    async def renewed() -> bool:
        return len([url for url in window.requests if url.endswith("/sessions")]) > 1

    await wait_for_value(renewed)
    await tab.ask("How long can I return a pot?")
    assert await tab.conversation() == conversation
    await expect(tab.own).to_have_count(2)
    assert "".join(await tab.page.evaluate("window.banners")) == ""


async def signed_out(window: Window, token: str) -> bool:
    """Whether the server takes the token no more, wherever a copy of it may be."""
    address, headers = f"{window.base}/v1/chat/plantstore/messages", {"Authorization": f"Bearer {token}"}
    return (await window.context.request.get(address, headers=headers)).status == 401


async def test_a_page_whose_identity_has_expired_is_asked_for_a_fresh_one(window: Window) -> None:
    """The visitor is told in plain words meanwhile, and goes on in their conversation with the fresh identity."""
    window.expected = ("status of 401", "parley: ")
    tab = await window.tab(open=False)
    now = int(time.time())
    old, fresh = (
        jwt.encode({"sub": "customer-8", "iat": now - 600, "exp": now + left}, IDENTITY_SECRET, algorithm="HS256")
        for left in (-1, 600)
    )
    await tab.page.evaluate(
        """([old, fresh]) => {
          document.addEventListener("parley:identity", () => { window.fresh = fresh; });
          Parley.identify(old);
        }""",
        [old, fresh],
    )
    await tab.open()
    await expect(tab.banner).to_have_text("Your sign-in has expired. Please reload this page.")
    await tab.page.evaluate("Parley.identify(window.fresh)")
    await expect(tab.banner).to_be_hidden()
    await tab.ask("Can I use tap water?")


async def test_nothing_is_kept_or_opened_before_the_visitor_opens_the_chat(window: Window) -> None:
    """A page view alone makes no session, no socket and no entry in storage."""
    tab = await window.tab(open=False)
    await expect(tab.launcher).to_be_visible()
    assert await tab.stored() == {}
    assert not [url for url in window.requests if "sessions" in url or "socket" in url]


async def _agrees_with_the_server(parley: Installation, tab: ChatPage, messages: int) -> None:
    """What the visitor sees of their own is what the transcript holds: the same texts, once, in order."""
    seen = await tab.own.locator(".text").all_inner_texts()
    about = await parley.admin("GET", f"conversations/{await tab.conversation()}")
    kept = [line["text"] for line in about["transcript"] if line["author"]["kind"] == "contact"]
    assert seen == kept
    assert len(kept) == messages
