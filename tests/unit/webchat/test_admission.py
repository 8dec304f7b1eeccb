"""Rate limits of the visitor, their address and their account."""

from __future__ import annotations

import asyncio
import io
import re
from collections import Counter
from functools import partial
from typing import Any

from gateway.http.rate_limits import READS_PER_MINUTE
from schemas.runtime.fair_rotation import PARTY_HEADER, party_of, waiting_key
from schemas.topics import MESSAGE_RECEIVED
from tests.harness.contract_client import wait_for
from tests.unit.webchat.conftest import Shop, Visitor, open_socket
from tests.unit.webchat.test_sessions import identity

PER_SOCKET = READS_PER_MINUTE // 3
"""Frames on one socket before it would be taken for a flood."""
AT_ONCE = 20
"""Two thirds of three seconds' worth, at ten messages a second."""


async def starts(shop: Shop, count: int, **body: Any) -> Counter[int]:
    return Counter([(await shop.start("narrow", **body)).status for _ in range(count)])


async def visitors(shop: Shop, count: int) -> list[Visitor]:
    return [await shop.visitor("narrow") for _ in range(count)]


async def test_an_address_begins_so_many_sessions_and_who_is_signed_in_is_not_counted(shop: Shop) -> None:
    assert await starts(shop, AT_ONCE + 3) == {201: AT_ONCE, 429: 3}
    signed = [await shop.start("narrow", identity=identity(shop.clock, sub=f"ada-{n}")) for n in range(5)]
    assert {answer.status for answer in signed} == {201}
    shop.clock.tick(1)
    assert await starts(shop, 4) == {201: 2, 429: 2}, "a quarter of ten a second"


async def test_one_signed_in_visitor_cannot_use_up_the_sessions_of_all(shop: Shop) -> None:
    token = identity(shop.clock, sub="ada")
    seen = await starts(shop, 30, identity=token)
    assert seen[429] == 10
    answer = await shop.start("narrow", identity=token)
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_an_identity_that_is_forged_uses_up_nothing(shop: Shop) -> None:
    assert await starts(shop, 50, identity="forged") == {401: 50}
    assert await starts(shop, AT_ONCE) == {201: AT_ONCE}


async def test_messages_of_an_address_have_a_budget_and_those_of_the_signed_in_are_not_counted(shop: Shop) -> None:
    crowd = await visitors(shop, 4)
    signed = await shop.visitor("narrow", identity=identity(shop.clock, sub="ada"))
    answers = [(await crowd[n % 4].say("x", f"m{n}")).status for n in range(AT_ONCE + 4)]
    assert Counter(answers) == {202: AT_ONCE, 429: 4}
    assert [(await signed.say("x", f"m{n}")).status for n in range(5)] == [202] * 5


async def test_so_many_messages_of_an_address_wait_for_an_answer_at_once(shop: Shop) -> None:
    """Whoever wrote them; a repeat, and what another limit refuses, count no further. Those of the signed in are not
    counted. On the log stands a hash of the address."""
    crowd = [await shop.visitor("patient") for _ in range(4)]
    assert [(await one.say("x")).status for one in (crowd[0], *crowd[:3])] == [202] * 4
    shop.clock.tick(30)
    refused = await crowd[3].say("x")
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, "rate_limited", "10")
    signed = await shop.visitor("patient", identity=identity(shop.clock, sub="ada"))
    assert (await signed.say("x")).status == 202
    logged = [event for event in await shop.logged() if event.type == MESSAGE_RECEIVED]
    first, *others = [event for event in logged if PARTY_HEADER in event.extra]
    assert len(others) == len(logged) - 2
    assert {event.extra[PARTY_HEADER] for event in others} == {party := first.extra[PARTY_HEADER]}
    assert re.fullmatch(r"[\w-]{16}", party)
    await shop.services.state.limiter.vacate(waiting_key(party_of(first.headers(), first.conversation)), [first.id])
    assert (await crowd[3].say("x", attachments=["none"])).status == 400
    assert (await crowd[3].say("x")).status == 202


async def test_uploads_and_thumbs_count_as_messages(shop: Shop) -> None:
    (visitor,) = await visitors(shop, 1)
    reply = await shop.reply(visitor, "hello")
    socket = await open_socket(visitor)
    for n in range(AT_ONCE):
        assert (await visitor.say("x", f"m{n}")).status == 202
    assert (await visitor.call("POST", "attachments", data={"file": io.BytesIO(b"a,b\n1,2\n")})).status == 429
    await socket.send({"type": "feedback", "message_id": reply.id, "value": "up"})
    assert (await socket.frame("error"))["error"]["code"] == "rate_limited"


async def test_another_account_has_a_budget_of_its_own(shop: Shop) -> None:
    assert (await starts(shop, AT_ONCE + 1))[429] == 1
    assert await starts(shop, AT_ONCE, account="second") == {201: AT_ONCE}


async def test_read_receipts_have_a_limit_of_their_own(shop: Shop) -> None:
    """A page may report every reply that it shows, also where few messages are allowed; a flood is refused."""
    visitor = await shop.visitor(account="slow")
    for n in range(READS_PER_MINUTE + 2):
        await shop.reply(visitor, f"line {n}")
    for begin in range(0, READS_PER_MINUTE, PER_SOCKET):
        socket = await open_socket(visitor, last_seq=begin)
        for seq in range(begin + 1, begin + PER_SOCKET + 1):
            await socket.send({"type": "read", "seq": seq})
        await wait_for(partial(read_receipts, shop, begin + PER_SOCKET))
    socket = await open_socket(visitor, last_seq=READS_PER_MINUTE)
    await socket.send({"type": "read", "seq": READS_PER_MINUTE + 1})
    assert (await socket.frame("error"))["error"]["code"] == "rate_limited"
    assert (await visitor.say("hello")).status == 202, "messages are another matter"
    assert await read_receipts(shop, READS_PER_MINUTE)


async def read_receipts(shop: Shop, count: int) -> bool:
    return sum("receipt" in event.type for event in await shop.logged()) == count


async def test_sockets_of_a_visitor_and_of_an_address_are_bounded(shop: Shop) -> None:
    """The newest is refused, with 1008. Who is signed in is not counted by address."""
    ann, bob = await visitors(shop, 2)
    opened = [await open_socket(ann), await open_socket(ann), await open_socket(bob)]
    for visitor in (ann, bob):
        refused = await visitor.socket()
        assert (await refused.frame("error"))["error"]["code"] == "rate_limited"
        assert await refused.closed() == 1008
    signed = await shop.visitor("narrow", identity=identity(shop.clock, sub="ada"))
    await open_socket(signed)
    await opened[0].raw.close()
    await until_welcome(bob)


async def until_welcome(visitor: Visitor) -> None:
    async with asyncio.timeout(30):
        while True:
            socket = await visitor.socket()
            first = await socket.raw.receive_json()
            if first["type"] == "welcome":
                return


async def test_a_long_poll_counts_as_a_socket(shop: Shop) -> None:
    (visitor,) = await visitors(shop, 1)
    polls = [asyncio.create_task(visitor.call("GET", "messages?wait=20")) for _ in range(3)]
    done, waiting = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result().status for task in done} == {429}
    assert (await visitor.call("GET", "messages")).status == 200, "who does not wait is not counted"
    assert (await visitor.say("x")).status == 202
    assert {task.result().status for task in (await asyncio.wait(waiting))[0]} == {200}
