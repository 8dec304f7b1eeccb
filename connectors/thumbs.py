"""Reactions that say whether an answer was any good, as the feedback that the web chat's thumbs are."""

from __future__ import annotations

from schemas import ids, topics
from schemas.changes import ReactionChanged
from schemas.envelope import Envelope, envelope
from schemas.facts import Feedback
from schemas.thumbs import Value, value_of

__all__ = ["fact", "value_of"]


def fact(event: Envelope, reaction: ReactionChanged, message_id: str, value: Value) -> Envelope:
    """The same for the same event, each time."""
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
