"""Words said by, to or about a contact are sealed on the log, and gone with the contact's key; the same on SQLite and
on Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from infra.bus.lanes import Lanes
from infra.bus.sealed_bus import EventSealer, SealedBus
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.conversation import Contact, Origin
from schemas.envelope import Envelope, envelope
from schemas.errors import StateUnavailable
from schemas.messages import Author, InboundMessage, OutboundMessage
from schemas.ports import Batch, Bus, Record, State
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.key_service import CACHE_LIFETIME, KEPT_AT_LEAST, ContactKeyService
from tests.contracts.bus.engines import PARTITIONS, WEB, OpenBus

pytestmark = pytest.mark.parametrize(
    "open_bus", ["sqlite", pytest.param("kafka", marks=pytest.mark.scaled)], indirect=True
)
TENANT, CANARY = "bakery", "canary of ada 4711"
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


class Keys:
    """The keys of a state store, which may be out of reach."""

    def __init__(self, state: State) -> None:
        self._keys = state.contact_keys
        self.is_down = False
        self.was_refused = asyncio.Event()

    async def get(self, tenant: str, contact: str) -> ContactKey | None:
        if self.is_down:
            self.was_refused.set()
            raise StateUnavailable("the store is down")
        return await self._keys.get(tenant, contact)

    async def get_each(self, owners: Sequence[tuple[str, str]]) -> Sequence[ContactKey | None]:
        return [await self.get(*owner) for owner in owners]

    async def put(self, key: ContactKey) -> ContactKey:
        return await self._keys.put(key)

    async def remove(self, key: ContactKey) -> bool:
        return await self._keys.remove(key)


@dataclass
class Installation:
    """A log, and the processes that write and read it sealed."""

    log: Bus
    state: State
    keys: Keys
    now: datetime = NOW
    handled: list[Record] = field(default_factory=list)

    def open_process(self) -> SealedBus:
        return SealedBus(self.log, EventSealer(self.open_keys(), self.state.conversations.get))

    def open_keys(self) -> ContactKeyService:
        return ContactKeyService(
            bus=self.log, keys=self.keys, derive_secrets=lambda: [b"1" * 32], clock=lambda: self.now
        )

    async def read(self, topic: str = WEB) -> list[Record]:
        return [record async for record in await self.open_process().read(topic)]

    async def read_raw(self, topic: str = WEB) -> list[Record]:
        return [record async for record in await self.log.read(topic)]


@pytest.fixture
async def installation(open_bus: OpenBus, tmp_path: Path) -> AsyncIterator[Installation]:
    database = Database.open(tmp_path / "state.db")
    state = open_sqlite_state(database)
    async with open_bus() as log:
        await log.create_topics(topics.topic_specs(["web"], partitions=PARTITIONS, small=PARTITIONS))
        yield Installation(log, state, Keys(state))
    await state.close()
    await database.close()


def message(contact: str, conversation: str, text: str = CANARY, *, sent_at: datetime = NOW) -> Envelope:
    said = InboundMessage(id=str(uuid4()), external_id="x", place="p", contact_id=contact, text=text, sent_at=sent_at)
    return wrap(topics.MESSAGE_RECEIVED, said, conversation)


def reply(contact: str, conversation: str) -> Envelope:
    agent = Author(kind="agent")
    sent = OutboundMessage(
        id=str(uuid4()), author=agent, text=CANARY, place="p", contact_id=contact, created_at=NOW, expires_at=NOW
    )
    return wrap(topics.MESSAGE_SEND, sent, conversation)


def wrap(kind: str, payload: InboundMessage | OutboundMessage | bytes, conversation: str) -> Envelope:
    return envelope(
        kind, payload, id=str(uuid4()), time=NOW, source="test", tenant=TENANT, channel="web", conversation=conversation
    )


def texts(records: list[Record]) -> list[str]:
    return [Envelope.from_wire(record.headers, record.value).payload(InboundMessage).text for record in records]


async def test_text_is_sealed_on_the_log_and_read_as_it_was(installation: Installation) -> None:
    event = message("ada", "c1")
    await installation.open_process().append([event, reply("ada", "c1")])
    for topic in (WEB, topics.outbound("web")):
        (raw,) = await installation.read_raw(topic)
        assert CANARY.encode() not in (raw.value or b"") + repr(raw.headers).encode()
        assert raw.headers["ce_conversation"] == "c1"
    (record,) = await installation.read()
    assert (record.value, dict(record.headers)) == (event.data, dict(event.headers()))


async def test_an_event_that_names_nobody_belongs_to_who_began_its_conversation(installation: Installation) -> None:
    origin = Origin(tenant=TENANT, channel="web", account="main", place="p", contact_id="ada")
    await installation.state.conversations.open("c1", origin, now=NOW)
    turn = wrap(topics.TURN_RECORDED, b'{"text":"%s"}' % CANARY.encode(), "c1")
    await installation.open_process().append([turn])
    (raw,) = await installation.read_raw(topics.EVENTS)
    assert raw.headers["ce_contact"] == "ada"
    assert CANARY.encode() not in (raw.value or b"")
    assert [record.value for record in await installation.read(topics.EVENTS)] == [turn.data]


async def test_what_an_earlier_release_wrote_stays_readable(installation: Installation) -> None:
    await installation.log.append([message("ada", "c1", "plain")])
    await installation.open_process().append([message("ada", "c1", "sealed")])
    assert texts(await installation.read()) == ["plain", "sealed"]


async def test_messages_of_a_new_contact_stay_in_order(installation: Installation) -> None:
    process, spoken = installation.open_process(), [f"line {n}" for n in range(30)]
    await process.append([message("bob", "c0", "first")])  # no order before Kafka knows the topic
    await asyncio.gather(*(process.append([message("ada", "c1", text)]) for text in spoken))
    assert texts([record for record in await installation.read() if record.key == "c1"]) == spoken


async def test_an_erased_contact_is_left_out_and_the_others_stay(installation: Installation) -> None:
    process = installation.open_process()
    await process.append([message("ada", "c1"), message("bob", "c2", "hello")])
    snapshot = Contact(id="ada", tenant=TENANT, name=CANARY, created_at=NOW)
    subject = {"subject": "contact:ada", "source": "test", "tenant": TENANT}
    await process.append([envelope(topics.CONTACT_SNAPSHOT, snapshot, id="s", time=NOW, **subject)])
    await installation.open_keys().erase(TENANT, "ada")
    assert texts(await installation.read()) == ["hello"]
    assert await installation.read(topics.STATE) == []


async def test_a_record_is_left_out_if_retention_may_have_removed_its_key(installation: Installation) -> None:
    await installation.open_process().append([message("ada", "c1")])
    key = await installation.keys.get(TENANT, "ada")
    assert key is not None
    await installation.keys.remove(key)
    (written,) = await installation.read_raw()
    installation.now = datetime.fromtimestamp(written.timestamp_ms / 1000, UTC) + KEPT_AT_LEAST
    assert [record.value for record in await installation.read()] == [written.value], "its key is missing by mistake"
    installation.now += timedelta(seconds=1)
    assert await installation.read() == []


async def test_a_redelivery_after_an_erasure_brings_nothing_back(installation: Installation) -> None:
    await installation.open_process().append([message("ada", "c1")])
    installation.now += timedelta(minutes=1)
    await installation.open_keys().erase(TENANT, "ada")
    for event in (message("ada", "c1"), reply("ada", "c1")):
        await installation.open_process().append([event])
    assert await installation.read() == await installation.read(topics.outbound("web")) == []
    raw = [*await installation.read_raw(), *await installation.read_raw(topics.outbound("web"))]
    assert [len(record.value or b"") for record in raw][1:] == [1, 1], "not even a sealed text is kept"


async def test_somebody_who_writes_again_after_an_erasure_is_heard(installation: Installation) -> None:
    await installation.open_process().append([message("ada", "c1", "before")])
    await installation.open_keys().erase(TENANT, "ada")
    installation.now += timedelta(minutes=1)
    process, later = installation.open_process(), installation.now
    await process.append([reply("ada", "c1"), message("ada", "c1", "after", sent_at=later)])
    assert texts(await installation.read()) == ["after"]
    assert len(await installation.read(topics.outbound("web"))) == 1


async def test_another_process_opens_the_next_generation_at_once(installation: Installation) -> None:
    reader = installation.open_process()
    await installation.open_process().append([message("ada", "c1", "before")])
    assert texts([record async for record in await reader.read(WEB)]) == ["before"]
    await installation.open_keys().erase(TENANT, "ada")
    after = message("ada", "c1", "after", sent_at=NOW + timedelta(seconds=1))
    await installation.open_process().append([after])
    assert texts([record async for record in await reader.read(WEB)])[-1:] == ["after"]


async def test_a_sealed_payload_cannot_be_moved_to_another_event(installation: Installation) -> None:
    await installation.open_process().append([message("ada", "c1")])
    (raw,) = await installation.read_raw()
    moved = replace(message("ada", "c2"), data=raw.value, extra=_seal_headers(raw))
    await installation.log.append([moved])
    assert [record.value for record in await installation.read() if record.key == "c2"] == [raw.value]


def _seal_headers(record: Record) -> dict[str, str]:
    return {name: record.headers[name] for name in ("content-type", "ce_contact", "ce_keygeneration")}


async def test_lanes_finish_records_of_an_erased_contact_without_handling_them(installation: Installation) -> None:
    process = installation.open_process()
    await process.append([message("ada", f"c{n}") for n in range(9)])
    await process.append([message("bob", "c1", "hello")])
    await installation.open_keys().erase(TENANT, "ada")
    await _consume(installation, installation.open_process())
    assert texts(installation.handled) == ["hello"]


async def test_records_wait_while_their_key_is_out_of_reach(installation: Installation) -> None:
    await installation.open_process().append([message("ada", f"c{n}", f"line {n}") for n in range(9)])
    installation.keys.is_down = True
    consuming = asyncio.create_task(_consume(installation, installation.open_process()))
    for _ in range(2):  # and again after the pause that follows a failed poll
        installation.keys.was_refused.clear()
        async with asyncio.timeout(60):
            await installation.keys.was_refused.wait()
    assert installation.handled == []
    installation.keys.is_down = False
    await consuming
    assert sorted(texts(installation.handled)) == [f"line {n}" for n in range(9)]


async def test_a_process_stops_reading_within_the_lifetime_of_its_memory(installation: Installation) -> None:
    reader = installation.open_process()
    await installation.open_process().append([message("ada", "c1")])
    assert len([record async for record in await reader.read(WEB)]) == 1
    await installation.open_keys().erase(TENANT, "ada")
    installation.now += CACHE_LIFETIME
    assert [record async for record in await reader.read(WEB)] == []


async def _consume(installation: Installation, process: SealedBus) -> None:
    """Handle the inbound topic until nothing of it is left."""

    async def handle(batch: Batch) -> None:
        installation.handled += batch.records

    async def give_up(conversation: str, records: object, error: Exception, attempts: int) -> None:
        raise AssertionError(f"{conversation}: {error} ({attempts})")

    lanes = Lanes(process, installation.state.parking, clock=lambda: datetime.now(UTC))
    running = asyncio.create_task(lanes.run([WEB], "parley.worker.web", handle, give_up))
    try:
        async with asyncio.timeout(60):
            while any((await process.lag("parley.worker.web", [WEB])).values()):
                assert not running.done(), running.exception()
                await asyncio.sleep(0.05)
    finally:
        lanes.stop()
        with suppress(asyncio.CancelledError):
            await running
