"""Conversion of a channel's events into envelopes, the same for every channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from connectors.inbound import display_names
from connectors.inbound.reply_references import derive_event_id
from schemas import topics
from schemas.conversation import Contact, Origin
from schemas.envelope import Envelope, as_json
from schemas.errors import InvalidRequest
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.ports import Account, ChannelEvent, ContactUpdate
from schemas.privacy.cards import OwnNumbers, mask_cards
from schemas.runtime import tracing
from schemas.runtime.fair_rotation import PARTY_HEADER
from schemas.transcript import find_written_text
from schemas.validation.problems import describe_problem


@dataclass(slots=True)
class PendingEvent:
    """An event that is about to be appended."""

    conversation: str
    contact: Contact
    envelope: Envelope
    message: InboundMessage | None


def build_pending_event(
    account: Account, event: ChannelEvent, now: datetime, contact: Contact, conversation: str
) -> PendingEvent:
    own_id = derive_event_id(account, event.place, event.external_id, event.type, event.revision)
    payload = _build_payload(account, event, own_id, contact, now)
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
        extra={PARTY_HEADER: event.party} if event.party else {},
    )
    return PendingEvent(conversation, contact, wrapped, payload if isinstance(payload, InboundMessage) else None)


def build_contact_change(event: ChannelEvent, now: datetime) -> ContactUpdate:
    payload = event.payload
    opt_outs = (payload.get("opted_out"), payload.get("marketing_opted_out"))
    return ContactUpdate(
        at=payload.get("at", now),
        moved=opt_outs == (None, None),
        left=payload.get("left", ()),
        name=display_names.clean_display_name(payload.get("name", "")),
        opted_out=opt_outs[0],
        marketing_opted_out=opt_outs[1],
    )


def _build_payload(account: Account, event: ChannelEvent, own_id: str, contact: Contact, now: datetime) -> BaseModel:
    """Raises InvalidRequest, which names the field."""
    fields: dict[str, Any] = {
        "sent_at": now,
        "attachments": [],  # pydantic would deep-copy the model's own empty default
        **event.payload,
        "id": own_id,
        "external_id": event.external_id,
        "place": event.place,
        "contact_id": contact.id,
    }
    if event.type in (topics.MESSAGE_EDITED, topics.MESSAGE_DELETED):
        fields.setdefault(
            "message_id", derive_event_id(account, event.place, event.external_id, topics.MESSAGE_RECEIVED)
        )
    if event.type == topics.MESSAGE_RECEIVED:
        fields |= display_names.build_author_field(event.payload, contact)
    elif event.type == topics.RECEIPT_RECORDED:
        fields["external_id"] = event.payload.get("external_id", "")
    try:
        return topics.EVENT_TYPES[event.type][0].__pydantic_validator__.validate_python(fields)  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidRequest(f"{'.'.join(str(part) for part in first['loc'])}: {describe_problem(first)}") from error


def build_origin(account: Account, message: InboundMessage) -> Origin:
    return Origin(
        tenant=account.tenant,
        channel=account.channel,
        account=account.name,
        place=message.place,
        contact_id=message.contact_id,
    )


def has_same_content(one: TranscriptMessage, other: TranscriptMessage) -> bool:
    """Whether two lines say the same. What a voice note says was not part of the message when it came."""
    return _content(one) == _content(other)


def _content(line: TranscriptMessage) -> tuple[str, list[str], str]:
    return find_written_text(line), [file.id for file in line.attachments], line.in_reply_to


# Payment card numbers are masked in every event, before it is resolved, appended or shown. Ids are left alone: no
# person wrote them, and some vendors have long ones.
TEXT_FIELDS = frozenset({"text", "name", "attachments", "files", "location", "shared_contacts", "referral", "quote"})
"""Payload fields with text that a person wrote. Author names are cleaned in ``display_names``."""
UNMASKED_FIELDS = frozenset({"id", "kind", "type", "source"})
_UNMASKED_FILE_FIELDS = UNMASKED_FIELDS | {"ref"}


def mask_event(event: ChannelEvent, own: OwnNumbers | None) -> ChannelEvent:
    """Return the event with card numbers masked; the same object where it holds none. ``own`` recognizes the tenant's
    own numbers, which are not masked."""
    changed: dict[str, Any] = {}
    for field, value in event.payload.items():
        if value and field in TEXT_FIELDS:
            clean = mask_cards(value, own) if isinstance(value, str) else _mask(value, own, _unmasked_fields(field))
            if clean != value:
                changed[field] = clean
    return replace(event, payload={**event.payload, **changed}) if changed else event


def _unmasked_fields(field: str) -> frozenset[str]:
    return _UNMASKED_FILE_FIELDS if field == "files" else UNMASKED_FIELDS


def _mask(value: Any, own: OwnNumbers | None, unmasked: frozenset[str]) -> Any:
    if isinstance(value, str):
        return mask_cards(value, own)
    if isinstance(value, BaseModel):
        return value.model_copy(
            update={name: _mask(each, own, unmasked) for name, each in value if name not in unmasked}
        )
    if isinstance(value, Mapping):
        return {name: each if name in unmasked else _mask(each, own, unmasked) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(each, own, unmasked) for each in value]
    return value
