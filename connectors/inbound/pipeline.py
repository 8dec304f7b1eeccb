"""The inbound pipeline, the same for every channel: resolve, append, and only then acknowledge.

Nothing is deduplicated before the append: the log may hold duplicates, which the event id makes one. The only exception
is a message that the transcript already holds, because it was appended before it got there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any
from weakref import WeakValueDictionary

from connectors import conversation_signals
from connectors.inbound import display_names
from connectors.inbound.caches import ContactCache, ConversationCache
from connectors.inbound.contact_snapshots import ContactSnapshots
from connectors.inbound.envelopes import (
    PendingEvent,
    build_contact_change,
    build_origin,
    build_pending_event,
    has_same_content,
    mask_event,
)
from connectors.inbound.filters import EchoFilter, ErasureFilter, RoomFilter
from connectors.inbound.long_texts import cut_long_text
from connectors.inbound.reply_references import ReferenceResolver, ResolvedContact, has_reference, restore_place
from connectors.inbound.vendor_times import clamp_times
from schemas import topics
from schemas.errors import IdReused
from schemas.messages import TranscriptMessage
from schemas.ports import (
    Account,
    Blobs,
    Bus,
    ChannelEvent,
    Clock,
    ContactKeys,
    Contacts,
    Conversations,
    Deliveries,
    DeskInbound,
    Metrics,
    Signals,
    Transcript,
)
from schemas.privacy.cards import OwnNumbers, is_costly
from schemas.privacy.key_service import ContactKeyService
from schemas.runtime import tracing
from schemas.runtime.crash_points import reach

AT_ONCE = 64
"""Contacts of one webhook that are looked up, or created, at the same time."""


@dataclass(slots=True)
class AcceptedEvent:
    """An event that is on the log. ``seq`` is its transcript number where the edge keeps the transcript, else 0."""

    event_id: str
    conversation: str
    seq: int = 0


class InboundPipeline:
    """Accepts events of any channel. ``transcript_channels``: channels without a vendor, whose transcript the edge
    writes itself, because it is what the contact sees. ``profiled_channels``: channels whose vendor is asked for names.
    ``own_numbers``: by tenant, the numbers that are no payment cards. ``desk``: takes what people do at the desk.
    ``blobs``: stores texts that are too long for a message. ``contact_keys``: tell who was erased, so that a redelivery
    brings nothing back; ``key_service``: seals who writes again."""

    def __init__(
        self,
        *,
        bus: Bus,
        contacts: Contacts,
        conversations: Conversations,
        transcript: Transcript,
        signals: Signals,
        metrics: Metrics,
        clock: Clock,
        deliveries: Deliveries,
        transcript_channels: frozenset[str] = frozenset(),
        profiled_channels: frozenset[str] = frozenset(),
        own_numbers: Mapping[str, OwnNumbers | None] = MappingProxyType({}),
        desk: DeskInbound | None = None,
        blobs: Blobs | None = None,
        contact_keys: ContactKeys | None = None,
        key_service: ContactKeyService | None = None,
    ) -> None:
        self._bus = bus
        self._contacts = ContactCache(contacts, profiled_channels)
        self._transcript = transcript
        self._signals = signals
        self._metrics = metrics
        self._clock = clock
        self._transcript_channels = transcript_channels
        self._own_numbers = own_numbers
        self._desk = desk
        self._blobs = blobs
        self._snapshots = ContactSnapshots()
        self._open_conversations = ConversationCache(conversations, clock)
        self._echo_filter = EchoFilter(deliveries, clock)
        self._erasure_filter = ErasureFilter(contact_keys, key_service)
        self._references = ReferenceResolver(deliveries, conversations, transcript)
        self._room_filter = RoomFilter(conversations, contacts, deliveries, transcript, clock)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.pending_calls = 0
        """Calls of ``accept`` that have not ended."""

    async def accept(
        self, account: Account, events: Sequence[ChannelEvent], *, admit: Callable[[], Awaitable[None]] | None = None
    ) -> list[AcceptedEvent]:
        """Append the events durably; when this returns they are accepted. Order is kept within a conversation. Echoes
        of messages that we sent are left out.

        ``admit`` is awaited once before the append, unless all events are known repeats; it may refuse by raising.

        Raises InvalidRequest (a payload that does not fit its type), IdReused (the same message id with another body,
        nothing appended), BusUnavailable or StateUnavailable (the caller may send the same again).
        """
        self.pending_calls += 1
        try:
            events = clamp_times(events, self._clock())
            if not tracing.is_active():
                return await self._accept(account, events, admit)
            attributes = {"parley.channel": account.channel, "parley.tenant": account.tenant}
            with tracing.span("append", kind="producer", attributes=attributes):
                return await self._accept(account, events, admit)
        finally:
            self.pending_calls -= 1

    async def _accept(
        self, account: Account, events: Sequence[ChannelEvent], admit: Callable[[], Awaitable[None]] | None
    ) -> list[AcceptedEvent]:
        if account.desk and any(event.type == topics.DESK_COMMAND for event in events):
            return await self._accept_with_desk(account, events, admit)
        now = self._clock()
        pending = await self._build_entries(account, await self._room_filter.keep_ours(account, events), now)
        if account.channel not in self._transcript_channels:
            if pending and admit is not None:
                await admit()
            await self._append(pending, now)
            await self._ensure_conversations(account, pending, now)
            return self._build_accepted(account, pending, {})
        locks = self._get_locks({entry.conversation for entry in pending})
        held: list[asyncio.Lock] = []
        try:
            for lock in locks:
                await lock.acquire()
                held.append(lock)
            return self._build_accepted(account, pending, await self._add(account, pending, admit, now))
        finally:
            for lock in held:
                lock.release()

    async def _build_entries(
        self, account: Account, events: Sequence[ChannelEvent], now: datetime
    ) -> list[PendingEvent]:
        """In the order of ``events``, without those that are left out. Those of one contact are handled one after the
        other."""
        if len(events) == 1:
            only = await self._build_entry(account, events[0], now)
            return [] if only is None else [only]
        by_contact: dict[tuple[str, str], list[int]] = {}
        for number, event in enumerate(events):
            address = event.addresses[0].value if event.addresses else ""
            by_contact.setdefault((event.place, address), []).append(number)
        entries: dict[int, PendingEvent | None] = {}

        async def build(numbers: Iterable[int]) -> None:
            for number in numbers:
                entries[number] = await self._build_entry(account, events[number], now)

        await _gather([partial(build, numbers) for numbers in by_contact.values()])
        return [entry for number in range(len(events)) if (entry := entries[number]) is not None]

    async def _build_entry(self, account: Account, raw_event: ChannelEvent, now: datetime) -> PendingEvent | None:
        own = self._own_numbers.get(account.tenant)
        event, long_text = cut_long_text(raw_event)
        # Short texts and cached contacts need no other coroutine, which would cost more than the work.
        if is_costly(event.payload.get("text") or ""):
            event = await asyncio.to_thread(mask_event, event, own)
        else:
            event = mask_event(event, own)
        resolved = self._get_cached_contact(account, event, now)
        if resolved is None:
            if await self._erasure_filter.is_forgotten(account, event, now):
                return None
            resolved = await self._resolve(account, event, now)
        if event.echo and await self._echo_filter.is_ours(account, resolved[1], event.external_id):
            return None
        event = restore_place(account, event, *resolved)
        if has_reference(event):
            event, resolved = await self._references.resolve(account, event, resolved)
        if long_text is not None:
            event = await long_text.attach_file(account, event, resolved, own, self._blobs)
        return build_pending_event(account, event, now, *resolved)

    def _get_cached_contact(self, account: Account, event: ChannelEvent, now: datetime) -> ResolvedContact | None:
        if event.type == topics.CONTACT_CHANGED:
            return None
        arguments = (account.tenant, account.channel, account.name, event.place, event.addresses)
        return self._contacts.get_cached(*arguments, now=now, naming=display_names.find_name_change(event, now))

    async def _resolve(self, account: Account, event: ChannelEvent, now: datetime) -> ResolvedContact:
        arguments = (account.tenant, account.channel, account.name, event.place, event.addresses)
        if event.type == topics.CONTACT_CHANGED:
            return await self._contacts.change(*arguments, now=now, change=build_contact_change(event, now))
        return await self._contacts.resolve(*arguments, now=now, naming=display_names.find_name_change(event, now))

    async def _accept_with_desk(
        self, account: Account, events: Sequence[ChannelEvent], admit: Callable[[], Awaitable[None]] | None
    ) -> list[AcceptedEvent]:
        """Hand actions at the desk to the desk: no contact wrote them."""
        if self._desk is not None:
            await self._desk.accept(account, [event for event in events if event.type == topics.DESK_COMMAND])
        other_events = [event for event in events if event.type != topics.DESK_COMMAND]
        return await self._accept(account, other_events, admit) if other_events else []

    async def _add(
        self, account: Account, pending: list[PendingEvent], admit: Callable[[], Awaitable[None]] | None, now: datetime
    ) -> dict[str, int]:
        """Append the events that the transcript does not hold yet and add them to it; numbers by event id."""
        numbers = {
            entry.envelope.id: seq for entry in pending if (seq := await self._find_in_transcript(account, entry))
        }
        new = [entry for entry in pending if entry.envelope.id not in numbers]
        if new and admit is not None:
            await admit()
        await self._append(new, now)
        await self._ensure_conversations(account, pending, now)
        for entry in pending:
            if entry.envelope.id not in numbers:
                numbers[entry.envelope.id] = await self._add_to_transcript(account, entry)
        return numbers

    def _build_accepted(
        self, account: Account, pending: Sequence[PendingEvent], numbers: Mapping[str, int]
    ) -> list[AcceptedEvent]:
        if pending:
            self._metrics.count("parley_inbound_total", len(pending), tenant=account.tenant, channel=account.channel)
        return [
            AcceptedEvent(entry.envelope.id, entry.conversation, numbers.get(entry.envelope.id, 0)) for entry in pending
        ]

    def _get_locks(self, conversations: Iterable[str]) -> list[asyncio.Lock]:
        # Held from the append until the transcript is written, so that sequence numbers follow the log. Sorted against
        # deadlocks.
        locks = []
        for conversation in sorted(conversations):
            lock = self._locks.get(conversation)
            if lock is None:
                lock = self._locks[conversation] = asyncio.Lock()
            locks.append(lock)
        return locks

    async def _find_in_transcript(self, account: Account, entry: PendingEvent) -> int:
        if entry.message is None or account.channel not in self._transcript_channels:
            return 0
        line = await self._transcript.find(entry.conversation, entry.envelope.id)
        if line is None:
            return 0
        # A message that was deleted or edited since can no longer be compared.
        if line.state != "deleted" and not has_same_content(line, TranscriptMessage.of_inbound(entry.message)):
            raise IdReused("this client_msg_id was used before with another body")
        self._metrics.count("parley_duplicates_total", where="edge")
        return line.seq

    async def _append(self, pending: list[PendingEvent], now: datetime) -> None:
        if not pending:
            return
        contacts, envelopes = [], []
        for entry in pending:
            contacts.append(entry.contact)
            envelopes.append(entry.envelope)
        reach("edge.before_append")
        await self._bus.append(self._snapshots.build_changed(contacts, now) + envelopes)
        reach("edge.after_append")
        self._snapshots.mark_appended(contacts)

    async def _ensure_conversations(self, account: Account, pending: list[PendingEvent], now: datetime) -> None:
        # For repeats too: that restores what was lost with the state store. Edits and receipts open no conversation.
        origins = {
            entry.conversation: partial(build_origin, account, entry.message)
            for entry in reversed(pending)
            if entry.message is not None and not self._open_conversations.is_recent(entry.conversation, now)
        }
        await _gather([partial(self._open_conversations.ensure_open, *opened) for opened in origins.items()])

    async def _add_to_transcript(self, account: Account, entry: PendingEvent) -> int:
        if entry.message is None or account.channel not in self._transcript_channels:
            return 0
        seq = await self._transcript.add(entry.conversation, TranscriptMessage.of_inbound(entry.message))
        await conversation_signals.publish_message(self._signals, entry.conversation)
        return seq


async def _gather(calls: Sequence[Callable[[], Coroutine[Any, Any, object]]]) -> None:
    """Await all, ``AT_ONCE`` at a time. If one fails the others are cancelled, and its error is raised."""
    if len(calls) == 1:
        await calls[0]()  # without a task, which would cost more than most of them
        return
    for begin in range(0, len(calls), AT_ONCE):
        try:
            async with asyncio.TaskGroup() as group:
                for call in calls[begin : begin + AT_ONCE]:
                    group.create_task(call())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
