"""Events of a channel as records: the same for every channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from connectors import names
from connectors.references import event_id
from schemas import spans, topics
from schemas.conversation import Contact, Origin
from schemas.envelope import Envelope, as_json
from schemas.errors import InvalidRequest
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.ports import Account, Change, Event


@dataclass(slots=True)
class Entry:
    """An event on its way to the log."""

    conversation: str
    contact: Contact
    envelope: Envelope
    message: InboundMessage | None


def entry_of(account: Account, event: Event, now: datetime, contact: Contact, conversation: str) -> Entry:
    own_id = event_id(account, event.place, event.external_id, event.type, event.revision)
    payload = _payload(account, event, own_id, contact, now)
    wrapped = Envelope(
        id=own_id,
        type=event.type,
        data=as_json(payload),
        time=now,
        source=f"/connectors/{account.channel}/{account.tenant}/{account.name}",
        tenant=account.tenant,
        channel=account.channel,
        account=account.name,
        conversation=conversation,
        correlation_id=own_id,
        traceparent=spans.traceparent(),
    )
    return Entry(conversation, contact, wrapped, payload if isinstance(payload, InboundMessage) else None)


def change_of(event: Event, now: datetime) -> Change:
    told = event.payload
    wishes = (told.get("opted_out"), told.get("marketing_opted_out"))
    return Change(
        at=told.get("at", now),
        moved=wishes == (None, None),
        left=told.get("left", ()),
        name=names.shown_name(told.get("name", "")),
        opted_out=wishes[0],
        marketing_opted_out=wishes[1],
    )


def _payload(account: Account, event: Event, own_id: str, contact: Contact, now: datetime) -> BaseModel:
    """Raises InvalidRequest, which names the field."""
    fields: dict[str, Any] = {
        "sent_at": now,
        "attachments": [],  # the model would make a deep copy of its own empty list
        **event.payload,
        "id": own_id,
        "external_id": event.external_id,
        "place": event.place,
        "contact_id": contact.id,
    }
    if event.type in (topics.MESSAGE_EDITED, topics.MESSAGE_DELETED):
        fields.setdefault("message_id", event_id(account, event.place, event.external_id, topics.MESSAGE_RECEIVED))
    if event.type == topics.MESSAGE_RECEIVED:
        fields |= names.signed(event.payload, contact)
    elif event.type == topics.RECEIPT_RECORDED:
        fields["external_id"] = event.payload.get("external_id", "")
    try:
        return topics.EVENT_TYPES[event.type][0].__pydantic_validator__.validate_python(fields)  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidRequest(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def origin_of(account: Account, message: InboundMessage) -> Origin:
    return Origin(
        tenant=account.tenant,
        channel=account.channel,
        account=account.name,
        place=message.place,
        contact_id=message.contact_id,
    )


def is_same(one: TranscriptMessage, other: TranscriptMessage) -> bool:
    return (one.text, one.attachments, one.in_reply_to) == (other.text, other.attachments, other.in_reply_to)
