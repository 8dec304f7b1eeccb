"""A bus on which everything about a contact is sealed under that contact's key, over any other bus."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from schemas.conversation import Conversation
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, Unavailable
from schemas.ports import (
    Bus,
    Follower,
    Position,
    RebalanceListener,
    Record,
    Subscription,
    TopicPartition,
)
from schemas.privacy import sealed_events
from schemas.privacy.key_service import ContactKeyService, Owner, UnwrappedKey
from schemas.privacy.sealed_events import Seal
from schemas.topics import TopicSpec, key_of

LoadConversation = Callable[[str], Awaitable[Conversation | None]]
MAX_CONVERSATIONS = 50_000
"""Conversations whose contact a process remembers: about 15 MB."""


class EventSealer:
    """Finds the contact of each event, and seals it under that contact's key. ``load_conversation`` asks the state
    store. Where not ``is_sealing``, events stay plain, and only what was sealed before is opened."""

    def __init__(
        self, keys: ContactKeyService, load_conversation: LoadConversation, *, is_sealing: bool = True
    ) -> None:
        self.keys = keys
        self._is_sealing = is_sealing
        self._load_conversation = load_conversation
        self._contacts: OrderedDict[str, str] = OrderedDict()

    def remember(self, conversation: str, contact: str) -> None:
        """Note that a conversation was begun by this contact."""
        self._contacts[conversation] = contact
        self._contacts.move_to_end(conversation)
        if len(self._contacts) > MAX_CONVERSATIONS:
            self._contacts.popitem(last=False)

    def find_contact(self, event: Envelope) -> str | None:
        """The contact whom an event is about; None if the state store has to be asked."""
        if contact := sealed_events.find_contact(event):
            return contact
        return self._contacts.get(event.conversation) if event.conversation else ""

    def seal_now(self, events: Sequence[Envelope]) -> list[Envelope] | None:
        """Seal with what this process remembers; None if that is not enough."""
        if not self._is_sealing:
            return list(events)
        sealed = []
        keys: dict[Owner, UnwrappedKey | None] = {}
        for event in events:
            contact = sealed_events.find_sealed_contact(event)
            if contact is None and sealed_events.is_sealable(event):
                contact = self.find_contact(event)
                if contact is None:
                    return None
            if contact:
                place = event.tenant, contact
                if place not in keys:
                    keys[place] = self.keys.get_usable(*place)
                key = keys[place]
                if key is None:
                    return None
                event = sealed_events.seal_event(event, contact, key)
            sealed.append(event)
        return sealed

    async def seal(self, events: Sequence[Envelope]) -> list[Envelope]:
        """Seal the events. Raises Unavailable when a key cannot be read or made."""
        owners = [await self._load_contact(event) if sealed_events.is_sealable(event) else "" for event in events]
        keys: dict[Owner, UnwrappedKey] = {}
        # Messages first: they may begin another generation, under which the rest is sealed, too.
        for event, contact in sorted(zip(events, owners, strict=True), key=lambda each: _said_last(each[0])):
            if contact:
                said_at = sealed_events.find_said_at(event)
                place = event.tenant, contact
                if place not in keys or (keys[place].is_erased and said_at is not None):
                    keys[place] = await self.keys.get_or_create(*place, said_at=said_at)
        return [
            sealed_events.seal_event(event, contact, keys[event.tenant, contact]) if contact else event
            for event, contact in zip(events, owners, strict=True)
        ]

    async def _load_contact(self, event: Envelope) -> str:
        contact = self.find_contact(event)
        return await self.load_contact(event.conversation) if contact is None else contact

    async def load_contact(self, conversation: str) -> str:
        """The contact who began a conversation; "" if the state store does not know it."""
        contact = self._contacts.get(conversation, "")
        if not contact:
            known = await self._load_conversation(conversation)
            contact = known.origin.contact_id if known is not None else ""
            if contact:
                self.remember(conversation, contact)
        return contact


class SealedBus:
    """See ``schemas.ports.Bus``. Appends raise BusUnavailable also when a key is out of reach, and so do reads."""

    def __init__(self, bus: Bus, sealer: EventSealer) -> None:
        self._bus = bus
        self._sealer = sealer
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self.atomic = bus.atomic

    @property
    def log(self) -> Bus:
        """The log below, where what contacts said is sealed."""
        return self._bus

    async def check_ready(self) -> None:
        await self._bus.check_ready()

    async def append(self, envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
        sealed = None
        if not self._waiting or self._waiting.keys().isdisjoint(map(key_of, envelopes)):
            sealed = self._sealer.seal_now(envelopes)
        if sealed is None:
            return await self._append_in_order(envelopes, topic)
        return await self._bus.append(sealed, topic=topic)

    async def _append_in_order(self, envelopes: Sequence[Envelope], topic: str | None) -> list[Position]:
        """Append after the earlier appends with the same keys that wait for the key of a contact."""
        keys, done = {key_of(event) for event in envelopes}, asyncio.get_running_loop().create_future()
        earlier = {self._waiting[key] for key in keys if key in self._waiting}
        self._waiting |= dict.fromkeys(keys, done)
        try:
            if earlier:
                await asyncio.wait(earlier)
            with _KeyFailures():
                sealed = await self._sealer.seal(envelopes)
        finally:
            # Whoever waits for this goes on in the loop's next turn, when the records below were handed over.
            for key in keys:
                if self._waiting.get(key) is done:
                    del self._waiting[key]
            done.set_result(None)
        return await self._bus.append(sealed, topic=topic)

    async def subscribe(
        self, topics: Sequence[str], group: str, listener: RebalanceListener, *, member: str = ""
    ) -> Subscription:
        opened = _SealedSubscription(self._sealer.keys, listener)
        opened.inner = await self._bus.subscribe(topics, group, opened, member=member)
        return opened

    async def follow(self, topic: str) -> Follower:
        return _SealedFollower(await self._bus.follow(topic), self._sealer.keys)

    async def read(
        self, topic: str, *, since: Mapping[int, int] | None = None, keys: Callable[[str], bool] | None = None
    ) -> AsyncIterator[Record]:
        """Records of somebody who was erased are left out."""
        return _open_each(await self._bus.read(topic, since=since, keys=keys), self._sealer.keys)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        return await self._bus.lag(group, topics)

    async def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        return await self._bus.committed_offsets(group, topic)

    async def end_offsets(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        return await self._bus.end_offsets(topics)

    async def create_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        return await self._bus.create_topics(specs)

    async def describe_topics(self) -> dict[str, int]:
        return await self._bus.describe_topics()


class _SealedSubscription:
    """Opens what it reads. Records that wait for a key are kept and returned by a later poll, unless their partition
    goes first."""

    inner: Subscription

    def __init__(self, keys: ContactKeyService, listener: RebalanceListener) -> None:
        self._keys = keys
        self._listener = listener
        self._fetched: list[Record] = []
        self._paused: set[TopicPartition] = set()

    async def poll(self, *, max_records: int, timeout: float) -> list[Record]:
        if all(record.source in self._paused for record in self._fetched):
            self._fetched += await self.inner.poll(max_records=max_records, timeout=timeout)
        with _KeyFailures():
            seals = [sealed_events.read_seal(record) for record in self._fetched]
            wanted = {seal[:2]: 1 for seal in seals if seal is not None}
            keys = await self._keys.get_each(wanted) if wanted else {}
            opened = [
                (record, _open_now(keys, record, seal) or await _open(self._keys, record, seal))
                for record, seal in zip(self._fetched, seals, strict=True)
            ]
        # A partition may have been paused or taken away meanwhile.
        held = {id(record) for record in self._fetched if record.source not in self._paused}
        self._fetched = [record for record in self._fetched if id(record) not in held]
        return [plain for record, plain in opened if id(record) in held]

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        await self.inner.commit(offsets)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        stopped = set(partitions)
        self._paused |= stopped
        self.inner.pause(stopped)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        resumed = set(partitions)
        self._paused -= resumed
        self.inner.resume(resumed)

    async def close(self) -> None:
        await self.inner.close()

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self._fetched = [record for record in self._fetched if record.source not in partitions]
        await self._listener.on_revoked(partitions)

    async def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self._fetched = [record for record in self._fetched if record.source in partitions]
        self._paused.clear()
        await self._listener.on_assigned(partitions)


class _SealedFollower:
    def __init__(self, inner: Follower, keys: ContactKeyService) -> None:
        self._inner = inner
        self._keys = keys
        self.caught_up = inner.caught_up

    def records(self) -> AsyncIterator[Record]:
        return _open_each(self._inner.records(), self._keys)

    async def close(self) -> None:
        await self._inner.close()


class _KeyFailures:
    """Turns the failure to read a key into that of the bus, which all callers expect."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Unavailable) and not isinstance(error, BusUnavailable):
            raise BusUnavailable(error.message, fix=error.fix, retry_after_ms=error.retry_after_ms or 1000) from error


async def _open_each(records: AsyncIterator[Record], keys: ContactKeyService) -> AsyncIterator[Record]:
    async for record in records:
        with _KeyFailures():
            opened = await _open(keys, record, sealed_events.read_seal(record))
        if not sealed_events.is_erased(opened):
            yield opened


def _open_now(keys: Mapping[Owner, UnwrappedKey | None], record: Record, seal: Seal | None) -> Record | None:
    """Do as ``_open`` with keys that were just read; None without the one that is needed."""
    if seal is None:
        return record
    key = keys[seal[:2]]
    return None if key is None or key.generation < seal[2] else sealed_events.open_record(record, key, seal)


async def _open(keys: ContactKeyService, record: Record, seal: Seal | None) -> Record:
    if seal is None:
        return record
    tenant, contact, generation = seal
    key = keys.get_cached(tenant, contact)
    if key is None or key.generation < generation:
        key = await keys.get(tenant, contact, least=generation, made_at=_find_time(record))
    if key is None and keys.may_be_removed(_find_time(record)):
        return sealed_events.forget_record(record)
    return sealed_events.open_record(record, key, seal)


def _find_time(record: Record) -> datetime:
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)


def _said_last(event: Envelope) -> float:
    """Sorts the newest words of contacts first, and everything else behind them."""
    said_at = sealed_events.find_said_at(event)
    return -said_at.timestamp() if said_at is not None else 0.0
