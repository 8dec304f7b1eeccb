"""Envelopes of desk events about one conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import BaseModel

from connectors.outbound.delivery_log import build_delivery_event
from schemas import topics
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand
from schemas.envelope import Envelope
from schemas.handoff.events import conversation_event
from schemas.messages import Attachment, Author, InboundMessage


def build_desk_event(
    conversation: Conversation, kind: str, payload: BaseModel, event_id: str, now: datetime, command: DeskCommand
) -> Envelope:
    """Wrap a command, or an event that follows from it."""
    source = event_source(conversation, command)
    return conversation_event(
        conversation, kind, payload, id=event_id, time=now, source=source, cause=command.id, correlation=command.id
    )


def event_source(conversation: Conversation, command: DeskCommand) -> str:
    """Return the CloudEvents source of events at a desk."""
    return f"/desk/{command.desk}/{conversation.origin.tenant}"


def build_reply_event(
    conversation: Conversation, command: DeskCommand, epoch: int, files: Sequence[Attachment], now: datetime
) -> Envelope:
    """Build the message of a person to the contact. It shares its id with the command's event at the desk."""
    origin = conversation.origin
    message = InboundMessage(
        id=command.id,
        external_id=command.external_id,
        place=origin.place,
        contact_id=origin.contact_id,
        author=Author(kind="person", name=command.name),
        text=command.text,
        attachments=list(files),
        epoch=epoch,
        sent_at=command.at,
    )
    return build_desk_event(conversation, topics.MESSAGE_RECEIVED, message, command.id, now, command)


def build_outcome_event(conversation: Conversation, command: DeskCommand, outcome: DeliveryOutcome) -> Envelope:
    """Wrap an outcome under the desk's own channel and account, not those of the conversation."""
    base = build_desk_event(conversation, topics.DESK_COMMAND, command, command.id, outcome.at, command)
    return build_delivery_event(replace(base, channel=command.desk, account=command.account), outcome)
