"""Owner rules: what each inbound event means for who may speak (design §7)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

import structlog

from agent_worker.answered import Answered
from agent_worker.events import Event, is_handled, is_history
from agent_worker.handoff.returning import wants_assistant
from agent_worker.handoff.stretch import PEOPLE, Change
from schemas.conversation import Conversation, Owner, OwnerRequested
from schemas.desk import HandoffResolved
from schemas.ids import derived_id
from schemas.messages import Choice
from schemas.ports import Begun, Conversations

log = structlog.get_logger("parley.worker")
RESOLVED = "resolved"


class OwnerRules:
    """Every change is one compare-and-set, idempotent by the id of the event that asked for it."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def apply(
        self,
        conversation: Conversation,
        events: Sequence[Event],
        begun: Begun,
        now: datetime,
        changes: dict[str, Change],
        ratings: Container[str] = (),
        offered: Sequence[Choice] = (),
    ) -> bool:
        """Apply what the unhandled events ask for, in log order, and note in ``changes`` how each was decided. True
        when the owner changed. ``ratings``: events that only say how it went; ``offered``: what a contact who waits may
        choose."""
        owner, epoch = conversation.owner, conversation.epoch
        newest = conversation.epoch
        since = None if conversation.holder is None else conversation.holder.since
        answered = Answered.of(conversation.facts)
        for event in events:
            if is_handled(event, begun.handled) or (event.is_from_contact and answered.includes(event)):
                continue
            # What was decided for an event stays: asked again of the owner as it is by now, it might say otherwise.
            known = changes.get(event.id)
            request = known.request if known is not None else wanted(event, owner, epoch, now, ratings, since, offered)
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
                now=request.at,
            )
            log.info("owner_asked", to=request.to, won=result.won, owner=result.owner, epoch=result.epoch)
            changes[event.id] = Change(request, result)
            # A request that was decided before answers with what it won then, which may be long past.
            owner, epoch = result.owner, result.epoch
            newest = max(newest, epoch)
        return newest != conversation.epoch


def wanted(
    event: Event,
    owner: Owner,
    epoch: int,
    now: datetime,
    ratings: Container[str] = (),
    since: datetime | None = None,
    offered: Sequence[Choice] = (),
) -> OwnerRequested | None:
    """The change of owner this event asks for, if any. ``since``: when the owner became what it is."""
    payload = event.payload
    if isinstance(payload, OwnerRequested):
        return payload
    if isinstance(payload, HandoffResolved):
        return _of_resolving(event, payload, owner, epoch, since)
    message = event.message
    if message is None or is_history(event, now):
        return None
    if event.is_from_contact:
        return None if event.id in ratings else _of_contact(event, owner, epoch, now, offered)
    if owner != "person" and message.author.kind == "person" and not message.epoch:
        # Where the surface claimed before it sent the message, that claim has its own place in the log.
        return _request(event, "person", epoch, message.author.name or "person", "message", now, message.author.name)
    return None


def _of_resolving(
    event: Event, word: HandoffResolved, owner: Owner, epoch: int, since: datetime | None
) -> OwnerRequested | None:
    """Whoever resolves has mostly closed it before. What people have got since is no longer what was resolved."""
    if owner not in PEOPLE or (since is not None and word.at < since):
        return None
    return _request(event, "closed", epoch, word.by, word.outcome or RESOLVED, word.at, word.name)


def _of_contact(
    event: Event, owner: Owner, epoch: int, now: datetime, offered: Sequence[Choice]
) -> OwnerRequested | None:
    if owner == "closed" and not event.envelope.replay_of:
        return _request(event, "agent", epoch, "contact", "message after close", now)
    if owner == "queue" and event.message is not None and wants_assistant(event.message, offered):
        return _request(event, "agent", epoch, "contact", "the contact goes on with the assistant", now)
    return None


def _request(
    event: Event, to: Owner, epoch: int, by: str, reason: str, now: datetime, name: str = ""
) -> OwnerRequested:
    return OwnerRequested(
        id=derived_id(event.id, f"own-{to}"), to=to, expected_epoch=epoch, by=by, name=name, reason=reason, at=now
    )
