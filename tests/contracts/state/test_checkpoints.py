"""State that went back in time because a replica took over: the end of the log, read again from the last checkpoint,
makes it what it was."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from infra.state.rebuild import RebuildReport, rebuild
from infra.state.recovery import read_positions
from schemas import topics
from schemas.conversation_activity import MessageEdited
from schemas.envelope import envelope
from schemas.errors import StateLost
from schemas.messages import Address, Receipt
from schemas.ports import Bus, Checkpoints, LogPositions, State
from schemas.privacy.contact_keys import ContactKey
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.port_calls import OpenProcess, processes, set_up
from tests.contracts.state.recorded_history import (
    CHANNELS,
    TENANT,
    RecordedConversation,
    build_envelope,
    contact_event,
    record_conversation,
)
from tests.contracts.state.samples import NOW, later, new_id
from tests.contracts.state.test_rebuild_from_log import Clock
from tests.harness.sentinel import NAME, SentinelGroup, ask

pytestmark = pytest.mark.scaled
CHECKPOINT = "parley:{s00}:checkpoint"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def servers() -> Iterator[SentinelGroup]:
    """A primary that is never replaced, however busy the machine is: the tests themselves take it back in time."""
    if os.environ.get("PARLEY_TEST_SERVERS") == "none":
        pytest.skip("PARLEY_TEST_SERVERS=none: tests that need Kafka or Redis are left out")
    with SentinelGroup(replicas=0, sentinels=1) as group:
        ask(group.sentinels[0].port, f"SENTINEL SET {NAME} down-after-milliseconds 600000")
        yield group


@pytest.fixture
async def redis(servers: SentinelGroup) -> AsyncIterator[Redis]:
    async with Redis.from_url(f"redis://127.0.0.1:{servers.find_primary().port}/0") as client:
        await client.flushall()
        yield client


@pytest.fixture
async def open_process(servers: SentinelGroup, redis: Redis) -> AsyncIterator[OpenProcess]:
    async with processes(servers.url) as open_:
        yield open_


@pytest.fixture
async def state(open_process: OpenProcess) -> State:
    return await set_up(await open_process())


Copy = dict[bytes | str, tuple[bytes, int]]


async def copy_keys(redis: Redis) -> Copy:
    return {key: (await redis.dump(key) or b"", await redis.pttl(key)) for key in await redis.keys("*")}


async def go_back(redis: Redis, copy: Copy) -> None:
    """All keys become what they were, on a server with another history. This server keeps its history's id, so that
    before gets another name."""
    await redis.flushall()
    for key, (value, left_ms) in copy.items():
        await redis.restore(key, max(0, left_ms), value)
    before = new_id()
    await redis.set("parley:primary", before)
    saved = await redis.get(CHECKPOINT)
    if isinstance(saved, bytes):
        own = (await redis.info("replication"))["master_replid"]
        await redis.set(CHECKPOINT, saved.decode().replace(own, before))


def checkpoints_of(state: State) -> Checkpoints:
    assert state.checkpoints is not None
    return state.checkpoints


async def save_checkpoint(state: State, positions: LogPositions) -> None:
    await checkpoints_of(state).save({})
    await checkpoints_of(state).save(positions)


async def read_ends(bus: Bus) -> LogPositions:
    """As if every group had handled everything."""
    own = [name(channel) for channel in CHANNELS for name in (topics.inbound, topics.outbound)]
    return await bus.end_offsets([topics.STATE, topics.KEYS, topics.EVENTS, topics.DEADLETTER, *own])


async def rebuild_again(state: State, bus: Bus) -> RebuildReport:
    assert await state.rebuild.check() == ALL_SHARDS
    return await rebuild(
        bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=NOW, checkpoints=state.checkpoints
    )


async def begin_to_complete(state: State) -> None:
    shards = await state.rebuild.check()
    assert await checkpoints_of(state).load(shards) is not None
    await checkpoints_of(state).keep(shards)


@dataclass
class Lives:
    """Conversations that go on by chance."""

    state: State
    bus: Bus
    chance: random.Random
    lives: list[RecordedConversation] = field(default_factory=list)
    said: list[tuple[RecordedConversation, str]] = field(default_factory=list)
    sent: list[tuple[RecordedConversation, str]] = field(default_factory=list)

    async def go_on(self) -> None:
        steps = [self.arrive, self.talk, self.talk, self.ask, self.edit, self.deliver, self.read, self.claim, self.meet]
        await self.chance.choice(steps)()

    async def arrive(self) -> None:
        self.lives.append(await record_conversation(self.state, self.bus, f"visitor-{len(self.lives)}", turns=1))

    async def talk(self) -> None:
        life = self.chance.choice(self.lives)
        if (await self.owner(life)) == "agent":
            asked = await life.hear(f"question {new_id()}")
            reply = await life.answer([asked], "answer", publish=self.chance.random() < 0.9)
            self.said.append((life, asked))
            self.sent.append((life, reply))

    async def ask(self) -> None:
        """Without an answer so far."""
        life = self.chance.choice(self.lives)
        self.said.append((life, await life.hear(f"unanswered {new_id()}")))

    async def edit(self) -> None:
        if self.said:
            life, message = self.chance.choice(self.said)
            text = f"edited {new_id()}"
            change = MessageEdited(
                message_id=message, place=life.visitor, contact_id=life.contact, text=text, edited_at=NOW
            )
            await self.bus.append([build_envelope(topics.MESSAGE_EDITED, change, life.conversation, new_id())])
            await self.state.transcript.edit(life.conversation, message, text)

    async def deliver(self) -> None:
        if self.sent:
            life, reply = self.sent.pop(self.chance.randrange(len(self.sent)))
            await life.deliver(reply)

    async def read(self) -> None:
        life = self.chance.choice(self.lives)
        lines = [each for each in await self.state.transcript.read(life.conversation) if each.state == "sent"]
        if lines:
            seen = Receipt(state="read", message_id=lines[-1].id, at=NOW)
            await self.bus.append([build_envelope(topics.RECEIPT_RECORDED, seen, life.conversation, new_id())])
            await self.state.transcript.mark(life.conversation, [lines[-1].id], "read")

    async def claim(self) -> None:
        life = self.chance.choice(self.lives)
        found = await self.state.conversations.get(life.conversation)
        assert found is not None
        own = partial(self.state.conversations.own, life.conversation, expected_epoch=found.epoch, by="x", now=NOW)
        await own("person" if found.owner == "agent" else "agent", request_id=new_id())
        await life.save()

    async def meet(self) -> None:
        """The contact has another address too."""
        life = self.chance.choice(self.lives)
        addresses = [Address(channel="web", value=life.visitor), Address(channel="whatsapp", value=new_id())]
        contact, _ = await self.state.contacts.resolve(TENANT, "web", "main", life.visitor, addresses, now=NOW)
        await self.bus.append([contact_event(contact)])

    async def owner(self, life: RecordedConversation) -> str:
        found = await self.state.conversations.get(life.conversation)
        return "" if found is None else found.owner

    async def pictures(self) -> list[dict[str, Any]]:
        return [await life.picture() for life in self.lives]


@pytest.mark.parametrize("seed", range(12))
async def test_what_a_replica_lacks_comes_back_from_the_end_of_the_log(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus, seed: int
) -> None:
    chance = random.Random(seed)
    lives = Lives(state, bus, chance)
    await lives.arrive()
    for _ in range(chance.randrange(30)):
        await lives.go_on()
    await save_checkpoint(state, await read_ends(bus))
    for _ in range(chance.randrange(8)):
        await lives.go_on()
    copy = await copy_keys(redis)
    for _ in range(1 + chance.randrange(12)):
        await lives.go_on()
    before = await lives.pictures()
    await go_back(redis, copy)
    report = await rebuild_again(await open_process(), bus)
    assert report.is_partial
    assert await lives.pictures() == before


async def test_only_the_end_of_the_log_is_read(state: State, open_process: OpenProcess, redis: Redis, bus: Bus) -> None:
    lives = [await record_conversation(state, bus, f"visitor-{n}") for n in range(20)]
    await save_checkpoint(state, await read_ends(bus))
    copy = await copy_keys(redis)
    last = await record_conversation(state, bus, "last")
    before = [await life.picture() for life in (*lives, last)]
    await go_back(redis, copy)
    report = await rebuild_again(await open_process(), bus)
    assert (report.is_partial, report.conversations, report.messages) == (True, 1, 4)
    assert [await life.picture() for life in (*lives, last)] == before


async def test_records_that_no_group_has_handled_are_behind_the_positions(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    """The line of a message may be lost although the message was on the log long before."""
    life = await record_conversation(state, bus, "visitor")
    copy = await copy_keys(redis)
    asked = await life.hear("another")
    await go_back(redis, copy)
    newcomer = await open_process()
    await rebuild_again(newcomer, bus)
    assert await newcomer.transcript.find(life.conversation, asked) is not None
    positions = await read_positions(bus, CHANNELS)
    assert not any(positions[topics.inbound("web")].values())
    assert any(positions[topics.STATE].values())


async def test_without_a_checkpoint_the_whole_log_is_read(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    life = await record_conversation(state, bus, "visitor")
    before = await life.picture()
    await go_back(redis, await copy_keys(redis))
    report = await rebuild_again(await open_process(), bus)
    assert (report.is_partial, report.conversations) == (False, 1)
    assert await life.picture() == before


async def test_shards_that_were_emptied_need_the_whole_log(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    """Also if the server was replaced again before they were filled."""
    life = await record_conversation(state, bus, "visitor")
    before = await life.picture()
    await save_checkpoint(state, await read_ends(bus))
    await go_back(redis, await copy_keys(redis))
    second = await open_process()
    await second.rebuild.prepare(ALL_SHARDS)
    await go_back(redis, await copy_keys(redis))
    report = await rebuild_again(await open_process(), bus)
    assert (report.is_partial, report.conversations) == (False, 1)
    assert await life.picture() == before


async def test_a_rebuild_that_kept_the_rows_may_be_broken_off(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    life = await record_conversation(state, bus, "visitor")
    await save_checkpoint(state, await read_ends(bus))
    copy = await copy_keys(redis)
    await life.answer([await life.hear("another")], "answer")
    before = await life.picture()
    await go_back(redis, copy)
    await begin_to_complete(await open_process())
    report = await rebuild_again(await open_process(), bus)
    assert report.is_partial
    assert await life.picture() == before


async def test_a_checkpoint_counts_until_there_is_another(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    """Also if one replica after the other takes over before there is."""
    life = await record_conversation(state, bus, "visitor")
    await save_checkpoint(state, await read_ends(bus))
    for n in range(3):
        copy = await copy_keys(redis)
        await life.answer([await life.hear(f"another {n}")], "answer")
        before = await life.picture()
        await go_back(redis, copy)
        newcomer = await open_process()
        report = await rebuild_again(newcomer, bus)
        assert (report.is_partial, report.messages) == (True, 2 * (n + 1))
        life.state = newcomer
        assert await life.picture() == before


async def test_a_checkpoint_of_another_server_does_not_count(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    """A shard that came from elsewhere may lack more than what that checkpoint tells."""
    life = await record_conversation(state, bus, "visitor")
    await save_checkpoint(state, await read_ends(bus))
    before = await life.picture()
    await go_back(redis, await copy_keys(redis))
    await redis.set("parley:primary", "elsewhere")
    report = await rebuild_again(await open_process(), bus)
    assert not report.is_partial
    assert await life.picture() == before


async def test_no_checkpoint_is_saved_of_a_state_that_went_back(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    """Its positions would be behind what it lacks."""
    life = await record_conversation(state, bus, "visitor")
    await save_checkpoint(state, await read_ends(bus))
    copy = await copy_keys(redis)
    await life.answer([await life.hear("another")], "answer")
    before = await life.picture()
    await checkpoints_of(state).save({})
    await go_back(redis, copy)
    newcomer = await open_process()
    assert await newcomer.rebuild.check() == ALL_SHARDS
    for process in (state, newcomer):
        await save_checkpoint(process, await read_ends(bus))
    report = await rebuild_again(newcomer, bus)
    assert report.is_partial
    assert await life.picture() == before


async def test_the_state_of_somebody_who_was_erased_does_not_come_back(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    life = await record_conversation(state, bus, "visitor")
    other = await record_conversation(state, bus, "other")
    await save_checkpoint(state, await read_ends(bus))
    copy = await copy_keys(redis)
    erased = partial(envelope, payload=None, time=NOW, source=topics.ERASURE, tenant=TENANT)
    await bus.append([erased(topics.CONVERSATION_SNAPSHOT, id=new_id(), conversation=life.conversation)])
    await go_back(redis, copy)
    newcomer = await open_process()
    report = await rebuild_again(newcomer, bus)
    assert not report.is_partial
    assert await newcomer.conversations.get(life.conversation) is None
    assert await newcomer.conversations.get(other.conversation) is not None


async def test_a_key_that_was_erased_stays_so(state: State, open_process: OpenProcess, redis: Redis, bus: Bus) -> None:
    known = ContactKey(tenant=TENANT, contact_id=new_id(), wrapped="c2VjcmV0", key_id="first", created_at=NOW)
    build = partial(envelope, topics.CONTACT_KEY, time=NOW, source="test", tenant=TENANT, subject=known.contact_id)
    await state.contact_keys.put(known)
    await bus.append([build(known, id=new_id())])
    await save_checkpoint(state, await read_ends(bus))
    copy = await copy_keys(redis)
    await bus.append([build(await state.contact_keys.put(known.erase(NOW)), id=new_id())])
    await go_back(redis, copy)
    newcomer = await open_process()
    report = await rebuild_again(newcomer, bus)
    assert report.is_partial
    assert await newcomer.contact_keys.get(TENANT, known.contact_id) == known.erase(NOW)


async def test_nobody_works_on_a_state_that_is_being_completed(
    state: State, open_process: OpenProcess, redis: Redis, bus: Bus
) -> None:
    life = await record_conversation(state, bus, "visitor")
    await save_checkpoint(state, await read_ends(bus))
    await go_back(redis, await copy_keys(redis))
    newcomer = await open_process()
    await begin_to_complete(newcomer)
    with pytest.raises(StateLost):
        await newcomer.conversations.begin(life.conversation, life.origin(), [new_id()], now=later())
