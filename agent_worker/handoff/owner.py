"""Owner rules: what each inbound event means for who may speak (design §7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from agent_worker.answered import Answered
from agent_worker.events import Event, is_handled, is_history
from schemas.conversation import Conversation, Owner, OwnerRequested
from schemas.ids import derived_id
from schemas.ports import Begun, Conversations

log = structlog.get_logger("parley.worker")


class OwnerRules:
    """Every change is one compare-and-set, idempotent by the id of the event that asked for it."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def apply(self, conversation: Conversation, events: Sequence[Event], begun: Begun, now: datetime) -> bool:
        """Apply what the unhandled events ask for, in log order. True when the owner changed."""
        owner, epoch = conversation.owner, conversation.epoch
        newest = conversation.epoch
        answered = Answered.of(conversation.facts)
        for event in events:
            if is_handled(event, begun.handled) or (event.is_from_contact and answered.includes(event)):
                continue
            request = wanted(event, owner, epoch, now)
            if request is None:
                continue
            result = await self._conversations.own(
                conversation.id,
                request.to,
                expected_epoch=request.expected_epoch,
                request_id=request.id,
                by=request.by,
                name=request.name,
                reason=request.reason,
                now=now,
            )
            log.info("owner_asked", to=request.to, won=result.won, owner=result.owner, epoch=result.epoch)
            # A request that was decided before answers with what it won then, which may be long past.
            owner, epoch = result.owner, result.epoch
            newest = max(newest, epoch)
        return newest != conversation.epoch


def wanted(event: Event, owner: Owner, epoch: int, now: datetime) -> OwnerRequested | None:
    """The change of owner this event asks for, if any."""
    if isinstance(event.payload, OwnerRequested):
        return event.payload
    message = event.message
    if message is None or is_history(event, now):
        return None
    if event.is_from_contact:
        if owner == "closed" and not event.envelope.replay_of:
            return _request(event, "agent", epoch, "contact", "message after close", now)
    elif owner != "person" and message.author.kind == "person" and not message.epoch:
        # Where the surface claimed before it sent the message, that claim has its own place in the log.
        return _request(event, "person", epoch, message.author.name or "person", "message", now)
    return None


def _request(event: Event, to: Owner, epoch: int, by: str, reason: str, now: datetime) -> OwnerRequested:
    return OwnerRequested(
        id=derived_id(event.id, f"own-{to}"), to=to, expected_epoch=epoch, by=by, reason=reason, at=now
    )
