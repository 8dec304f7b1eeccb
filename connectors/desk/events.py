"""Events of the desk about one conversation, as they go on the log."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pydantic import BaseModel

from connectors.outbound.delivery_log import fact
from schemas import topics
from schemas.conversation import Conversation, Delivered
from schemas.desk import DeskActed
from schemas.envelope import Envelope
from schemas.handoff.events import conversation_event


def wrapped(found: Conversation, kind: str, payload: BaseModel, event_id: str, now: datetime, cause: str) -> Envelope:
    """``cause``: the act that this follows from."""
    return conversation_event(
        found, kind, payload, id=event_id, time=now, source=source_of(found), cause=cause, correlation=cause
    )


def source_of(found: Conversation) -> str:
    """The CloudEvents source of what happens at the desk."""
    return f"/desk/{topics.DESK}/{found.origin.tenant}"


def recorded(found: Conversation, acted: DeskActed, told: Delivered) -> Envelope:
    """The event of an outcome at the desk: under the desk's own account, wherever the conversation happens."""
    caused = wrapped(found, topics.DESK_ACTED, acted, acted.id, told.at, acted.id)
    return fact(replace(caused, channel=topics.DESK, account=acted.account), told)
