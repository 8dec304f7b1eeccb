"""Erasing what the state store holds about a contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class ContactErasure(Protocol):
    """Deletes for good. Each method returns how much it deleted, by kind, and may be repeated. It does not touch the
    log: there the key of the contact decides."""

    async def erase_conversation(self, conversation: str) -> Mapping[str, int]:
        """Delete the conversation with its transcript, turns, deliveries, actions and outbox. Whoever works on it at
        that moment cannot commit any more. A message that comes later begins it anew. Parked records and dead letters
        have ports of their own."""

    async def redact(self, conversation: str, messages: Sequence[str], turns: Sequence[str]) -> Mapping[str, int]:
        """Empty these lines of the transcript of a conversation that goes on without the contact, and delete these
        turns. What is left of a line is its number, its time and the kind of its author."""

    async def erase_contact(self, tenant: str, contact: str) -> Mapping[str, int]:
        """Delete the contact, those that were merged into it, their addresses, and the terms by which they are
        found."""

    async def remove_copies(self) -> None:
        """Remove what the engine still keeps of deleted rows for its own purposes, such as a journal, as far as it
        lets us. Raises StateUnavailable if that has to be tried again."""
