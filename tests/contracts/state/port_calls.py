"""Calls of every operation of every port, and stores opened as several processes would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from infra.state.redis.engine import open_redis_state
from schemas.errors import StateLost, StateUnavailable
from schemas.messages import Address
from schemas.ports import Removal, State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.retention_samples import GROUPS, PERIODS, retention_of
from tests.contracts.state.samples import (
    NOW,
    begin_turn,
    commit_turn,
    later,
    line,
    make_delivered,
    make_intended,
    make_settled,
    new_id,
    origin,
    outbound,
    record,
    reply,
)

OpenProcess = Callable[[], Awaitable[State]]


@asynccontextmanager
async def processes(url: str) -> AsyncIterator[OpenProcess]:
    """Opens the same store as often as asked, each time as another process would."""
    opened: list[State] = []

    async def open_() -> State:
        opened.append(await open_redis_state(url))
        return opened[-1]

    try:
        yield open_
    finally:
        for state in opened:
            await state.close()


async def set_up(state: State) -> State:
    """An empty store, ready for work."""
    await state.rebuild.prepare(ALL_SHARDS)
    await state.rebuild.finish(ALL_SHARDS)
    return state


async def wait_until_it_succeeds(work: Callable[[], Awaitable[object]], seconds: float = 30) -> None:
    """Return once ``work`` no longer raises StateUnavailable."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await work()
            except StateUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


async def is_lost(work: Callable[[], Awaitable[object]]) -> bool:
    """Tell whether the work meets a lost state, as soon as the store is reachable."""
    try:
        await wait_until_it_succeeds(work)
    except StateLost:
        return True
    return False


async def hear(state: State, other: State, reader: object) -> None:
    """Signals are lossy: publish until one is heard."""
    async with asyncio.timeout(30):
        waiting = asyncio.ensure_future(anext(reader))  # type: ignore[call-overload]
        while not waiting.done():
            await wait_until_it_succeeds(lambda: other.signals.publish("typing", b"now"))
            await asyncio.wait([waiting], timeout=0.05)


async def all_there(state: State, conversation: str, head: int) -> None:
    async with asyncio.timeout(30):
        while await state.transcript.head(conversation) < head:
            pass


def calls_of_all_ports(state: State) -> list[Callable[[], Awaitable[object]]]:
    """A call of every operation of every port."""
    conversation, message = new_id(), outbound()
    addresses = [Address(channel="web", value="v1")]
    parked = [record(1, conversation)]

    async def turn() -> None:
        start = await begin_turn(state, conversation, "e1")
        assert (
            await commit_turn(state, conversation, start, handled=["e1"], outbox=[reply(conversation)]) == "committed"
        )

    return [
        lambda: state.conversations.open(conversation, origin(place=conversation), now=NOW),
        turn,
        lambda: state.conversations.read_outbox(conversation),
        lambda: state.conversations.published(conversation, ["x"]),
        lambda: state.conversations.begin(conversation, origin(), [], now=NOW, messages=[line(id="m0")], recent=1),
        lambda: state.conversations.list_unpublished(before=NOW, limit=5),
        lambda: state.conversations.own(conversation, "queue", expected_epoch=0, request_id="r", by="p", now=NOW),
        lambda: state.conversations.get(conversation),
        lambda: state.conversations.snapshot(conversation),
        lambda: state.conversations.list_page("plantstore"),
        lambda: state.conversations.count("plantstore", "queue"),
        lambda: state.conversations.counts(),
        lambda: state.contacts.resolve("plantstore", "web", "main", "v1", addresses, now=NOW),
        lambda: state.contacts.preview("plantstore", "web", "main", "v1", addresses, now=NOW),
        lambda: state.contacts.get("plantstore", "nobody"),
        lambda: state.contact_search.search("plantstore", "v1"),
        lambda: state.contact_search.list_ids("plantstore", "nobody"),
        lambda: state.contact_search.list_conversations("plantstore", ["nobody"]),
        lambda: state.transcript.add(conversation, line(id="m1")),
        lambda: state.transcript.mark(conversation, ["m1"], "read"),
        lambda: state.transcript.edit(conversation, "m1", "text"),
        lambda: state.transcript.find(conversation, "m1"),
        lambda: state.transcript.read(conversation),
        lambda: state.transcript.read_recent(conversation),
        lambda: state.transcript.head(conversation),
        lambda: state.deliveries.begin_send(conversation, message, deadline=5, now=NOW),
        lambda: state.deliveries.record(conversation, make_delivered(message.id, "sent")),
        lambda: state.deliveries.outcome(conversation, message.id),
        lambda: state.deliveries.bind("plantstore", "web", "main", "x", conversation, message.id),
        lambda: state.deliveries.by_external_id("plantstore", "web", "main", "x"),
        lambda: state.deliveries.unresolved(before=NOW, limit=5),
        lambda: state.parking.park("g", conversation, parked, until=NOW),
        lambda: state.parking.read("g", conversation, limit=5),
        lambda: state.parking.unpark("g", conversation, parked),
        lambda: state.parking.list_conversations("g", [parked[0].source]),
        lambda: state.dead_letters.get("plantstore", "x"),
        lambda: state.dead_letters.list_page("plantstore"),
        lambda: state.turns.list_newest(conversation),
        lambda: state.limiter.take("k", per_second=1, burst=5, now=NOW),
        lambda: state.limiter.add("k", {"tokens": 1}, keep=60, now=NOW),
        lambda: state.limiter.occupy("k", "one", limit=1, keep=60, now=NOW),
        lambda: state.limiter.vacate("k", ["one"]),
        lambda: state.heads.advance("plantstore", 0, 7),
        lambda: state.heads.of("plantstore"),
        lambda: state.journal.claim(conversation, make_intended(), token=1, epoch=0, now=NOW),
        lambda: state.journal.withdraw(conversation, "key-1"),
        lambda: state.journal.record(conversation, make_settled()),
        lambda: state.journal.entry(conversation, "key-1"),
        lambda: state.journal.find_by_authority(conversation, ["confirmation-1"]),
        lambda: state.journal.list_in_doubt(conversation),
        lambda: state.journal.unresolved(before=NOW, limit=5),
        lambda: state.journal.postpone(conversation, "key-1", NOW),
        lambda: state.journal.admit("plantstore", "contact-1", "refund", "2026-03-01", "key-1", most=1),
        lambda: state.tokens.bind("identity", "session", until=later(60), now=NOW),
        lambda: state.tokens.revoke(conversation, "session", until=later(60), now=NOW),
        lambda: state.tokens.is_revoked(conversation, "session", now=NOW),
        lambda: retention_of(state).sweep_conversations({"plantstore": PERIODS}, groups=GROUPS, now=NOW),
        lambda: retention_of(state).sweep_tenant("plantstore", PERIODS, letters_before=NOW, now=NOW),
        lambda: retention_of(state).list_removals(limit=5),
        lambda: retention_of(state).forget(Removal("conversation", conversation, "plantstore")),
        state.check_ready,
    ]
