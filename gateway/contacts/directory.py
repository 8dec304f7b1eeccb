"""Finding contacts, and what belongs to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from schemas.conversation import Contact, Conversation
from schemas.errors import NotFound
from schemas.ports import State

SHOWN_CONVERSATIONS = 200
"""The newest conversations of a contact that are shown."""
_LOADED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact in a list. ``last_at``: when anything last happened in one of its conversations."""

    contact: Contact
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A contact, all ids that it had before contacts were merged, and the ids of its conversations, the last active one
    first."""

    contact: Contact
    ids: frozenset[str]
    conversations: tuple[str, ...]
    last_at: datetime


class ContactDirectory:
    def __init__(self, state: State) -> None:
        self._state = state

    async def search(
        self, tenant: str, query: str, *, channel: str, after: str, limit: int
    ) -> tuple[list[ContactRow], str]:
        """One page, and the cursor of the next. Raises InvalidRequest for a bad cursor."""
        page = await self._state.contact_search.search(tenant, query, channel=channel, after=after, limit=limit)
        found = await self._state.contact_search.list_conversations(tenant, [contact.id for contact in page.items])
        items = []
        for contact in page.items:
            newest = found.get(contact.id)
            items.append(ContactRow(contact, newest[0].updated_at if newest else contact.created_at))
        return items, page.next

    async def find(self, tenant: str, id: str) -> Person:
        """Find a contact by its id, or by that of one that was merged into it. Raises NotFound."""
        contact = await self._state.contacts.get(tenant, id)
        if contact is None:
            raise NotFound("no such contact")
        search = self._state.contact_search
        ids = await search.list_ids(tenant, contact.id)
        began = (await search.list_conversations(tenant, [contact.id])).get(contact.id, ())
        # A conversation of the contact that no worker has begun is in no list yet.
        conversations = dict.fromkeys([*(each.id for each in began), *contact.conversations.values()])
        last_at = began[0].updated_at if began else contact.created_at
        return Person(contact, frozenset({*ids, id}), tuple(conversations), last_at)

    async def load_conversations(self, conversations: Iterable[str]) -> list[Conversation]:
        """Those of the conversations that have begun."""
        loaded = list[Conversation]()
        ids = list(conversations)
        for start in range(0, len(ids), _LOADED_AT_ONCE):
            part = ids[start : start + _LOADED_AT_ONCE]
            found = await asyncio.gather(*(self._state.conversations.get(id_) for id_ in part))
            loaded += [each for each in found if each is not None]
        return loaded


def list_addresses_left(conversations: Iterable[Conversation]) -> list[str]:
    """The addresses at which the contact asked people to answer. They prove nothing, and find nobody."""
    handoffs = (each.facts.handoff for each in conversations)
    return list(dict.fromkeys(address for handoff in handoffs if handoff is not None for address in handoff.reach_at))


def is_with_contact_alone(conversation: Conversation, contact: Contact) -> bool:
    """Return whether nobody else can write where this conversation happens. Other people write in rooms."""
    place = (conversation.origin.channel, conversation.origin.place)
    return place in {(each.channel, each.value) for each in (*contact.addresses, *contact.left)}
