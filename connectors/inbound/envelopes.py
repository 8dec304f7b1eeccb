"""Events of a channel as records: the same for every channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from connectors.inbound import display_names
from connectors.inbound.reply_references import event_id
from schemas import topics, tracing
from schemas.conversation import Contact, Origin
from schemas.envelope import Envelope, as_json
from schemas.errors import InvalidRequest
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.ports import Account, Change, Event
from schemas.privacy.cards import OwnNumbers, masked


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
        traceparent=tracing.traceparent(),
    )
    return Entry(conversation, contact, wrapped, payload if isinstance(payload, InboundMessage) else None)


def change_of(event: Event, now: datetime) -> Change:
    told = event.payload
    wishes = (told.get("opted_out"), told.get("marketing_opted_out"))
    return Change(
        at=told.get("at", now),
        moved=wishes == (None, None),
        left=told.get("left", ()),
        name=display_names.shown_name(told.get("name", "")),
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
        fields |= display_names.signed(event.payload, contact)
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


# What an event says, without the numbers of payment cards: whatever came by whichever way, before it is resolved,
# appended or shown to anybody. Ids stay: they say nothing that a person wrote, and vendors have long ones.
WRITTEN = frozenset({"text", "name", "attachments", "files", "location", "shared_contacts", "referral", "quote"})
"""Fields of payloads that hold somebody's words. What an author is called, names.py reads."""
KEPT = frozenset({"id", "kind", "type", "source"})
_KEPT_OF_FILES = KEPT | {"ref"}


def without_cards(event: Event, own: OwnNumbers | None) -> Event:
    """The event itself where it holds none. ``own``: what finds the tenant's own numbers."""
    changed: dict[str, Any] = {}
    for field, said in event.payload.items():
        if said and field in WRITTEN:
            kept = masked(said, own) if isinstance(said, str) else _masked(said, own, _kept(field))
            if kept != said:
                changed[field] = kept
    return replace(event, payload={**event.payload, **changed}) if changed else event


def _kept(field: str) -> frozenset[str]:
    return _KEPT_OF_FILES if field == "files" else KEPT


def _masked(value: Any, own: OwnNumbers | None, kept: frozenset[str]) -> Any:
    if isinstance(value, str):
        return masked(value, own)
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _masked(each, own, kept) for name, each in value if name not in kept})
    if isinstance(value, Mapping):
        return {name: each if name in kept else _masked(each, own, kept) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each, own, kept) for each in value]
    return value
