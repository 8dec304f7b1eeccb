"""A colleague's yes or no to an action that waits for it."""

from __future__ import annotations

from typing import Literal
from uuid import uuid4

from gateway.wiring.parts import Parts
from schemas import topics
from schemas.actions import ActionMemory, ApprovalDecided, PendingApproval
from schemas.conversation import Conversation
from schemas.envelope import envelope
from schemas.errors import Conflict, NotFound, Unavailable
from schemas.privacy.cards import masked


class Decisions:
    """The conversation's own state says what waits; a decision is an event in its lane, and the first one counts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def decide(
        self,
        found: Conversation,
        wanted: str,
        decision: Literal["approve", "deny"],
        *,
        by: str,
        reason: str = "",
        source: str,
    ) -> None:
        """``by`` is for the record: who it was. Raises NotFound, Conflict (expired), Unavailable."""
        approval = next((each for each in waiting(found) if each.id == wanted), None)
        if approval is None:
            raise NotFound("no such approval waits: it was decided before, or never asked for")
        now, origin = self._parts.clock(), found.origin
        if approval.expires_at <= now:
            raise Conflict("the approval has expired")
        if self._parts.lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        said = {"by": masked(by), "reason": masked(reason)}
        word = ApprovalDecided(approval_id=approval.id, decision=decision, at=now, **said)
        event = envelope(
            topics.APPROVAL_DECIDED,
            word,
            id=str(uuid4()),
            time=now,
            source=source,
            tenant=origin.tenant,
            channel=origin.channel,
            account=origin.account,
            conversation=found.id,
            correlation_id=approval.id,
            causation_id=approval.id,
        )
        await self._parts.bus.append([event])


def waiting(conversation: Conversation) -> list[PendingApproval]:
    return (conversation.facts.actions or ActionMemory()).approvals
