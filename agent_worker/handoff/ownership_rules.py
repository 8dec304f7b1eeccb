"""Owner rules: what each inbound event means for who may speak (design §7)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

import structlog

from agent_worker.handoff.cancel_handoff import wants_assistant
from agent_worker.handoff.handoff_period import PEOPLE, Change
from agent_worker.turn.answered_watermark import Answered
from agent_worker.turn.inbound_events import Event, is_handled, is_history
from schemas.conversation import Conversation, Holder, Owner, OwnerRequested
from schemas.desk import HandoffResolved
from schemas.ids import derived_id
from schemas.messages import Choice
from schemas.ports import Begun, Conversations

log = structlog.get_logger("parley.worker")
RESOLVED = "resolved"
_UNMOVED: frozenset[Owner] = frozenset({"agent", "person"})


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
        changes: dict[str, Change | None],
        ratings: Container[str] = (),
        offered: Sequence[Choice] = (),
    ) -> bool:
        """Apply what the unhandled events ask for, in log order, and note in ``changes`` how each was decided: what is
        noted there stays. True when the owner changed. ``ratings``: events that only say how it went; ``offered``: what
        a contact who waits may choose."""
        owner, epoch = conversation.owner, conversation.epoch
        newest = conversation.epoch
        holder = conversation.holder
        answered = Answered.of(conversation.facts)
        for event in events:
            # As nearly always: what a contact writes then changes nothing of who may speak.
            if event.is_from_contact and owner in _UNMOVED and changes.setdefault(event.id, None) is None:
                continue
            if is_handled(event, begun.handled) or (event.is_from_contact and answered.includes(event)):
                continue
            if event.id not in changes:
                request = wanted(event, owner, epoch, now, ratings, holder, offered)
                changes[event.id] = None if request is None else await self._ask(conversation.id, request)
            # Once decided: asked again of the owner as it is by then, an event might mean something else.
            if (change := changes[event.id]) is None:
                continue
            request, result = change.request, change.owned
            # A request that was decided before answers with what it won then, which may be long past.
            owner, epoch = result.owner, result.epoch
            if result.won:
                holder = Holder(by=request.by, since=request.at)
            newest = max(newest, epoch)
        return newest != conversation.epoch

    async def _ask(self, conversation: str, request: OwnerRequested) -> Change:
        result = await self._conversations.own(
            conversation,
            request.to,
            expected_epoch=request.expected_epoch,
            request_id=request.id,
            by=request.by,
            name=request.name,
            reason=request.reason,
            now=request.at,
        )
        log.info("owner_asked", to=request.to, won=result.won, owner=result.owner, epoch=result.epoch)
        return Change(request, result)


def wanted(
    event: Event,
    owner: Owner,
    epoch: int,
    now: datetime,
    ratings: Container[str] = (),
    holder: Holder | None = None,
    offered: Sequence[Choice] = (),
) -> OwnerRequested | None:
    """The change of owner this event asks for, if any. ``holder``: who made the owner what it is."""
    payload = event.payload
    if isinstance(payload, OwnerRequested):
        return payload
    if isinstance(payload, HandoffResolved):
        return _of_resolving(event, payload, owner, epoch, holder)
    message = event.message
    if message is None or is_history(event, now):
        return None
    if event.is_from_contact:
        return None if event.id in ratings else _of_contact(event, owner, epoch, now, offered)
    if owner != "person" and message.author.kind == "person" and not message.epoch:
        # Where the surface claimed before it sent the message, that claim has its own place in the log.
        # Whoever has written has it since then, however late that is read.
        at, name = min(now, message.sent_at), message.author.name
        return _request(event, "person", epoch, name or "person", "message", at, name)
    return None


def _of_resolving(
    event: Event, word: HandoffResolved, owner: Owner, epoch: int, holder: Holder | None
) -> OwnerRequested | None:
    """Whoever resolves has mostly closed it before. What people have got since is no longer what was resolved."""
    theirs = holder is None or (owner == "person" and holder.by == word.by) or word.at >= holder.since
    if owner not in PEOPLE or not theirs:
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
