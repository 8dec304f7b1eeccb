"""Events about one conversation."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from schemas.conversation import Conversation
from schemas.envelope import Envelope, envelope


def conversation_event(
    conversation: Conversation,
    kind: str,
    payload: BaseModel,
    *,
    id: str,
    time: datetime,
    source: str,
    cause: str = "",
    correlation: str = "",
) -> Envelope:
    """Wrap a payload in the envelope of a conversation. ``cause``: the id of the event that it follows from.
    ``correlation`` defaults to the cause, and to the event itself where it has none."""
    origin = conversation.origin
    return envelope(
        kind,
        payload,
        id=id,
        time=time,
        source=source,
        tenant=origin.tenant,
        channel=origin.channel,
        account=origin.account,
        conversation=conversation.id,
        correlation_id=correlation or cause or id,
        causation_id=cause if cause != id else "",
    )
