"""Inbound records as typed events, and the few facts about them that decide how a batch is treated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel

from schemas.actions import ActionResolved, ApprovalDecided, ApprovalExpired
from schemas.changes import ContactChanged, MessageDeleted, MessageEdited, ReactionChanged, value_of
from schemas.conversation import HANDLED_HORIZON_DAYS, Origin, OwnerRequested
from schemas.desk import DraftRequested, HandoffResolved
from schemas.envelope import Envelope
from schemas.errors import RecordError, UndecodableRecord, UnknownEventType
from schemas.messages import InboundMessage, Receipt
from schemas.ports import Record
from schemas.topics import EVENT_TYPES

SETTLING = ActionResolved | ApprovalDecided | ApprovalExpired
ACTS = OwnerRequested | HandoffResolved | DraftRequested
"""Of people, beside what they write."""
HORIZON = timedelta(days=HANDLED_HORIZON_DAYS)


@dataclass(slots=True)
class Event:
    """One decoded record. Never changed once made; not declared frozen, which would make making one slower."""

    record: Record
    envelope: Envelope
    payload: BaseModel
    id: str
    message: InboundMessage | None
    """The payload, when it is a message."""
    is_from_contact: bool
    is_urgent: bool
    """People act, or something is known at last: nothing may wait for a quiet time behind it."""

    @property
    def speaker(self) -> str:
        """The contact who wrote, changed or reacted; empty for all else."""
        if self.message is not None:
            return self.message.contact_id if self.is_from_contact else ""
        return self.payload.contact_id if isinstance(self.payload, MessageEdited | ReactionChanged) else ""

    @classmethod
    def of(cls, record: Record, envelope: Envelope, payload: BaseModel) -> Event:
        # What is asked a dozen times a turn is found out once.
        message = payload if isinstance(payload, InboundMessage) else None
        from_contact = message is not None and message.author.kind == "contact"
        urgent = isinstance(payload, ACTS | SETTLING) or (message is not None and not from_contact)
        return cls(record, envelope, payload, envelope.id, message, from_contact, urgent)


@dataclass(slots=True)
class Decoded:
    events: list[Event] = field(default_factory=list)
    poison: list[tuple[Record, RecordError]] = field(default_factory=list)


def decode(record: Record) -> Event:
    """Raises UndecodableRecord or UnknownEventType: such a record is set aside alone."""
    envelope = Envelope.from_wire(record.headers, record.value)
    try:
        model, family = EVENT_TYPES[envelope.type]
    except KeyError:
        raise UnknownEventType(f"unknown event type {envelope.type!r}") from None
    if family != "inbound":
        raise UnknownEventType(f"{envelope.type} does not belong on an inbound topic")
    if envelope.conversation != record.key:
        raise UndecodableRecord("record key and ce_conversation differ")
    return Event.of(record, envelope, envelope.payload(model))


def decode_all(records: Iterable[Record]) -> Decoded:
    """What the worker has to act on. Receipts and reactions are applied by a consumer of their own, and who a contact
    is by the edge; only the failure of a message concerns us, and a thumb up, which may be a yes."""
    out = Decoded()
    for record in records:
        try:
            event = decode(record)
        except RecordError as error:
            out.poison.append((record, error))
            continue
        payload = event.payload
        if isinstance(payload, ContactChanged) or (isinstance(payload, ReactionChanged) and value_of(payload) != "up"):
            continue
        if not (isinstance(payload, Receipt) and payload.state != "failed"):
            out.events.append(event)
    return out


def origin_of(events: Iterable[Event]) -> Origin | None:
    """Where the conversation happens, from the first event that says so."""
    for event in events:
        payload = event.payload
        if isinstance(payload, InboundMessage | MessageEdited | MessageDeleted | ReactionChanged):
            envelope = event.envelope
            return Origin(
                tenant=envelope.tenant,
                channel=envelope.channel,
                account=envelope.account,
                place=payload.place,
                contact_id=payload.contact_id,
            )
    return None


def ids_of(events: Iterable[Event]) -> list[str]:
    """Ids to look up as handled: a replay counts as handled when its original was. Of an edit also the message's, which
    tells whether that has come yet."""
    ids: dict[str, None] = {}
    for event in events:
        ids[event.id] = None
        if isinstance(event.payload, MessageEdited):
            ids[event.payload.message_id] = None
        if event.envelope.replay_of:
            ids[event.envelope.replay_of] = None
    return list(ids)


def is_handled(event: Event, handled: frozenset[str]) -> bool:
    return event.id in handled or (bool(event.envelope.replay_of) and event.envelope.replay_of in handled)


def is_history(event: Event, now: datetime) -> bool:
    """Older than the horizon in which its id would be remembered: to be recorded, never answered."""
    sent = event.message.sent_at if event.message is not None else event.envelope.time
    return now - sent > HORIZON


def waited(record: Record, now: datetime) -> float:
    """Seconds since the record was appended; never negative, whatever the clocks say."""
    return max(0.0, now.timestamp() - record.timestamp_ms / 1000)
