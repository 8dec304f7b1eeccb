"""The chat socket of the contract, from outside: every frame in and out, every close code."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import SITE
from tests.harness.contract_client import ChatSocket, ContractClient, Visitor, assert_error, wait_for
from tests.harness.installation import QUESTIONS

NONSENSE = "Who won the football world championship in 1974?"


async def test_hello_is_welcomed_with_the_conversation_and_its_highest_number(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        assert tab.welcome == {"type": "welcome", "conversation_id": visitor.conversation, "seq": 0}
    reply = await visitor.ask(QUESTIONS[0])
    async with visitor.tab() as tab:
        assert tab.welcome["seq"] == reply["seq"]


async def test_a_message_is_acked_shown_answered_and_streamed_before(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="a", text=QUESTIONS[0])
        ack = await tab.frame("ack")
        assert set(ack) == {"type", "client_msg_id", "message_id", "seq"}
        assert (ack["client_msg_id"], ack["seq"]) == ("a", 1)
        reply = await tab.reply()
        assert reply["in_reply_to"] == ack["message_id"]
        for delta in (frame for frame in tab.frames if frame["type"] == "delta"):
            assert set(delta) == {"type", "turn_id", "index", "text"}
    (mine,) = (line for line in await visitor.read() if line["author"]["kind"] == "contact")
    assert mine["id"] == ack["message_id"]


async def test_an_answer_streams_as_deltas_that_begin_at_index_0_and_build_its_text(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="a", text=QUESTIONS[0])
        reply = await tab.reply()
        deltas = [frame for frame in tab.frames if frame["type"] == "delta"]
        assert [delta["index"] for delta in deltas] == [*range(len(deltas))]
        assert deltas, "the web channel streams"
        assert "".join(delta["text"] for delta in deltas).split()[:5] == reply["text"].split()[:5]


async def test_a_repeat_on_the_socket_and_over_http_is_one_message(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        frames = [{"type": "message", "client_msg_id": "a", "text": "hi"}] * 3
        acks = []
        for frame in frames:
            await tab.send(**frame)
            acks.append(await tab.frame("ack"))
        http = await visitor.post(client_msg_id="a", text="hi")
    assert acks[0] == acks[1] == acks[2]
    assert http.body == {"message_id": acks[0]["message_id"], "seq": acks[0]["seq"]}


async def test_the_same_id_with_another_text_is_an_error_that_names_the_message(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="a", text="one")
        await tab.frame("ack")
        await tab.send(type="message", client_msg_id="a", text="two")
        error = await tab.frame("error")
        assert assert_error(error) == "id_reused"
        assert error["client_msg_id"] == "a"


async def test_a_socket_resumes_after_last_seq_and_without_it_begins_now(visitor: Visitor) -> None:
    first = await visitor.ask(QUESTIONS[0])
    second = await visitor.ask(QUESTIONS[1])
    async with visitor.tab(last_seq=first["seq"]) as tab:
        missed = [(await tab.frame("message"))["message"]["seq"] for _ in range(second["seq"] - first["seq"])]
        assert missed == [*range(first["seq"] + 1, second["seq"] + 1)]
    async with visitor.tab(last_seq=second["seq"]) as tab:
        await tab.send(type="message", client_msg_id="next", text="more")
        assert (await tab.frame("message"))["message"]["seq"] == second["seq"] + 1, "nothing is repeated"


async def test_a_resume_over_many_messages_leaves_out_none(visitor: Visitor) -> None:
    for start in range(0, 250, 50):
        await asyncio.gather(
            *(visitor.post(client_msg_id=f"n{n}", text=f"number {n}") for n in range(start, start + 50))
        )
    async with visitor.tab(last_seq=0) as tab:
        seqs: list[int] = []
        while len(seqs) < 250:
            seqs.append((await tab.frame("message"))["message"]["seq"])
    assert seqs == [*range(1, 251)]


async def test_two_tabs_see_the_same_messages_in_the_same_order(visitor: Visitor) -> None:
    async with visitor.tab() as one, visitor.tab() as two:
        await one.send(type="message", client_msg_id="a", text=QUESTIONS[0])
        await two.send(type="message", client_msg_id="b", text=QUESTIONS[1])
        for tab in (one, two):
            await tab.frame("ack")
        shown: list[list[Any]] = []
        for tab in (one, two):
            await until_contact_lines(tab, 2)
            await tab.reply()
            seen = [frame["message"] for frame in tab.frames if frame["type"] == "message"]
            shown.append([line["id"] for line in seen])
        assert shown[0][:3] == shown[1][:3]


async def until_contact_lines(tab: ChatSocket, count: int) -> None:
    while True:
        lines = [frame["message"] for frame in tab.frames if frame["type"] == "message"]
        if len([line for line in lines if line["author"]["kind"] == "contact"]) >= count:
            return
        await tab.frame("message")


async def test_the_other_tab_sees_that_somebody_types_and_the_agent_too(visitor: Visitor) -> None:
    async with visitor.tab() as one, visitor.tab() as two:
        await one.send(type="typing")
        await one.send(type="message", client_msg_id="a", text=QUESTIONS[0])
        await two.reply()
        typing = [frame for frame in two.frames if frame["type"] == "typing"]
        assert typing
        assert all(set(frame) == {"type", "author"} for frame in typing), typing


async def test_reading_gives_the_other_tab_a_receipt(visitor: Visitor) -> None:
    reply = await visitor.ask(QUESTIONS[0])
    async with visitor.tab() as one, visitor.tab() as two:
        await one.send(type="read", seq=reply["seq"])
        receipt = await two.frame("receipt", message_id=reply["id"], state="read")
        assert set(receipt) == {"type", "message_id", "state"}

    async def is_read() -> bool:
        (shown,) = await visitor.read(after=reply["seq"] - 1)
        return bool(shown["state"] == "read")

    await wait_for(is_read)


async def test_an_answer_shown_on_a_socket_is_delivered(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="a", text=QUESTIONS[0])
        reply = await tab.reply()

    async def look() -> bool:
        return (await visitor.read(after=reply["seq"] - 1))[0]["state"] in ("sent", "delivered", "read")

    await wait_for(look)


async def test_choosing_a_person_by_its_frame_puts_the_conversation_in_the_queue(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="a", text=NONSENSE)
        reply = await tab.reply()
        assert "person" in [choice["id"] for choice in reply["choices"]]
        await tab.send(type="choice", client_msg_id="b", in_reply_to=reply["id"], id="person")
        ack = await tab.frame("ack", client_msg_id="b")

        async def look() -> bool:
            return bool((await get_conversation(visitor))["owner"] == "queue")

        await wait_for(look)
    lines = {line["id"]: line for line in await visitor.read()}
    assert lines[ack["message_id"]]["author"]["kind"] == "contact"
    assert lines[ack["message_id"]]["text"], "a choice is shown by its label"


async def get_conversation(visitor: Visitor) -> dict[str, Any]:
    answer = await visitor.outside.admin("GET", f"conversations/{visitor.conversation}", tenant=visitor.tenant)
    body: dict[str, Any] = answer.body
    return body


async def test_a_choice_that_was_never_offered_is_an_error(visitor: Visitor) -> None:
    reply = await visitor.ask(NONSENSE)
    async with visitor.tab() as tab:
        for frame in (
            {"in_reply_to": reply["id"], "id": "free-plants"},
            {"in_reply_to": "no-such-message", "id": "person"},
        ):
            await tab.send(type="choice", client_msg_id="c", **frame)
            error = await tab.frame("error", client_msg_id="c")
            assert assert_error(error) == "invalid_request"
    assert (await get_conversation(visitor))["owner"] == "agent"


async def test_feedback_on_an_answer_is_taken_and_on_anything_else_an_error(visitor: Visitor) -> None:
    reply = await visitor.ask(QUESTIONS[0])
    mine = (await visitor.read())[0]
    async with visitor.tab() as tab:
        await tab.send(type="feedback", message_id=reply["id"], value="up")
        await tab.send(type="feedback", message_id=reply["id"], value="down", comment="not my pot")
        for bad in (
            {"message_id": "nothing", "value": "up"},
            {"message_id": mine["id"], "value": "up"},
            {"message_id": reply["id"], "value": "sideways"},
            {"message_id": reply["id"]},
        ):
            await tab.send(type="feedback", **bad)
            assert assert_error(await tab.frame("error")) == "invalid_request"
        assert len([frame for frame in tab.frames if frame["type"] == "error"]) == 4


BAD_FRAMES = [
    "",
    "{",
    "null",
    "[]",
    "5",
    '"hello"',
    "{}",
    '{"type": "unknown"}',
    '{"type": 5}',
    '{"type": ["message"]}',
    '{"type": "message"}',
    '{"type": "message", "client_msg_id": "x"}',
    '{"type": "message", "client_msg_id": "x", "text": ""}',
    '{"type": "message", "client_msg_id": "x", "text": " \\n "}',
    '{"type": "message", "client_msg_id": "x", "text": 5}',
    '{"type": "message", "client_msg_id": "x", "text": "\\ud800"}',
    '{"type": "message", "client_msg_id": "", "text": "x"}',
    '{"type": "message", "client_msg_id": "' + "i" * 65 + '", "text": "x"}',
    '{"type": "message", "client_msg_id": "x", "text": "' + "y" * 8001 + '"}',
    '{"type": "read", "seq": "1"}',
    '{"type": "read", "seq": -1}',
    '{"type": "read", "seq": 1e400}',
    '{"type": "read", "seq": ' + "9" * 5000 + "}",
    '{"type": "hello", "token": "again"}',
    "[" * 30_000,
    '{"type":' * 6_000,
]


async def test_a_bad_frame_is_an_error_and_the_socket_goes_on(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        for text in BAD_FRAMES:
            await tab.socket.send_str(text)
            error = await tab.frame("error")
            assert assert_error(error) == "invalid_request", text[:80]
            assert error.get("client_msg_id", "x") == "x"
            await asyncio.sleep(0.06)  # stay below what counts as a flood
        await tab.send(type="message", client_msg_id="after", text="still here")
        assert (await tab.frame("ack"))["client_msg_id"] == "after"


async def test_binary_frames_do_no_harm(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        await tab.socket.send_bytes(b"\xff\xfe\0")
        message = await tab.socket.receive(timeout=30)
        if message.type is aiohttp.WSMsgType.TEXT:
            assert assert_error(json.loads(message.data)) == "invalid_request"
        else:
            assert tab.socket.close_code in (1003, 1007, 1008)


# ── closes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "changed"])
async def test_a_token_that_does_not_hold_closes_with_4401(visitor: Visitor, token: str) -> None:
    token = visitor.token[:-3] + "AAA" if token == "changed" else token
    async with visitor.tab(hello=False) as tab:
        await tab.send(type="hello", token=token)
        assert await tab.closed() == 4401


@pytest.mark.parametrize(
    ("first", "code"),
    [('{"type": "typing"}', 4408), ("{", 4408), ('{"type": "hello"}', 4401), ('{"type": "hello", "token": 5}', 4401)],
)
async def test_a_first_frame_that_is_no_hello_closes_the_socket(visitor: Visitor, first: str, code: int) -> None:
    async with visitor.tab(hello=False) as tab:
        await tab.socket.send_str(first)
        assert await tab.closed() == code


async def test_no_hello_within_5_seconds_closes_with_4408(visitor: Visitor) -> None:
    async with visitor.tab(hello=False) as tab:
        began = time.monotonic()
        assert await tab.closed() == 4408
        assert 4.5 < time.monotonic() - began < 20


async def test_another_tenants_token_closes_with_4401_or_4403(visitor: Visitor) -> None:
    stranger = Visitor(visitor.outside, "bookshop", visitor.token, "")
    async with stranger.tab(hello=False) as tab:
        await tab.send(type="hello", token=visitor.token)
        assert await tab.closed() in (4401, 4403)


async def test_an_unknown_tenant_closes_with_4403(visitor: Visitor) -> None:
    """A page cannot see the status of a refused handshake, only a close code."""
    stranger = Visitor(visitor.outside, "nobody", visitor.token, "")
    async with stranger.tab(hello=False) as tab:
        await tab.send(type="hello", token=visitor.token)
        assert await tab.closed() == 4403


async def test_a_page_of_another_site_closes_with_4403(shop: ContractClient) -> None:
    session = {"account": "site"}
    made = await shop.call("POST", "/v1/chat/plantstore/sessions", json=session, headers={"Origin": SITE})
    url = f"{shop.base}/v1/chat/plantstore/socket"
    async with shop.http.ws_connect(url, headers={"Origin": SITE}) as socket:
        assert await ChatSocket(socket).hello(made.body["visitor_token"])
    async with shop.http.ws_connect(url, headers={"Origin": "https://evil.example"}) as socket:
        tab = ChatSocket(socket)
        await tab.send(type="hello", token=made.body["visitor_token"])
        assert await tab.closed() == 4403


async def test_a_flood_closes_with_1008_and_what_was_acked_is_kept(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        for n in range(2_000):
            try:
                await tab.send(type="message", client_msg_id=f"f{n}", text="flood")
            except (ConnectionError, aiohttp.ClientError):
                break
        assert await tab.closed() == 1008
    acked = {frame["message_id"] for frame in tab.frames if frame["type"] == "ack"}
    after, kept = 0, set[str]()
    while page := await visitor.read(after):
        kept |= {line["id"] for line in page}
        after = page[-1]["seq"]
    assert acked <= kept


async def test_a_frame_over_64_kib_closes_with_1009_and_one_of_64_kib_does_not(visitor: Visitor) -> None:
    head = '{"type": "message", "client_msg_id": "big", "text": "x", "pad": "'
    async with visitor.tab() as tab:
        await tab.socket.send_str(head + "y" * (64 * 1024 - len(head) - 2) + '"}')
        assert (await tab.frame("ack"))["client_msg_id"] == "big"
        await tab.socket.send_str(head + "y" * (64 * 1024 - len(head) - 1) + '"}')
        assert await tab.closed() == 1009


async def test_a_socket_without_an_upgrade_is_a_clear_error(shop: ContractClient) -> None:
    assert (await shop.call("GET", "/v1/chat/plantstore/socket")).code == "invalid_request"
