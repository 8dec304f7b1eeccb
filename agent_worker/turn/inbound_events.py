"""Inbound records as typed events, and the facts about them that decide how a batch is treated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel

from schemas.actions import ActionResolved, ApprovalDecided, ApprovalExpired
from schemas.conversation import HANDLED_HORIZON_DAYS, OwnerRequested
from schemas.conversation_activity import ContactChanged, MessageEdited, ReactionChanged, feedback_value
from schemas.desk import DraftRequested, HandoffResolved
from schemas.envelope import Envelope
from schemas.errors import RecordError, UndecodableRecord, UnknownEventType
from schemas.messages import InboundMessage, Receipt
from schemas.ports import Record
from schemas.topics import EVENT_TYPES

ActionUpdate = ActionResolved | ApprovalDecided | ApprovalExpired
"""Decisions and outcomes of actions."""
PersonCommand = OwnerRequested | HandoffResolved | DraftRequested
"""Commands of people, beside their messages."""
HORIZON = timedelta(days=HANDLED_HORIZON_DAYS)
"""Older events are recorded and never answered, because their ids may be forgotten already."""


@dataclass(slots=True)
class InboundEvent:
    """One decoded record. Never changed once made; not declared frozen, which would make making one slower."""

    record: Record
    envelope: Envelope
    payload: BaseModel
    id: str
    message: InboundMessage | None
    """The payload, when it is a message."""
    is_from_contact: bool
    is_urgent: bool
    """A person's message or an action's outcome: the turn must not wait for a quiet period."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Its id, and the id of the event that it replays: it counts as handled if either is."""
        return (self.id, self.envelope.replay_of) if self.envelope.replay_of else (self.id,)

    @property
    def sent_at(self) -> datetime:
        return self.message.sent_at if self.message is not None else self.envelope.time

    @property
    def speaker(self) -> str:
        """The contact who wrote, edited or reacted; empty for every other event."""
        if self.message is not None:
            return self.message.contact_id if self.is_from_contact else ""
        return self.payload.contact_id if isinstance(self.payload, MessageEdited | ReactionChanged) else ""

    @classmethod
    def of(cls, record: Record, envelope: Envelope, payload: BaseModel) -> InboundEvent:
        # Computed once, because a turn reads these a dozen times.
        message = payload if isinstance(payload, InboundMessage) else None
        from_contact = message is not None and message.author.kind == "contact"
        urgent = isinstance(payload, PersonCommand | ActionUpdate) or (message is not None and not from_contact)
        return cls(record, envelope, payload, envelope.id, message, from_contact, urgent)


@dataclass(slots=True)
class EventBatch:
    """The events of a batch, and the records that could not be decoded."""

    events: list[InboundEvent] = field(default_factory=list)
    failures: list[tuple[Record, RecordError]] = field(default_factory=list)


def decode(record: Record) -> InboundEvent:
    """Decode one record. Raises UndecodableRecord or UnknownEventType; only that record is set aside."""
    envelope = Envelope.from_wire(record.headers, record.value)
    try:
        model, family = EVENT_TYPES[envelope.type]
    except KeyError:
        raise UnknownEventType(f"unknown event type {envelope.type!r}") from None
    if family != "inbound":
        raise UnknownEventType(f"{envelope.type} does not belong on an inbound topic")
    if envelope.conversation != record.key:
        raise UndecodableRecord("record key and ce_conversation differ")
    return InboundEvent.of(record, envelope, envelope.payload(model))


def decode_all(records: Iterable[Record]) -> EventBatch:
    """Decode the records that concern a worker. Receipts, reactions and contact changes are applied elsewhere; of them
    only a failed message matters here, and a thumb up, which may be a yes."""
    batch = EventBatch()
    for record in records:
        try:
            event = decode(record)
        except RecordError as error:
            batch.failures.append((record, error))
            continue
        payload = event.payload
        if isinstance(payload, ContactChanged) or (
            isinstance(payload, ReactionChanged) and feedback_value(payload) != "up"
        ):
            continue
        if not (isinstance(payload, Receipt) and payload.state != "failed"):
            batch.events.append(event)
    return batch


def seconds_since_append(record: Record, now: datetime) -> float:
    """Return the seconds since the record was appended; never negative, even if clocks differ."""
    return max(0.0, now.timestamp() - record.timestamp_ms / 1000)
