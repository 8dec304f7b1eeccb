"""What the agent did to the world: each action once, and none forgotten."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from schemas.actions import ActionIntended, ActionSettled, JournalEntry

ClaimVerdict = Literal["go", "known", "stale"]


@dataclass(frozen=True, slots=True)
class Claim:
    """``go``: it is the caller's to do, until its deadline. ``known``: somebody has begun it, perhaps has done it, and
    ``entry`` tells. ``stale``: the caller does not hold the conversation any more."""

    verdict: ClaimVerdict
    entry: JournalEntry | None = None


class Journal(Protocol):
    """Entries by action key, for 8 days: as long as an event that allows one may come again."""

    async def claim(
        self, conversation: str, intended: ActionIntended, *, token: int, epoch: int, now: datetime
    ) -> Claim:
        """One atomic step: nobody has claimed this key before, and ``token`` (of ``Conversations.begin``) and ``epoch``
        are the conversation's."""

    async def withdraw(self, conversation: str, key: str) -> None:
        """Take a claim back under which certainly nothing was called. Changes nothing once there is an outcome."""

    async def record(self, conversation: str, settled: ActionSettled) -> None:
        """The first outcome stays, but ``unknown`` gives way to another one. What is ``unknown``, or was until now, is
        unresolved until it is recorded as ``resolved``: somebody was told that it is in doubt."""

    async def entry(self, conversation: str, key: str) -> JournalEntry | None: ...
    async def under(self, conversation: str, authorities: Collection[str]) -> list[JournalEntry]:
        """What was begun under these confirmations, approvals or events, oldest first."""

    async def in_doubt(self, conversation: str) -> list[JournalEntry]:
        """Those of which nobody knows what came, whether somebody was told so or not, oldest first."""

    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Entries due before ``before`` of which nobody knows, or nobody was told, what came: ``(conversation, key)``,
        the longest due first."""

    async def postpone(self, conversation: str, key: str, until: datetime) -> None:
        """An unresolved entry is due at ``until``."""

    async def admit(self, tenant: str, contact: str, action: str, day: str, key: str, *, most: int) -> bool:
        """Count a key against the contact's limit for the day. True when it is, or was, among the first ``most``."""
