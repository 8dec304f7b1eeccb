"""Commits on SQLite that share their transaction with the log: a turn is on the log with its state, or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from agent_worker.turn.outbox import build_snapshot_event
from infra.bus.sealed_bus import EventSealer, SealedBus
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.sqlite import store
from infra.state.sqlite.engine import open_sqlite_state
from infra.state.sqlite.sealed_log import SealedLog
from schemas.conversation import Facts, Turn
from schemas.errors import StateUnavailable, TooLarge
from schemas.messages import OutboundMessage
from schemas.ports import BegunConversation, Bus, CommitResult, Publication, Record, State
from schemas.privacy.contact_keys import SEALED
from schemas.privacy.key_service import ContactKeyService
from schemas.topics import KEYS, topic_specs
from tests.contracts.state.samples import NOW, begin_turn, line, new_id, outbound, reply
from tests.harness.silent_disk import silent_disk

TOPICS = ("parley.state", "parley.outbound.web")
TURN = Turn(id="turn-1", handled=["e1"], route="local", at=NOW)


@dataclass
class Installation:
    bus: Bus
    state: State
    stored: SqliteBus
    conversation: str = field(default_factory=new_id)

    async def begin(self) -> BegunConversation:
        return await begin_turn(self.state, self.conversation)

    async def commit(self, begun: BegunConversation, *messages: OutboundMessage, version: int = 0) -> CommitResult:
        return await self.state.conversations.commit(
            self.conversation,
            token=begun.token,
            version=version or begun.conversation.version,
            epoch=begun.conversation.epoch,
            facts=Facts(),
            handled=["e1"],
            outbox=[reply(self.conversation, message) for message in messages],
            now=NOW,
            publication=Publication(partial(build_snapshot_event, now=NOW), [TURN]),
        )

    async def logged(self) -> list[Record]:
        """What readers of the log see."""
        return [record for topic in TOPICS async for record in await self.bus.read(topic)]


@pytest.fixture(params=["plain", "sealed"])
async def installation(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    database = Database.open(tmp_path / "parley.db")
    bus = SqliteBus(database, clock=lambda: NOW)
    log = SealedLog(bus)
    state = open_sqlite_state(database, log)
    await bus.create_topics(topic_specs(["web"], partitions=4, small=2, days={}))
    if request.param == "sealed":
        keys = ContactKeyService(
            bus=bus, keys=state.contact_keys, derive_secrets=lambda: [b"1" * 32], clock=lambda: NOW
        )
        log.sealer = EventSealer(keys, state.conversations.get)
    yield Installation(SealedBus(bus, log.sealer) if log.sealer else bus, state, bus)
    await state.close()
    await bus.close()
    await database.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    with silent_disk(monkeypatch) as answers:
        yield answers


async def test_a_commit_publishes_its_snapshot_and_its_events_and_leaves_nothing_in_the_outbox(
    installation: Installation,
) -> None:
    message = outbound()
    result = await installation.commit(await installation.begin(), message)
    assert result == CommitResult("committed", is_published=True)
    snapshot, sent = await installation.logged()
    assert (snapshot.headers["ce_type"], snapshot.key) == ("parley.conversation.snapshot.v1", installation.conversation)
    assert (sent.headers["ce_id"], sent.key) == (message.id, installation.conversation)
    assert await installation.state.conversations.read_outbox(installation.conversation) == []
    assert await installation.state.turns.list_newest(installation.conversation) == [TURN]


@pytest.mark.parametrize("installation", ["sealed"], indirect=True)
async def test_a_commit_of_a_contact_without_a_key_makes_the_key_in_its_own_transaction(
    installation: Installation,
) -> None:
    begun, stored = await installation.begin(), installation.stored
    with pytest.raises(TooLarge):
        await installation.commit(begun, outbound(text="x" * 1_100_000))
    assert [record async for record in await stored.read(KEYS)] == [], "nothing of a transaction that was undone"
    await installation.commit(begun, outbound(text="a canary"))
    assert len([record async for record in await stored.read(KEYS)]) == 1
    records = [record for topic in TOPICS async for record in await stored.read(topic)]
    assert {record.headers["content-type"] for record in records} == {SEALED}
    assert not any(b"a canary" in (record.value or b"") for record in records)
    assert b"a canary" in ((await installation.logged())[1].value or b"")


async def test_a_repeated_commit_publishes_nothing_again_and_a_stale_one_nothing(installation: Installation) -> None:
    begun = await installation.begin()
    await installation.commit(begun, outbound())
    before = await installation.logged()
    assert await installation.commit(begun, outbound()) == CommitResult("committed", is_published=True)
    assert await installation.commit(begun, outbound(), version=7) == CommitResult("stale")
    assert await installation.logged() == before


async def test_an_event_that_the_log_refuses_leaves_the_conversation_as_it_was(installation: Installation) -> None:
    begun = await installation.begin()
    with pytest.raises(TooLarge):
        await installation.commit(begun, outbound(), outbound(text="x" * 1_100_000))
    assert await installation.logged() == []
    again = await installation.begin()
    assert (again.conversation.version, again.handled) == (begun.conversation.version, frozenset())
    assert (await installation.commit(again, outbound())).verdict == "committed"


async def test_commits_and_appends_at_once_get_numbers_without_gaps_and_readers_see_them_all(
    installation: Installation,
) -> None:
    bus, begun = installation.bus, await installation.begin()
    others = [bus.append([reply(installation.conversation)]) for _ in range(20)]
    committing = asyncio.create_task(installation.commit(begun, outbound(), outbound()))
    appended = {position.offset for (position,) in await asyncio.gather(*others)}
    assert (await committing).is_published
    sent = [record.offset for record in await installation.logged() if record.topic == "parley.outbound.web"]
    assert sent == list(range(22))
    assert len(appended & set(sent)) == 20


async def test_events_are_shown_to_readers_although_the_one_who_committed_was_cancelled(
    installation: Installation, disk: threading.Event
) -> None:
    begun = await installation.begin()
    disk.clear()
    committing = asyncio.create_task(installation.commit(begun, outbound()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    committing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await committing
    disk.set()
    await installation.state.transcript.add(installation.conversation, line())
    assert len(await installation.logged()) == 2


async def test_a_commit_on_a_disk_that_hangs_is_reported_and_shown_once_it_is_written(
    installation: Installation, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repeat then finds it published."""
    monkeypatch.setattr(store, "PATIENCE_S", 0.05)
    begun = await installation.begin()
    disk.clear()
    with pytest.raises(StateUnavailable, match="not answered"):
        await installation.commit(begun, outbound())
    disk.set()
    monkeypatch.setattr(store, "PATIENCE_S", 30.0)
    assert (await installation.commit(begun, outbound())).is_published
    assert len(await installation.logged()) == 2
