"""Events of the desk about one conversation, as they go on the log."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pydantic import BaseModel

from connectors.outbound.delivery_log import fact
from schemas import topics
from schemas.conversation import Conversation, Delivered
from schemas.desk import DeskActed
from schemas.envelope import Envelope, envelope


def wrapped(found: Conversation, kind: str, payload: BaseModel, event_id: str, now: datetime, cause: str) -> Envelope:
    """``cause``: the act that this follows from."""
    origin = found.origin
    return envelope(
        kind,
        payload,
        id=event_id,
        time=now,
        source=f"/desk/{topics.DESK}/{origin.tenant}",
        tenant=origin.tenant,
        channel=origin.channel,
        account=origin.account,
        conversation=found.id,
        correlation_id=cause,
        causation_id=cause if cause != event_id else "",
    )


def recorded(found: Conversation, acted: DeskActed, told: Delivered) -> Envelope:
    """The event of an outcome at the desk: under the desk's own account, wherever the conversation happens."""
    caused = wrapped(found, topics.DESK_ACTED, acted, acted.id, told.at, acted.id)
    return fact(replace(caused, channel=topics.DESK, account=acted.account), told)
