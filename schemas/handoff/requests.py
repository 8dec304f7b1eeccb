"""Owner requests that follow from events: the end of a turn, a message, a resolution, a lost answer.

Their ids follow from the event, so a repeated event requests the same change.
"""

from __future__ import annotations

from datetime import datetime

from schemas.conversation import Conversation, Owner, OwnerRequested
from schemas.desk import HandoffResolved
from schemas.handoff.rules import PEOPLE, OwnerState
from schemas.ids import derived_id
from schemas.messages import InboundMessage, OutboundMessage

RESOLVED = "resolved"
DELIVERY_UNKNOWN = "This answer may not have reached the customer, and can be sent again: “{text}”"
"""Reason why people get a conversation whose last answer may be lost."""
MOST_QUOTED = 120
"""Characters of that answer in the reason."""


def request_by_turn(conversation: Conversation, turn: str, to: Owner, reason: str, at: datetime) -> OwnerRequested:
    """Pass the conversation to people, or take it back, at the end of a turn. The request is part of its outbox."""
    return _request(turn, to, conversation.epoch, by="agent", reason=reason, at=at)


def request_by_contact(
    event_id: str, state: OwnerState, now: datetime, *, is_replay: bool, wants_agent: bool
) -> OwnerRequested | None:
    """Reopen a closed conversation for a contact who writes, unless the message is a replay. One who waits for a person
    may go back to the agent (``wants_agent``)."""
    if state.owner == "closed" and not is_replay:
        return _request(event_id, "agent", state.epoch, by="contact", reason="message after close", at=now)
    if state.owner == "queue" and wants_agent:
        reason = "the contact continues with the assistant"
        return _request(event_id, "agent", state.epoch, by="contact", reason=reason, at=now)
    return None


def request_by_message_of_person(
    event_id: str, message: InboundMessage, state: OwnerState, now: datetime
) -> OwnerRequested | None:
    """Give the conversation to a person who writes. If their desk or console claimed it first, the message has an epoch
    and that claim its own place in the log. They have had it since they wrote, however late that is read."""
    if state.owner == "person" or message.author.kind != "person" or message.epoch:
        return None
    name = message.author.name
    at = min(now, message.sent_at)
    return _request(event_id, "person", state.epoch, by=name or "person", name=name, reason="message", at=at)


def request_by_resolution(event_id: str, word: HandoffResolved, state: OwnerState) -> OwnerRequested | None:
    """Close a conversation that was resolved, where the surface has not closed it before. People who got it later keep
    it: theirs is not what was resolved."""
    holder = state.holder
    is_theirs = holder is None or (state.owner == "person" and holder.by == word.by) or word.at >= holder.since
    if state.owner not in PEOPLE or not is_theirs:
        return None
    reason = word.outcome or RESOLVED
    return _request(event_id, "closed", state.epoch, by=word.by, name=word.name, reason=reason, at=word.at)


def request_by_unknown_delivery(
    conversation: Conversation, message: OutboundMessage, at: datetime
) -> OwnerRequested | None:
    """Ask for people when an answer of the agent may be lost: only a person can find out, or decide to send it again.
    None while they have the conversation already."""
    if message.author.kind != "agent" or conversation.owner in PEOPLE:
        return None
    line = " ".join(message.text.split())
    quoted = line if len(line) <= MOST_QUOTED else f"{line[:MOST_QUOTED].rstrip()}…"
    return OwnerRequested(
        id=derived_id(message.id, "in-doubt"),
        to="queue",
        expected_epoch=conversation.epoch,
        by="agent",
        reason=DELIVERY_UNKNOWN.format(text=quoted),
        at=at,
    )


def _request(
    cause: str, to: Owner, epoch: int, *, by: str, reason: str, at: datetime, name: str = ""
) -> OwnerRequested:
    return OwnerRequested(
        id=derived_id(cause, f"own-{to}"), to=to, expected_epoch=epoch, by=by, name=name, reason=reason, at=at
    )
