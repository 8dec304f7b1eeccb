"""Parsing of Twilio's webhooks: messages of contacts, and statuses of ours. All of it is untrusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field

from connectors.inbound.display_names import clean_display_name
from connectors.markup import clean_text
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio import addresses, sealed_choices
from connectors.whatsapp.twilio.errors import get_reason, is_temporary, parse_number
from schemas import topics
from schemas.errors import InvalidRequest
from schemas.messages import Author, FileKind, Location, Quote, ReceiptState, Referral, RemoteFile
from schemas.ports import Account, ChannelEvent

log = structlog.get_logger("parley.whatsapp")

MAX_FILES = 10
SID = r"^[A-Z]{2}[0-9a-fA-F]{32}$"
STATES: dict[str, ReceiptState] = {
    "accepted": "accepted",
    "scheduled": "accepted",
    "queued": "accepted",
    "sending": "accepted",
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
KINDS: dict[str, FileKind] = {"image": "image", "video": "video", "audio": "audio"}


class Form(BaseModel):
    """The parameters that are used. Blank and absent are the same."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sid: str = Field(alias="MessageSid", pattern=SID)
    sender: str = Field(alias="From", default="")
    recipient: str = Field(alias="To", default="")
    user: str = Field(alias="ExternalUserId", default="")
    number: str = Field(alias="WaId", default="")
    name: str = Field(alias="ProfileName", default="")
    body: str = Field(alias="Body", default="")
    kind: str = Field(alias="MessageType", default="")
    files: str = Field(alias="NumMedia", default="")
    latitude: str = Field(alias="Latitude", default="")
    longitude: str = Field(alias="Longitude", default="")
    place_name: str = Field(alias="Label", default="")
    place_address: str = Field(alias="Address", default="")
    button: str = Field(alias="ButtonPayload", default="")
    button_text: str = Field(alias="ButtonText", default="")
    row: str = Field(alias="ListId", default="")
    row_text: str = Field(alias="ListTitle", default="")
    flow: str = Field(alias="InteractiveData", default="")
    answered: str = Field(alias="OriginalRepliedMessageSid", default="")
    opt_out: str = Field(alias="OptOutType", default="")
    status: str = Field(alias="MessageStatus", default="")
    code: str = Field(alias="ErrorCode", default="")
    referral_source: str = Field(alias="ReferralSourceType", default="")
    referral_id: str = Field(alias="ReferralSourceId", default="")
    referral_click: str = Field(alias="ReferralCtwaClid", default="")
    referral_url: str = Field(alias="ReferralSourceUrl", default="")
    referral_headline: str = Field(alias="ReferralHeadline", default="")
    referral_body: str = Field(alias="ReferralBody", default="")


def parse_form(pairs: Sequence[tuple[str, str]], account: Account, marker: str, now: datetime) -> list[ChannelEvent]:
    """``marker``: ours, from the address that was called. Raises InvalidRequest."""
    fields = dict(reversed(pairs))  # the first of duplicates counts
    try:
        form = Form.model_validate(fields)
    except ValueError as error:
        # Nothing else is checked: every other parameter may be absent, and has any text.
        problem = "must be two capital letters and 32 hexadecimal digits" if fields.get("MessageSid") else "is missing"
        raise InvalidRequest(f"MessageSid {problem}") from error
    ours, theirs = (form.sender, form.recipient) if form.status else (form.recipient, form.sender)
    owner = _find_owner(ours, account)
    ids = addresses.parse_ids(*([theirs] if form.status else [form.user, theirs, form.number]))
    if owner is None or not ids or not theirs.startswith(addresses.PREFIX):
        return _log_skipped(account, form, "not_of_this_sender" if owner is None else "not_on_whatsapp")
    event_data = _build_receipt(form, marker, now) if form.status else _build_message(form, fields, owner, now)
    if event_data is None:
        return _log_skipped(account, form, "unknown_status")
    kind, revision, payload = event_data
    contact_addresses = addresses.build_addresses(ids)
    return [
        ChannelEvent(kind, ids[0], form.sid, payload, contact_addresses, revision, None if owner is account else owner)
    ]


def _find_owner(address: str, account: Account) -> Account | None:
    """Return the account of this number: several accounts may share a webhook address."""
    if address == account.settings.from_:
        return account
    called: TwilioAccount = account.settings
    for each in account.siblings():
        settings = each.settings
        if isinstance(settings, TwilioAccount) and settings.from_ == address:
            # The signature proved the identity of one Twilio account only.
            is_same = (settings.account_sid, settings.auth_token) == (called.account_sid, called.auth_token)
            return each if is_same else None
    return None


ParsedForm = tuple[str, str, Mapping[str, Any]]
"""Event type, revision, payload."""


def _build_receipt(form: Form, marker: str, now: datetime) -> ParsedForm | None:
    state = STATES.get(form.status)
    if state is None:
        return None
    payload: dict[str, Any] = {"state": state, "at": now, "external_id": form.sid}
    if state == "failed":
        payload["reason"] = get_reason(form.code)
    # A temporary failure may be retried under the same marker, so it must not end the doubt.
    if state != "failed" or not is_temporary(form.code):
        payload["marker"] = marker
    return topics.RECEIPT_RECORDED, form.status, payload


def _build_message(form: Form, fields: Mapping[str, str], account: Account, now: datetime) -> ParsedForm:
    if form.opt_out in ("STOP", "START"):
        # Twilio has confirmed it already and would refuse our answer. HELP is an ordinary message.
        return topics.CONTACT_CHANGED, form.opt_out, {"opted_out": form.opt_out == "STOP", "at": now}
    choice = sealed_choices.open_choice(form.button or form.row, account.settings)
    payload: dict[str, Any] = {
        "author": Author(kind="contact", name=clean_display_name(form.name)),
        "text": clean_text(form.body or form.button_text or form.row_text),
        "files": _build_files(form, fields),
        "answers": form.answered,
    }
    optional = {"location": _build_location(form), "choice": choice, "referral": _build_referral(form)}
    payload |= {name: value for name, value in optional.items() if value is not None}
    if form.answered and not (form.button or form.row):
        payload["quote"] = Quote()
    if form.flow or not (payload["text"] or payload["files"] or optional["location"] or choice):
        payload["unsupported"] = "flow" if form.flow else clean_text(form.kind)[:40] or "unknown"
    return topics.MESSAGE_RECEIVED, "", payload


def _build_files(form: Form, fields: Mapping[str, str]) -> list[RemoteFile]:
    count = min(parse_number(form.files), MAX_FILES)
    types = {
        fields[f"MediaUrl{n}"]: fields.get(f"MediaContentType{n}", "")
        for n in range(count)
        if fields.get(f"MediaUrl{n}")
    }
    return [RemoteFile(ref=url, kind=_get_kind(type_, form.kind), type=type_) for url, type_ in types.items()]


def _get_kind(type_: str, message: str) -> FileKind:
    if message == "sticker":
        return "sticker"
    kind = KINDS.get(type_.partition("/")[0], "file")
    # Voice notes are Opus in Ogg; music files hardly ever are.
    return "voice" if kind == "audio" and type_.startswith("audio/ogg") else kind


def _build_location(form: Form) -> Location | None:
    try:
        return Location(
            latitude=float(form.latitude),
            longitude=float(form.longitude),
            name=clean_text(form.place_name),
            address=clean_text(form.place_address),
        )
    except ValueError:
        return None


def _build_referral(form: Form) -> Referral | None:
    if not (form.referral_id or form.referral_url or form.referral_click):
        return None
    return Referral(
        source=clean_text(form.referral_source) or "ad",
        ref=clean_text(form.referral_click or form.referral_id),
        url=clean_text(form.referral_url),
        headline=clean_text(form.referral_headline),
        body=clean_text(form.referral_body),
    )


def _log_skipped(account: Account, form: Form, reason: str) -> list[ChannelEvent]:
    log.info("update_left_out", tenant=account.tenant, account=account.name, external_id=form.sid, reason=reason)
    return []
