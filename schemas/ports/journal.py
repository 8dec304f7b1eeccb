"""The journal of actions: each action at most once, and none forgotten."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from schemas.actions import ActionIntended, ActionSettled, JournalEntry

ClaimVerdict = Literal["go", "known", "stale"]


@dataclass(frozen=True, slots=True)
class ActionClaim:
    """``go``: the caller may do the action until its deadline. ``known``: it was begun before, and perhaps done; see
    ``entry``. ``stale``: the caller no longer holds the conversation."""

    verdict: ClaimVerdict
    entry: JournalEntry | None = None


class Journal(Protocol):
    """Entries by action key, for 8 days: as long as an event that allows an action may be redelivered."""

    async def claim(
        self, conversation: str, intended: ActionIntended, *, token: int, epoch: int, now: datetime
    ) -> ActionClaim:
        """Claim the key in one atomic step, if nobody has claimed it before and ``token`` (from
        ``Conversations.begin``) and ``epoch`` are the conversation's current ones."""

    async def withdraw(self, conversation: str, key: str) -> None:
        """Remove a claim under which certainly nothing was called. Changes nothing once there is an outcome."""

    async def record(self, conversation: str, settled: ActionSettled) -> None:
        """Record an outcome. The first one stays, except that ``unknown`` gives way to another. An entry whose outcome
        is or was ``unknown`` stays unresolved until it is recorded as ``resolved``, because somebody was informed that
        it is in doubt."""

    async def entry(self, conversation: str, key: str) -> JournalEntry | None: ...
    async def find_by_authority(self, conversation: str, authorities: Collection[str]) -> list[JournalEntry]:
        """Actions that were begun under these confirmations, approvals or events, oldest first."""

    async def list_in_doubt(self, conversation: str) -> list[JournalEntry]:
        """Entries with an unknown outcome, reported or not, oldest first."""

    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Entries due before ``before`` whose outcome is unknown or was not reported yet: ``(conversation, key)``, the
        longest due first."""

    async def postpone(self, conversation: str, key: str, until: datetime) -> None:
        """Make an unresolved entry due at ``until``."""

    async def admit(self, tenant: str, contact: str, action: str, day: str, key: str, *, most: int) -> bool:
        """Count a key against the contact's daily limit. True if it is, or was, among the first ``most``."""
