"""The conversation that a message at the desk belongs to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from connectors.desk.client import DeskClient
from connectors.desk.thread_ids import thread_of
from schemas import ids
from schemas.conversation import Conversation
from schemas.ports import Account, Conversations, Deliveries

MOST_ROOTS = 100
"""Cards that a conversation may have had: a deleted one is followed by another."""
KEPT = 600.0
"""Seconds for which a message that is none of ours is known as that. It cannot become one."""
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Binding:
    """``message_id``: what the message shows. ``is_root``: it is a conversation's card, below which people answer."""

    conversation: Conversation
    message_id: str
    is_root: bool


class Bindings:
    """Bindings on record; else those that a card carries along, because a store may have lost its records."""

    def __init__(
        self,
        deliveries: Deliveries,
        conversations: Conversations,
        client: DeskClient,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliveries = deliveries
        self._conversations = conversations
        self._client = client
        self._now = now
        self._foreign: dict[tuple[str, ...], float] = {}

    async def find(self, account: Account, external_id: str) -> Binding | None:
        """Find the conversation of a message; None for what is no conversation's of this tenant. Raises Unavailable,
        StateUnavailable, StateLost."""
        asked = (account.tenant, account.channel, account.name, external_id)
        known = await self._deliveries.by_external_id(*asked)
        if known is None and (known := await self._read_binding(account, external_id)) is not None:
            await self._deliveries.bind(*asked, *known)
        if known is None:
            return None
        found = await self._conversations.get(known[0])
        if found is None or found.origin.tenant != account.tenant:
            return None
        return Binding(found, known[1], is_root(*known))

    async def thread(self, account: Account, external_id: str) -> str:
        """Return the thread in which a message stands; its own where nobody says another. Raises Unavailable."""
        message = await self._client.ask(account, lambda connection: connection.message(external_id))
        return message.thread if message is not None else thread_of(external_id)

    async def _read_binding(self, account: Account, external_id: str) -> tuple[str, str] | None:
        """Read the conversation and the marker that a card of ours carries."""
        key = (account.tenant, account.name, external_id)
        if self._now() < self._foreign.get(key, 0.0):
            return None
        message = await self._client.ask(account, lambda connection: connection.message(external_id))
        about = message.about if message is not None and message.thread == thread_of(external_id) else {}
        conversation, marker = about.get("conversation"), about.get("id")
        if about.get("tenant") == account.tenant and isinstance(conversation, str) and isinstance(marker, str):
            return conversation, marker
        if len(self._foreign) >= MOST:
            self._foreign.clear()
        self._foreign[key] = self._now() + KEPT
        return None


def is_root(conversation: str, message_id: str) -> bool:
    return any(ids.derived_id(conversation, "desk", number) == message_id for number in range(MOST_ROOTS))
