"""Side effects, which are sends and actions: each is recorded before it is done, and its outcome after."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from schemas.actions import ActionIntended, ActionSettled, JournalEntry
from schemas.conversation import DeliveryOutcome
from schemas.messages import OutboundMessage, TranscriptMessage

SendVerdict = Literal["go", "stale_owner", "already_sent", "expired", "in_doubt"]


@dataclass(frozen=True, slots=True)
class VendorMessage:
    """A message at the vendor, under the vendor's id; ``message_id``: our whole message, of which it shows a part."""

    tenant: str
    channel: str
    account: str
    external_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """A line of the transcript after an outcome: its number (0: there is none), and whether it was added now."""

    seq: int = 0
    is_new: bool = False


class Deliveries(Protocol):
    async def begin_send(
        self, conversation: str, message: OutboundMessage, *, deadline: float, now: datetime
    ) -> SendVerdict:
        """Check the owner rule and the expiry, and write the intent with its hard deadline, in one atomic step.
        ``in_doubt``: there is an intent without an outcome (a crash, or another sender); reconcile before sending
        again."""

    async def begin_resend(
        self,
        conversation: str,
        message: OutboundMessage,
        *,
        deadline: float,
        now: datetime,
        held: datetime | None = None,
    ) -> SendVerdict:
        """Do as ``begin_send`` for a message in doubt that is known not to have been shown: check owner rule and expiry
        again, and replace the old intent. ``in_doubt`` while the old deadline has not passed, unless it is ``held``:
        the deadline of the caller's own intent, whose attempt has ended."""

    async def withdraw(self, conversation: str, message_id: str) -> None:
        """Remove an intent whose call certainly did nothing. Changes nothing once there is an outcome."""

    async def intent_deadline(self, conversation: str, message_id: str) -> datetime | None:
        """The deadline of an intent without an outcome: its sender may act until then. None when there is none."""

    async def record(
        self,
        conversation: str,
        outcome: DeliveryOutcome,
        *,
        bound: VendorMessage | None = None,
        line: TranscriptMessage | None = None,
    ) -> RecordedLine:
        """Record an outcome. ``sent``, ``failed``, ``expired`` and ``stale_owner`` are final; ``unknown`` may be
        resolved later.

        ``bound`` is bound first, as by ``bind``: a vendor's echo that belongs to no send would be taken for a person's
        message. ``line``, with the id of ``outcome``, gets its state in the transcript as by ``Transcript.mark``, and
        is added if it is missing, unless it was ``dropped``."""

    async def outcome(self, conversation: str, message_id: str) -> DeliveryOutcome | None: ...
    async def by_external_id(self, tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
        """``(conversation, message id)``, as the sender stored them with ``bind``."""

    async def bind(
        self, tenant: str, channel: str, account: str, external_id: str, conversation: str, message_id: str
    ) -> None: ...
    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Intents without an outcome whose deadline passed before ``before``: ``(conversation, message id)``."""


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

    async def count_admitted(self, tenant: str, contact: str, action: str, day: str) -> int:
        """The number of keys that were counted against the contact's daily limit."""
