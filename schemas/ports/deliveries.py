"""Deliveries: the intent to send a message, its outcome, and the vendor's ids."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from schemas.conversation import DeliveryOutcome
from schemas.messages import OutboundMessage

SendVerdict = Literal["go", "stale_owner", "already_sent", "expired", "in_doubt"]


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

    async def record(self, conversation: str, outcome: DeliveryOutcome) -> None:
        """Record an outcome. ``sent``, ``failed``, ``expired`` and ``stale_owner`` are final; ``unknown`` may be
        resolved later."""

    async def outcome(self, conversation: str, message_id: str) -> DeliveryOutcome | None: ...
    async def by_external_id(self, tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
        """``(conversation, message id)``, as the sender stored them with ``bind``."""

    async def bind(
        self, tenant: str, channel: str, account: str, external_id: str, conversation: str, message_id: str
    ) -> None: ...
    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Intents without an outcome whose deadline passed before ``before``: ``(conversation, message id)``."""
