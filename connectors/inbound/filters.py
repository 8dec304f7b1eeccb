"""Filters for events that are not meant for us, or not new: other people's messages in rooms, and echoes.

Rooms: many people write there. A message that addresses us begins a conversation or joins one. After that
the conversation's contact need not address us again in its thread; everybody else must. Edits, deletions and reactions
count if they belong to one of our conversations. Everything else is dropped before a contact is created for it.

Echoes: webhooks about messages from our own side. A colleague may have answered in the vendor's own app, which is a
message of a person, who takes the conversation. Or it is a message that we sent ourselves, which is dropped. If the
vendor does not say which it is, the record of our sends decides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.inbound.reply_references import derive_event_id
from schemas import ids, topics
from schemas.conversation import Conversation
from schemas.errors import Unavailable
from schemas.ports import Account, ChannelEvent, Clock, ContactKeys, Contacts, Conversations, Deliveries, Transcript
from schemas.privacy.key_service import ContactKeyService

MAX_REMEMBERED = 20_000
ABSENT_TTL = timedelta(seconds=60)
"""Seconds for which the absence of a conversation at a place is cached: in a busy room nearly all messages are not for
us. Conversations of a room begin in the process that listens to it."""
PAGE_SIZE, MAX_PAGES = 200, 25

_AccountKey = tuple[str, str, str]
"""Tenant, account, and a place or the vendor's id of a message."""


class RoomFilter:
    """Filters the events of all channels in one process."""

    def __init__(
        self,
        conversations: Conversations,
        contacts: Contacts,
        deliveries: Deliveries,
        transcript: Transcript,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._contacts = contacts
        self._deliveries = deliveries
        self._transcript = transcript
        self._clock = clock
        self._absent_until: OrderedDict[str, datetime] = OrderedDict()
        self._places: OrderedDict[_AccountKey, str] = OrderedDict()
        """The places of recently accepted messages: a deletion names its message but no author."""

    async def keep_ours(self, account: Account, events: Sequence[ChannelEvent]) -> Sequence[ChannelEvent]:
        """Return the events that concern us, each with its conversation's place. Raises StateUnavailable, StateLost."""
        if not any(event.room for event in events):  # the usual case
            return events
        kept = [await self._filter_event(account, event) if event.room else event for event in events]
        return [event for event in kept if event is not None]

    async def _filter_event(self, account: Account, event: ChannelEvent) -> ChannelEvent | None:
        if event.type == topics.MESSAGE_RECEIVED:
            return await self._filter_message(account, event)
        return await self._filter_change(account, event)

    async def _filter_message(self, account: Account, event: ChannelEvent) -> ChannelEvent | None:
        # Conversations that began when places were named by the room alone keep that place.
        is_thread = event.place.endswith(f"/{event.room}")
        if is_thread and await self._find_conversation(account, event.room) is not None:
            event = replace(event, place=event.room)
        if not event.addressed and not await self._is_by_contact(account, event):
            return None
        self._absent_until.pop(_conversation_id(account, event.place), None)
        self._remember(account, event)
        return event

    async def _filter_change(self, account: Account, event: ChannelEvent) -> ChannelEvent | None:
        place_of_message = self._places.get((account.tenant, account.name, event.external_id))
        if place_of_message is not None:
            return replace(event, place=place_of_message)
        if event.type == topics.REACTION_CHANGED:
            return await self._filter_reaction(account, event)
        if await self._find_conversation(account, event.place) is not None:
            is_relevant = event.type == topics.MESSAGE_DELETED or await self._is_by_contact(account, event)
            if is_relevant or await self._has_message(account, event, event.place):
                return event
        if await self._find_conversation(account, event.room) is not None:
            return replace(event, place=event.room) if await self._has_message(account, event, event.room) else None
        if event.type == topics.MESSAGE_DELETED and event.place.endswith(":"):
            return await self._find_deleted(account, event)
        return None

    async def _filter_reaction(self, account: Account, event: ChannelEvent) -> ChannelEvent | None:
        """Accept reactions to our messages, and those of a contact in their own conversation."""
        sent = await self._deliveries.by_external_id(account.tenant, account.channel, account.name, event.external_id)
        conversation = None if sent is None else await self._conversations.get(sent[0])
        if conversation is not None:
            return replace(event, place=conversation.origin.place)
        for place in (event.place, event.room):
            if await self._is_by_contact(account, moved := replace(event, place=place)):
                return moved
        return None

    async def _has_message(self, account: Account, event: ChannelEvent, place: str) -> bool:
        message_id = derive_event_id(account, place, event.external_id, topics.MESSAGE_RECEIVED)
        return await self._transcript.find(_conversation_id(account, place), message_id) is not None

    async def _is_by_contact(self, account: Account, event: ChannelEvent) -> bool:
        """Return whether the contact of the place's conversation caused the event."""
        conversation = await self._find_conversation(account, event.place)
        if conversation is None:
            return False
        contact = await self._contacts.get(account.tenant, conversation.origin.contact_id)
        addresses = {(each.channel, each.value) for each in contact.addresses} if contact is not None else set()
        return any((each.channel, each.value) in addresses for each in event.addresses)

    async def _find_conversation(self, account: Account, place: str) -> Conversation | None:
        id_, now = _conversation_id(account, place), self._clock()
        absent_until = self._absent_until.get(id_)
        if absent_until is not None and now < absent_until:
            return None
        found = await self._conversations.get(id_)
        if found is None:
            self._absent_until[id_] = now + ABSENT_TTL
            self._absent_until.move_to_end(id_)
            while len(self._absent_until) > MAX_REMEMBERED:
                self._absent_until.popitem(last=False)
        return found

    async def _find_deleted(self, account: Account, event: ChannelEvent) -> ChannelEvent | None:
        """Search all conversations of the room: the vendor does not say who wrote a deleted message."""
        after = ""
        for _ in range(MAX_PAGES):
            page = await self._conversations.list_page(
                account.tenant, channel=account.channel, after=after, limit=PAGE_SIZE
            )
            for each in page.items:
                origin = each.origin
                if origin.account == account.name and origin.place.startswith(event.place):
                    message_id = derive_event_id(account, origin.place, event.external_id, topics.MESSAGE_RECEIVED)
                    if await self._transcript.find(each.id, message_id) is not None:
                        return replace(event, place=origin.place)
            if not (after := page.next):
                break
        return None

    def _remember(self, account: Account, event: ChannelEvent) -> None:
        key = (account.tenant, account.name, event.external_id)
        self._places[key] = event.place
        self._places.move_to_end(key)
        while len(self._places) > MAX_REMEMBERED:
            self._places.popitem(last=False)


def _conversation_id(account: Account, place: str) -> str:
    return ids.conversation_id(account.tenant, account.channel, account.name, place)


IN_FLIGHT = timedelta(minutes=10)
"""Time before and after its deadline in which a send without an outcome may be the subject of an echo."""
LIMIT = 1000


class EchoFilter:
    def __init__(self, deliveries: Deliveries, clock: Clock) -> None:
        self._deliveries = deliveries
        self._clock = clock

    async def is_ours(self, account: Account, conversation: str, external_id: str) -> bool:
        """Return whether we sent this message. Raises Unavailable while the conversation has a send without an outcome
        that it may belong to; the vendor repeats what was not accepted."""
        if await self._is_sent(account, external_id):
            return True
        if await self._is_sending(conversation):
            raise Unavailable("this may be a message that is being sent", retry_after_ms=2000)
        # The send may have been recorded between the two lookups.
        return await self._is_sent(account, external_id)

    async def _is_sent(self, account: Account, external_id: str) -> bool:
        sent = await self._deliveries.by_external_id(account.tenant, account.channel, account.name, external_id)
        return sent is not None

    async def _is_sending(self, conversation: str) -> bool:
        now = self._clock()
        unresolved = await self._deliveries.unresolved(before=now + IN_FLIGHT, limit=LIMIT)
        own = {message for each_conversation, message in unresolved if each_conversation == conversation}
        if not own:
            return False
        expired = await self._deliveries.unresolved(before=now - IN_FLIGHT, limit=LIMIT)
        return bool(own - {message for each_conversation, message in expired if each_conversation == conversation})


class ErasureFilter:
    """Recognizes what somebody said before they were erased, when a vendor delivers it again. Nothing of it may bring
    their addresses back. What they say afterwards begins the next generation of their key, under which ``key_service``
    then seals them. Without ``keys`` nothing is recognized."""

    def __init__(self, keys: ContactKeys | None, key_service: ContactKeyService | None = None) -> None:
        self._keys = keys
        self._key_service = key_service

    async def is_forgotten(self, account: Account, event: ChannelEvent, now: datetime) -> bool:
        """Raises StateUnavailable, StateLost, BusUnavailable."""
        if self._keys is None:
            return False
        said_at, erased = _read_time(event, now), list[str]()
        for address in event.addresses:
            contact = ids.contact_id(account.tenant, address.channel, address.value)
            key = await self._keys.get(account.tenant, contact)
            if key is not None and key.is_forgotten(said_at):
                return True
            if key is not None and key.erased_at is not None:
                erased.append(contact)
        if self._key_service is not None:
            for contact in erased:
                await self._key_service.get_or_create(account.tenant, contact, said_at=said_at)
        return False


def _read_time(event: ChannelEvent, now: datetime) -> datetime | None:
    """The time of a message, which is now where the vendor names none; None for what is no message."""
    if event.type != topics.MESSAGE_RECEIVED:
        return None
    said_at = event.payload.get("sent_at")
    if isinstance(said_at, str):
        said_at = datetime.fromisoformat(said_at)
    return said_at if isinstance(said_at, datetime) else now
