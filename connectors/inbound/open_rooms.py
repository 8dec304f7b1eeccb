"""Rooms in which many people write, and only some of what they write is for us (design §4).

A message that addresses us begins a conversation or joins one. From then on the contact whose conversation it is need
not address us again in its thread; everybody else there must. Changes, deletions and reactions count where they belong
to a conversation that we have. All else is left out before anybody is made a contact for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.inbound.reply_references import event_id
from schemas import ids, topics
from schemas.conversation import Conversation
from schemas.ports import Account, Clock, Contacts, Conversations, Deliveries, Event, Transcript

REMEMBERED = 20_000
UNKNOWN_FOR = timedelta(seconds=60)
"""How long it is not looked up again that there is no conversation at a place: in a busy room nearly all is for others.
The process that hears a room is the one that begins its conversations."""
PAGE, MOST_PAGES = 200, 25

_At = tuple[str, str, str]
"""Tenant, account, and a place or the vendor's id of a message there."""


class Rooms:
    """Of all channels, in one process."""

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
        self._none: OrderedDict[str, datetime] = OrderedDict()
        self._heard: OrderedDict[_At, str] = OrderedDict()
        """The places of messages that were taken lately: a deletion names its message and nobody."""

    async def ours(self, account: Account, events: Sequence[Event]) -> Sequence[Event]:
        """Those that are ours, each at its conversation's place. Raises StateUnavailable, StateLost."""
        if not any(event.room for event in events):  # as mostly
            return events
        found = [await self._settle(account, event) if event.room else event for event in events]
        return [event for event in found if event is not None]

    async def _settle(self, account: Account, event: Event) -> Event | None:
        if event.type == topics.MESSAGE_RECEIVED:
            return await self._message(account, event)
        return await self._change(account, event)

    async def _message(self, account: Account, event: Event) -> Event | None:
        # A thread whose conversation began when places were called by the room alone goes on as it is.
        is_thread = event.place.endswith(f"/{event.room}")
        if is_thread and await self._conversation(account, event.room) is not None:
            event = replace(event, place=event.room)
        if not event.addressed and not await self._is_of(account, event):
            return None
        self._none.pop(_id(account, event.place), None)
        self._remember(account, event)
        return event

    async def _change(self, account: Account, event: Event) -> Event | None:
        heard = self._heard.get((account.tenant, account.name, event.external_id))
        if heard is not None:
            return replace(event, place=heard)
        if event.type == topics.REACTION_CHANGED:
            return await self._reaction(account, event)
        if await self._conversation(account, event.place) is not None:
            is_theirs = event.type == topics.MESSAGE_DELETED or await self._is_of(account, event)
            if is_theirs or await self._is_known(account, event, event.place):
                return event
        if await self._conversation(account, event.room) is not None:
            return replace(event, place=event.room) if await self._is_known(account, event, event.room) else None
        if event.type == topics.MESSAGE_DELETED and event.place.endswith(":"):
            return await self._searched(account, event)
        return None

    async def _reaction(self, account: Account, event: Event) -> Event | None:
        """To a message of ours, wherever that stands, or by a contact in their own conversation."""
        sent = await self._deliveries.by_external_id(account.tenant, account.channel, account.name, event.external_id)
        found = None if sent is None else await self._conversations.get(sent[0])
        if found is not None:
            return replace(event, place=found.origin.place)
        for place in (event.place, event.room):
            if await self._is_of(account, moved := replace(event, place=place)):
                return moved
        return None

    async def _is_known(self, account: Account, event: Event, place: str) -> bool:
        theirs = event_id(account, place, event.external_id, topics.MESSAGE_RECEIVED)
        return await self._transcript.find(_id(account, place), theirs) is not None

    async def _is_of(self, account: Account, event: Event) -> bool:
        """Whether the contact whose conversation it is has written it."""
        found = await self._conversation(account, event.place)
        if found is None:
            return False
        contact = await self._contacts.get(account.tenant, found.origin.contact_id)
        known = {(each.channel, each.value) for each in contact.addresses} if contact is not None else set()
        return any((each.channel, each.value) in known for each in event.addresses)

    async def _conversation(self, account: Account, place: str) -> Conversation | None:
        id_, now = _id(account, place), self._clock()
        until = self._none.get(id_)
        if until is not None and now < until:
            return None
        found = await self._conversations.get(id_)
        if found is None:
            self._none[id_] = now + UNKNOWN_FOR
            self._none.move_to_end(id_)
            while len(self._none) > REMEMBERED:
                self._none.popitem(last=False)
        return found

    async def _searched(self, account: Account, event: Event) -> Event | None:
        """Among the conversations of everybody in the room: nobody says whose message is gone."""
        after = ""
        for _ in range(MOST_PAGES):
            page = await self._conversations.listing(account.tenant, channel=account.channel, after=after, limit=PAGE)
            for each in page.items:
                origin = each.origin
                if origin.account == account.name and origin.place.startswith(event.place):
                    theirs = event_id(account, origin.place, event.external_id, topics.MESSAGE_RECEIVED)
                    if await self._transcript.find(each.id, theirs) is not None:
                        return replace(event, place=origin.place)
            if not (after := page.next):
                break
        return None

    def _remember(self, account: Account, event: Event) -> None:
        key = (account.tenant, account.name, event.external_id)
        self._heard[key] = event.place
        self._heard.move_to_end(key)
        while len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)


def _id(account: Account, place: str) -> str:
    return ids.conversation_id(account.tenant, account.channel, account.name, place)
