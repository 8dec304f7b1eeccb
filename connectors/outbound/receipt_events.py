"""Events that follow from receipts and reactions: a changed line for the desk, and feedback."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from schemas import ids, topics
from schemas.conversation_activity import Feedback, FeedbackValue, ReactionChanged
from schemas.desk import DeskUpdate
from schemas.envelope import Envelope, envelope


def build_following_event(
    origin: Envelope, kind: str, payload: BaseModel, event_id: str, at: datetime, *, traceparent: str = ""
) -> Envelope:
    """Build an event of the same conversation that ``origin`` has caused."""
    return envelope(
        kind,
        payload,
        id=event_id,
        time=at,
        source=f"/connectors/{origin.channel}/{origin.tenant}/{origin.account}",
        tenant=origin.tenant,
        channel=origin.channel,
        account=origin.account,
        conversation=origin.conversation,
        correlation_id=origin.correlation_id or origin.id,
        causation_id=origin.id,
        traceparent=traceparent,
    )


def build_line_changed(origin: Envelope, line: str, state: str, at: datetime) -> Envelope:
    """Build the event that a line of a conversation has changed. ``origin`` is any event of the conversation. The same
    state of the same line always gives the same id."""
    event_id = ids.derived_id(line, f"desk-touched:{state}")
    return build_following_event(origin, topics.DESK_UPDATE, DeskUpdate(changed=[line], at=at), event_id, at)


def build_feedback(event: Envelope, reaction: ReactionChanged, message_id: str, value: FeedbackValue) -> Envelope:
    """Build the feedback event of a reaction, the same each time for the same event."""
    return envelope(
        topics.FEEDBACK_GIVEN,
        Feedback(message_id=message_id, contact_id=reaction.contact_id, value=value, at=reaction.at),
        id=ids.derived_id(event.id, "feedback"),
        time=event.time,
        source=f"/connectors/{event.channel}/{event.tenant}/{event.account}",
        tenant=event.tenant,
        channel=event.channel,
        account=event.account,
        conversation=event.conversation,
        correlation_id=event.correlation_id,
        causation_id=message_id,
    )
