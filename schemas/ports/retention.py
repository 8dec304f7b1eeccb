"""Removal of state that is older than a tenant's retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class RetentionPeriods:
    """How long one tenant's state is kept: conversations and lines of their transcripts, turns, and contacts without a
    conversation."""

    transcripts: timedelta
    turns: timedelta
    contacts: timedelta


@dataclass(frozen=True, slots=True)
class Removal:
    """An item that the state no longer holds, and that is still to be removed elsewhere: the snapshot of a conversation
    or a contact from the log, a file from its store. ``conversation``: the one that a file belongs to."""

    kind: Literal["conversation", "contact", "file"]
    id: str
    tenant: str
    channel: str = ""
    account: str = ""
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class RemovalStep:
    """Result of one step. ``next`` is where the following step begins, empty at the end. ``removed`` counts rows:
    conversations, lines and turns, or contacts and dead letters."""

    next: str
    removed: int = 0


class Retention(Protocol):
    """Removes what is older than its tenant's retention, in steps that hold nobody up, each of which may be repeated.

    Never removed, however old: a conversation that people have or are asked to take, one with a message that waits for
    an answer, an open confirmation or approval, an event in the outbox, a line or a delivery without an outcome, an
    action in doubt, or parked records; ids of events, deliveries, actions and requests of the last eight days; and
    contacts who opted out, or whose address was somebody else's before."""

    async def limit_time(self, now: datetime) -> datetime:
        """``now``, or the store's own time where that is earlier: a process's clock may be wrong, and nothing that is
        removed comes back."""

    async def sweep_conversations(
        self, periods: Mapping[str, RetentionPeriods], *, groups: Sequence[str], now: datetime, after: str = ""
    ) -> RemovalStep:
        """Remove expired conversations, and expired lines and turns of the others. ``periods`` by tenant: what belongs
        to other tenants stays. ``groups``: the consumer groups that may have parked records."""

    async def sweep_tenant(
        self, tenant: str, periods: RetentionPeriods, *, letters_before: datetime, now: datetime, after: str = ""
    ) -> RemovalStep:
        """Remove expired contacts that have no conversation, and dead letters from before a time. Notes the keys of
        these contacts in the same step."""

    async def list_removals(self, *, limit: int) -> list[Removal]:
        """Removals that are not forgotten yet, each from the step that removed the item."""

    async def forget(self, removal: Removal, *, revived: bool = False) -> bool:
        """Forget the removal, because the item is removed everywhere. False, and nothing changes, when the state holds
        it again; with ``revived`` it is forgotten in any case."""

    async def list_unused_keys(self, tenant: str, *, after: str = "", limit: int) -> list[str]:
        """Contacts behind ``after``, in order, that were removed and whose keys were not forgotten yet."""

    async def forget_key(self, tenant: str, contact: str) -> None:
        """Forget that the key of a removed contact is still to be removed."""

    async def tidy(self, *, now: datetime) -> None:
        """Give back space, and forget numbers of transcripts that no client can know any more."""
