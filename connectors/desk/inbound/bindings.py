"""The conversation that a message at the desk belongs to."""

from __future__ import annotations

import time
from dataclasses import dataclass

from connectors.desk.client import DeskClient
from connectors.desk.thread_ids import thread_of
from schemas import ids
from schemas.conversation import Conversation
from schemas.ports import Account, Conversations, Deliveries

MAX_ROOTS = 100
"""Largest number of cards of one conversation: a deleted card is replaced by another."""
UNKNOWN_SECONDS = 600.0
"""Seconds for which a message without a conversation is cached as such."""
MAX_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class Binding:
    """The conversation of a message. ``message_id``: id of the shown line or card. ``is_root``: the message is the
    card, below which people answer."""

    conversation: Conversation
    message_id: str
    is_root: bool


class Bindings:
    """Looks up bindings in the record of deliveries, else in the metadata of the card, because a store may have lost
    its records."""

    def __init__(
        self,
        deliveries: Deliveries,
        conversations: Conversations,
        client: DeskClient,
    ) -> None:
        self._deliveries = deliveries
        self._conversations = conversations
        self._client = client
        self._foreign: dict[tuple[str, ...], float] = {}

    async def find(self, account: Account, external_id: str) -> Binding | None:
        """Find the conversation of a message; None if it belongs to no conversation of this tenant. Raises Unavailable,
        StateUnavailable, StateLost."""
        message_ref = (account.tenant, account.channel, account.name, external_id)
        recorded = await self._deliveries.by_external_id(*message_ref)
        if recorded is None and (recorded := await self._read_binding(account, external_id)) is not None:
            await self._deliveries.bind(*message_ref, *recorded)
        if recorded is None:
            return None
        conversation = await self._conversations.get(recorded[0])
        if conversation is None or conversation.origin.tenant != account.tenant:
            return None
        return Binding(conversation, recorded[1], is_root(*recorded))

    async def find_thread(self, account: Account, external_id: str) -> str:
        """Return the thread that contains a message; the message's own thread if it is unknown. Raises Unavailable."""
        message = await self._client.ask(account, lambda connection: connection.find_message(external_id))
        return message.thread if message is not None else thread_of(external_id)

    async def _read_binding(self, account: Account, external_id: str) -> tuple[str, str] | None:
        """Read the conversation and the marker from the metadata of a card."""
        key = (account.tenant, account.name, external_id)
        if time.monotonic() < self._foreign.get(key, 0.0):
            return None
        message = await self._client.ask(account, lambda connection: connection.find_message(external_id))
        metadata = message.metadata if message is not None and message.thread == thread_of(external_id) else {}
        conversation, marker = metadata.get("conversation"), metadata.get("id")
        if metadata.get("tenant") == account.tenant and isinstance(conversation, str) and isinstance(marker, str):
            return conversation, marker
        if len(self._foreign) >= MAX_CACHED:
            self._foreign.clear()
        self._foreign[key] = time.monotonic() + UNKNOWN_SECONDS
        return None


def is_root(conversation: str, message_id: str) -> bool:
    return any(ids.derived_id(conversation, "desk", number) == message_id for number in range(MAX_ROOTS))
