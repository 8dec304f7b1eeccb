"""The way in, the same for every channel: resolve, append, and only then tell anybody.

Nothing is deduplicated before the append: the log may hold duplicates, and the event's id makes them one. The only
exception is a message that the transcript already holds, because it got there after its append.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from weakref import WeakValueDictionary

from connectors import live
from connectors.inbound import display_names
from connectors.inbound.contact_cache import Acquaintances
from connectors.inbound.contact_snapshots import ContactNews
from connectors.inbound.conversation_cache import OpenConversations
from connectors.inbound.echo_filter import Echoes
from connectors.inbound.envelopes import Entry, change_of, entry_of, is_same, origin_of, without_cards
from connectors.inbound.long_texts import shortened
from connectors.inbound.open_rooms import Rooms
from connectors.inbound.reply_references import Found, References, at_home, refers
from schemas import topics, tracing
from schemas.crash_points import reach
from schemas.errors import IdReused
from schemas.messages import TranscriptMessage
from schemas.ports import (
    Account,
    Blobs,
    Bus,
    Clock,
    Contacts,
    Conversations,
    Deliveries,
    DeskDoor,
    Event,
    Metrics,
    Signals,
    Transcript,
)
from schemas.privacy.cards import OwnNumbers, is_costly


@dataclass(slots=True)
class Accepted:
    """What became of an event. ``seq`` is its transcript number where the edge keeps the transcript, else 0."""

    event_id: str
    conversation: str
    seq: int = 0


class Inbound:
    """Accepts events of any channel. ``keeps_transcript`` names the channels whose transcript the edge itself writes,
    because nobody else would show the contact what was accepted; ``named_later`` those that are ``Profiled``.
    ``own_numbers``: by tenant, what finds numbers that are no cards. ``desk``: takes what people do at the desk.
    ``blobs``: takes texts that are too long for a message."""

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
        keeps_transcript: frozenset[str] = frozenset({"web"}),
        named_later: frozenset[str] = frozenset(),
        own_numbers: Mapping[str, OwnNumbers | None] = MappingProxyType({}),
        desk: DeskDoor | None = None,
        blobs: Blobs | None = None,
    ) -> None:
        self._bus = bus
        self._contacts = Acquaintances(contacts, named_later)
        self._transcript = transcript
        self._signals = signals
        self._metrics = metrics
        self._clock = clock
        self._keeps_transcript = keeps_transcript
        self._own_numbers = own_numbers
        self._desk = desk
        self._blobs = blobs
        self._news = ContactNews()
        self._open = OpenConversations(conversations, clock)
        self._echoes = Echoes(deliveries, clock)
        self._references = References(deliveries, conversations, transcript)
        self._rooms = Rooms(conversations, contacts, deliveries, transcript, clock)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.under_way = 0
        """Calls of ``accept`` that have not ended."""

    async def accept(
        self, account: Account, events: Sequence[Event], *, admit: Callable[[], Awaitable[None]] | None = None
    ) -> list[Accepted]:
        """Append the events durably; when this returns they are accepted. Order is kept inside a conversation. What is
        only the echo of something that we have sent is left out.

        ``admit`` is awaited once before the append, unless all events are known repeats; it may refuse by raising.

        Raises InvalidRequest (a payload that does not fit its type), IdReused (the same message id with another body,
        nothing appended), BusUnavailable or StateUnavailable (the caller may send the same again)."""
        self.under_way += 1
        try:
            if not tracing.active():
                return await self._accept(account, events, admit)
            about = {"parley.channel": account.channel, "parley.tenant": account.tenant}
            with tracing.span("append", kind="producer", attributes=about):
                return await self._accept(account, events, admit)
        finally:
            self.under_way -= 1

    async def _accept(
        self, account: Account, events: Sequence[Event], admit: Callable[[], Awaitable[None]] | None
    ) -> list[Accepted]:
        if account.desk and any(event.type == topics.DESK_ACTED for event in events):
            return await self._with_desk(account, events, admit)
        now = self._clock()
        entries = await self._entries(account, await self._rooms.ours(account, events), now)
        if account.channel not in self._keeps_transcript:
            if entries and admit is not None:
                await admit()
            await self._append(entries, now)
            await self._make(account, entries, now)
            return self._accepted(account, entries, {})
        locks = self._locks_of({entry.conversation for entry in entries})
        held: list[asyncio.Lock] = []
        try:
            for lock in locks:
                await lock.acquire()
                held.append(lock)
            return self._accepted(account, entries, await self._add(account, entries, admit, now))
        finally:
            for lock in held:
                lock.release()

    async def _entries(self, account: Account, events: Sequence[Event], now: datetime) -> list[Entry]:
        entries, own = list[Entry](), self._own_numbers.get(account.tenant)
        for told in events:
            event, long_text = shortened(told)
            # A coroutine for what is short and known would cost more than the answer.
            if is_costly(event.payload.get("text") or ""):
                event = await asyncio.to_thread(without_cards, event, own)
            else:
                event = without_cards(event, own)
            found = self._known_contact(account, event, now) or await self._resolved(account, event, now)
            if event.echo and await self._echoes.is_ours(account, found[1], event.external_id):
                continue
            event = at_home(account, event, *found)
            if refers(event):
                event, found = await self._references.told(account, event, found)
            if long_text is not None:
                event = await long_text.kept(account, event, found, own, self._blobs)
            entries.append(entry_of(account, event, now, *found))
        return entries

    def _known_contact(self, account: Account, event: Event, now: datetime) -> Found | None:
        if event.type == topics.CONTACT_CHANGED:
            return None
        asked = (account.tenant, account.channel, account.name, event.place, event.addresses)
        return self._contacts.recent(*asked, now=now, naming=display_names.told(event, now))

    async def _resolved(self, account: Account, event: Event, now: datetime) -> Found:
        asked = (account.tenant, account.channel, account.name, event.place, event.addresses)
        if event.type == topics.CONTACT_CHANGED:
            return await self._contacts.change(*asked, now=now, change=change_of(event, now))
        return await self._contacts.resolve(*asked, now=now, naming=display_names.told(event, now))

    async def _with_desk(
        self, account: Account, events: Sequence[Event], admit: Callable[[], Awaitable[None]] | None
    ) -> list[Accepted]:
        """What is done at the desk is nothing that a contact says: it goes another way."""
        if self._desk is not None:
            await self._desk.accept(account, [event for event in events if event.type == topics.DESK_ACTED])
        others = [event for event in events if event.type != topics.DESK_ACTED]
        return await self._accept(account, others, admit) if others else []

    async def _add(
        self, account: Account, entries: list[Entry], admit: Callable[[], Awaitable[None]] | None, now: datetime
    ) -> dict[str, int]:
        """Append what the transcript does not hold yet and add it there; numbers by event id."""
        known = {entry.envelope.id: seq for entry in entries if (seq := await self._known(account, entry))}
        fresh = [entry for entry in entries if entry.envelope.id not in known]
        if fresh and admit is not None:
            await admit()
        await self._append(fresh, now)
        await self._make(account, entries, now)
        for entry in entries:
            if entry.envelope.id not in known:
                known[entry.envelope.id] = await self._show(account, entry)
        return known

    def _accepted(self, account: Account, entries: Sequence[Entry], known: Mapping[str, int]) -> list[Accepted]:
        if entries:
            self._metrics.count("parley_inbound_total", len(entries), tenant=account.tenant, channel=account.channel)
        return [Accepted(entry.envelope.id, entry.conversation, known.get(entry.envelope.id, 0)) for entry in entries]

    def _locks_of(self, conversations: Iterable[str]) -> list[asyncio.Lock]:
        # Held from the append to the transcript, so that sequence numbers follow the log. Sorted: no deadlock.
        locks = []
        for conversation in sorted(conversations):
            lock = self._locks.get(conversation)
            if lock is None:
                lock = self._locks[conversation] = asyncio.Lock()
            locks.append(lock)
        return locks

    async def _known(self, account: Account, entry: Entry) -> int:
        if entry.message is None or account.channel not in self._keeps_transcript:
            return 0
        found = await self._transcript.find(entry.conversation, entry.envelope.id)
        if found is None:
            return 0
        # A message that was taken back or edited since may no longer be compared.
        if found.state != "deleted" and not is_same(found, TranscriptMessage.of_inbound(entry.message)):
            raise IdReused("this client_msg_id was used before with another body")
        self._metrics.count("parley_duplicates_total", where="edge")
        return found.seq

    async def _append(self, entries: list[Entry], now: datetime) -> None:
        if not entries:
            return
        contacts, envelopes = [], []
        for entry in entries:
            contacts.append(entry.contact)
            envelopes.append(entry.envelope)
        reach("edge.before_append")
        await self._bus.append(self._news.untold(contacts, now) + envelopes)
        reach("edge.after_append")
        self._news.told(contacts)

    async def _make(self, account: Account, entries: list[Entry], now: datetime) -> None:
        # Of the repeats too: what was lost with the state store comes back. Edits and receipts make no conversation.
        for entry in entries:
            if entry.message is not None and not self._open.is_recent(entry.conversation, now):
                await self._open.ensure(entry.conversation, partial(origin_of, account, entry.message))

    async def _show(self, account: Account, entry: Entry) -> int:
        if entry.message is None or account.channel not in self._keeps_transcript:
            return 0
        seq = await self._transcript.add(entry.conversation, TranscriptMessage.of_inbound(entry.message))
        await live.message(self._signals, entry.conversation)
        return seq
