"""Owner changes: who may speak after each inbound event."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from agent_worker.handoff.cancel_handoff import wants_assistant
from agent_worker.handoff.handoff_period import OwnerChange
from agent_worker.turn.answered_watermark import AnsweredWatermark
from agent_worker.turn.inbound_events import HORIZON, InboundEvent
from schemas.conversation import Conversation, Owner, OwnerRequested
from schemas.desk import HandoffResolved
from schemas.handoff.requests import request_by_contact, request_by_message_of_person, request_by_resolution
from schemas.handoff.rules import OwnerState
from schemas.handoff.service import decide_request
from schemas.messages import Choice
from schemas.ports import BegunConversation, Conversations

_UNCHANGED_BY_CONTACT: frozenset[Owner] = frozenset({"agent", "person"})


class OwnerChangeHandler:
    """Changes the owner as events ask for it. Every change is one compare-and-set, idempotent by the id of the event
    that asked for it."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def apply(
        self,
        conversation: Conversation,
        events: Sequence[InboundEvent],
        begun: BegunConversation,
        now: datetime,
        changes: dict[str, OwnerChange | None],
        ratings: Container[str] = (),
        choices: Sequence[Choice] = (),
    ) -> bool:
        """Apply the requests of the unhandled events, in log order, and record each decision in ``changes``; recorded
        decisions stay. Return True if the owner changed. ``ratings``: ids of events that only rate; ``choices``: the
        choices of a contact who waits."""
        state, newest = OwnerState.of(conversation), conversation.epoch
        answered = AnsweredWatermark.from_facts(conversation.facts)
        for event in events:
            # The usual case: a contact's message does not change the owner.
            if (
                event.is_from_contact
                and state.owner in _UNCHANGED_BY_CONTACT
                and changes.setdefault(event.id, None) is None
            ):
                continue
            if not begun.handled.isdisjoint(event.ids) or (event.is_from_contact and answered.is_overtaken(event)):
                continue
            if event.id not in changes:
                request = find_owner_request(event, state, now, ratings, choices)
                changes[event.id] = None if request is None else await self._ask(conversation.id, request)
            # Decide only once: with a later owner, the same event might request something else.
            if (change := changes[event.id]) is None:
                continue
            # A request that was decided before returns its old result, which may be outdated.
            state = state.apply(change.request, change.result)
            newest = max(newest, state.epoch)
        return newest != conversation.epoch

    async def _ask(self, conversation: str, request: OwnerRequested) -> OwnerChange:
        return OwnerChange(request, await decide_request(self._conversations, conversation, request))


def find_owner_request(
    event: InboundEvent, state: OwnerState, now: datetime, ratings: Container[str] = (), choices: Sequence[Choice] = ()
) -> OwnerRequested | None:
    """The change of owner this event asks for, if any."""
    payload = event.payload
    if isinstance(payload, OwnerRequested):
        return payload
    if isinstance(payload, HandoffResolved):
        return request_by_resolution(event.id, payload, state)
    message = event.message
    if message is None or now - event.sent_at > HORIZON or event.id in ratings:
        return None
    if not event.is_from_contact:
        return request_by_message_of_person(event.id, message, state, now)
    wants_agent = state.owner == "queue" and wants_assistant(message, choices)
    is_replay = bool(event.envelope.replay_of)
    return request_by_contact(event.id, state, now, is_replay=is_replay, wants_agent=wants_agent)
