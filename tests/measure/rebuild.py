"""Measures how long it takes to rebuild an emptied Redis from the log, and then to complete a replica that Sentinel
promotes, with real servers.

python -m tests.measure.rebuild [conversations] [--profile]

Each conversation has a contact, a question, an answer, its turn, its delivery and a snapshot on the log: six records.
A hundredth of them comes after the checkpoint. Prints, asserts nothing.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from infra.bus.kafka import KafkaBus
from infra.bus.kafka.profile import KafkaProfile
from infra.bus.partitioner import SHARDS
from infra.deploy.local_kafka import LocalKafka
from infra.state.rebuild import rebuild
from infra.state.recovery import GRACE
from infra.state.redis.engine import open_redis_state
from schemas import ids, topics
from schemas.conversation import (
    Contact,
    Conversation,
    DeliveryOutcome,
    Facts,
    HandledId,
    Origin,
    Snapshot,
    TranscriptNumber,
    Turn,
)
from schemas.envelope import Envelope, envelope
from schemas.errors import StateUnavailable
from schemas.messages import Address, Author, InboundMessage, OutboundMessage
from schemas.ports import Bus, State
from tests.harness.sentinel import SentinelGroup

TENANT = "plantstore"
NOW = datetime.now(UTC)
AT_ONCE = 1_500


def life(place: str) -> Iterator[Envelope]:
    """All that one short conversation leaves on the log, in its order."""
    conversation = ids.conversation_id(TENANT, "web", "main", place)
    contact = Contact(
        id=ids.contact_id(TENANT, "web", place),
        tenant=TENANT,
        addresses=[Address(channel="web", value=place)],
        conversations={"web:main": conversation},
        created_at=NOW,
    )
    said = InboundMessage(
        id=ids.event_id(TENANT, "web", "main", place, "1", "message.received"),
        external_id="1",
        place=place,
        contact_id=contact.id,
        text="Do you add a heat pack in winter? My parcel is to arrive before the weekend.",
        sent_at=NOW,
    )
    turn = ids.turn_id(conversation, [said.id])
    reply = OutboundMessage(
        id=ids.reply_id(turn, 0),
        author=Author(kind="agent", name="Assistant"),
        text="In winter we add a heat pack to every parcel with tropical plants for 4.50 euro.",
        place=place,
        contact_id=contact.id,
        turn_id=turn,
        created_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )

    def event(kind: str, payload: object, id_: str, **more: str) -> Envelope:
        return envelope(
            kind,
            payload,  # type: ignore[arg-type]
            id=id_,
            time=NOW,
            source="/measure",
            tenant=TENANT,
            channel="web",
            account="main",
            **({"conversation": conversation} | more),
        )

    yield event(topics.CONTACT_SNAPSHOT, contact, contact.id, conversation="", subject=f"contact:{contact.id}")
    yield event(topics.MESSAGE_RECEIVED, said, said.id)
    yield event(topics.CONVERSATION_SNAPSHOT, snapshot(conversation, place, contact.id, said.id, reply.id, turn), turn)
    yield event(topics.MESSAGE_SEND, reply, reply.id)
    yield event(topics.TURN_COMPLETED, Turn(id=turn, handled=[said.id], route="answer", replies=[reply], at=NOW), turn)
    yield event(topics.DELIVERY_RECORDED, DeliveryOutcome(message_id=reply.id, state="sent", seq=2, at=NOW), reply.id)


def snapshot(conversation: str, place: str, contact: str, said: str, reply: str, turn: str) -> Snapshot:
    state = Conversation(
        id=conversation,
        origin=Origin(tenant=TENANT, channel="web", account="main", place=place, contact_id=contact),
        version=1,
        head_seq=2,
        created_at=NOW,
        updated_at=NOW,
        facts=Facts(turns=1, last_turn_id=turn, last_route="local"),
    )
    recent = [TranscriptNumber(id=said, seq=1), TranscriptNumber(id=reply, seq=2)]
    return Snapshot(conversation=state, handled=[HandledId(id=said, at=NOW)], recent=recent)


async def fill(bus: Bus, conversations: range) -> None:
    waiting: list[Envelope] = []
    for n in conversations:
        waiting += life(f"visitor-{n}")
        if len(waiting) >= AT_ONCE:
            await bus.append(waiting)
            waiting = []
    if waiting:
        await bus.append(waiting)


async def rebuild_all(bus: Bus, state: State, what: str) -> None:
    begun, worked = time.perf_counter(), time.process_time()
    report = await rebuild(
        bus,
        state.rebuild,
        frozenset(range(SHARDS)),
        channels=["web"],
        grace=GRACE,
        now=datetime.now(UTC),
        checkpoints=state.checkpoints,
    )
    print(report)
    took, processor = time.perf_counter() - begun, time.process_time() - worked
    print(f"{what} in {took:.1f} s, {processor:.1f} s of processor time", flush=True)


async def main(conversations: int, profiled: bool) -> None:
    with LocalKafka(bench=True) as kafka, SentinelGroup() as servers:
        bus = KafkaBus(kafka.bootstrap, profile=KafkaProfile(append_deadline=60.0))
        await bus.start()
        await bus.create_topics(topics.topic_specs(["web"], partitions=24))
        begun = time.perf_counter()
        await fill(bus, range(conversations))
        print(f"{6 * conversations:,} records appended in {time.perf_counter() - begun:.1f} s", flush=True)
        state = await open_redis_state(servers.url)
        profile = cProfile.Profile()
        with profile if profiled else nullcontext():
            await rebuild_all(bus, state, "rebuilt")
        assert state.checkpoints is not None
        ends = await bus.end_offsets([*await bus.describe_topics()])
        await state.checkpoints.save({})
        await state.checkpoints.save(ends)
        await fill(bus, range(conversations, conversations + conversations // 100))
        await asyncio.to_thread(servers.wait_until_synchronized)
        before = servers.find_primary()
        servers.start_failover()
        await asyncio.to_thread(servers.wait_for_failover, before)
        while not await is_lost(state):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.1)
        await rebuild_all(bus, state, "completed after a failover")
        await state.close()
        await bus.close()
    if profiled:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)


async def is_lost(state: State) -> bool:
    try:
        return bool(await state.rebuild.check())
    except StateUnavailable:
        return False


if __name__ == "__main__":
    numbers = [argument for argument in sys.argv[1:] if argument.isdecimal()]
    asyncio.run(main(int(numbers[0]) if numbers else 100_000, "--profile" in sys.argv))
