"""Events of the desk about one conversation, as they go on the log."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pydantic import BaseModel

from connectors.outbound.delivery_log import build_delivery_event
from schemas import topics
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand
from schemas.envelope import Envelope
from schemas.handoff.events import conversation_event


def desk_event(
    found: Conversation, kind: str, payload: BaseModel, event_id: str, now: datetime, acted: DeskCommand
) -> Envelope:
    """Wrap what follows from an act, or the act itself."""
    source = source_of(found, acted)
    return conversation_event(
        found, kind, payload, id=event_id, time=now, source=source, cause=acted.id, correlation=acted.id
    )


def source_of(found: Conversation, acted: DeskCommand) -> str:
    """Return the CloudEvents source of what happens at a desk."""
    return f"/desk/{acted.desk}/{found.origin.tenant}"


def outcome_event(found: Conversation, acted: DeskCommand, outcome: DeliveryOutcome) -> Envelope:
    """Wrap an outcome under the desk's own account, wherever the conversation happens."""
    caused = desk_event(found, topics.DESK_ACTED, acted, acted.id, outcome.at, acted)
    return build_delivery_event(replace(caused, channel=acted.desk, account=acted.account), outcome)
