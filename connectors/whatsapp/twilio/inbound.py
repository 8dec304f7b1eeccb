"""What Twilio posts: messages of contacts, and the statuses of ours. All of it is somebody else's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field

from connectors.inbound.display_names import shown_name
from connectors.markup import printable
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio import addresses, sealed_choices
from connectors.whatsapp.twilio.errors import is_passing, number, reason
from schemas import topics
from schemas.errors import InvalidRequest
from schemas.messages import Author, FileKind, Location, Quote, ReceiptState, Referral, RemoteFile
from schemas.ports import Account, Event

log = structlog.get_logger("parley.whatsapp")

MOST_FILES = 10
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
    """The parameters that are read, of the many there are. Blank and absent are the same."""

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


def events(pairs: Sequence[tuple[str, str]], account: Account, marker: str, now: datetime) -> list[Event]:
    """``marker``: ours, from the address that was called. Raises InvalidRequest."""
    told = dict(reversed(pairs))  # of a name that comes twice, the first
    try:
        form = Form.model_validate(told)
    except ValueError as error:
        raise InvalidRequest("MessageSid is missing") from error
    ours, theirs = (form.sender, form.recipient) if form.status else (form.recipient, form.sender)
    owner = _owner(ours, account)
    ids = addresses.identified(*([theirs] if form.status else [form.user, theirs, form.number]))
    if owner is None or not ids or not theirs.startswith(addresses.PREFIX):
        return _left_out(account, form, "not_of_this_sender" if owner is None else "not_on_whatsapp")
    found = _receipt(form, marker, now) if form.status else _message(form, told, owner, now)
    if found is None:
        return _left_out(account, form, "unknown_status")
    kind, revision, payload = found
    known_as = addresses.addresses(ids)
    return [Event(kind, ids[0], form.sid, payload, known_as, revision, None if owner is account else owner)]


def _owner(address: str, account: Account) -> Account | None:
    """The one of our senders that it is about: several may be called at one address."""
    if address == account.settings.from_:
        return account
    of: TwilioAccount = account.settings
    for each in account.siblings():
        theirs = each.settings
        if isinstance(theirs, TwilioAccount) and theirs.from_ == address:
            # The signature proved who the Twilio account is, and nothing about any other.
            is_same = (theirs.account_sid, theirs.auth_token) == (of.account_sid, of.auth_token)
            return each if is_same else None
    return None


Found = tuple[str, str, Mapping[str, Any]]
"""Type, revision, payload."""


def _receipt(form: Form, marker: str, now: datetime) -> Found | None:
    state = STATES.get(form.status)
    if state is None:
        return None
    payload: dict[str, Any] = {"state": state, "at": now, "external_id": form.sid}
    if state == "failed":
        payload["reason"] = reason(form.code)
    # A try that Twilio could not carry through may be repeated under the same marker, which it must not end then.
    if state != "failed" or not is_passing(form.code):
        payload["marker"] = marker
    return topics.RECEIPT_RECORDED, form.status, payload


def _message(form: Form, told: Mapping[str, str], account: Account, now: datetime) -> Found:
    if form.opt_out in ("STOP", "START"):
        # Twilio has confirmed it already, and an answer of ours would be refused. HELP is a message like any other.
        return topics.CONTACT_CHANGED, form.opt_out, {"opted_out": form.opt_out == "STOP", "at": now}
    choice = sealed_choices.opened(form.button or form.row, account.settings)
    payload: dict[str, Any] = {
        "author": Author(kind="contact", name=shown_name(form.name)),
        "text": printable(form.body or form.button_text or form.row_text),
        "files": _files(form, told),
        "answers": form.answered,
    }
    optional = {"location": _location(form), "choice": choice, "referral": _referral(form)}
    payload |= {name: value for name, value in optional.items() if value is not None}
    if form.answered and not (form.button or form.row):
        payload["quote"] = Quote()
    if form.flow or not (payload["text"] or payload["files"] or optional["location"] or choice):
        payload["unsupported"] = "flow" if form.flow else printable(form.kind)[:40] or "unknown"
    return topics.MESSAGE_RECEIVED, "", payload


def _files(form: Form, told: Mapping[str, str]) -> list[RemoteFile]:
    count = min(number(form.files), MOST_FILES)
    types = {
        told[f"MediaUrl{n}"]: told.get(f"MediaContentType{n}", "") for n in range(count) if told.get(f"MediaUrl{n}")
    }
    return [RemoteFile(ref=url, kind=_kind(type_, form.kind), type=type_) for url, type_ in types.items()]


def _kind(type_: str, message: str) -> FileKind:
    if message == "sticker":
        return "sticker"
    kind = KINDS.get(type_.partition("/")[0], "file")
    # A recording in the app is Opus in Ogg; a piece of music that somebody sends hardly ever is.
    return "voice" if kind == "audio" and type_.startswith("audio/ogg") else kind


def _location(form: Form) -> Location | None:
    try:
        return Location(
            latitude=float(form.latitude),
            longitude=float(form.longitude),
            name=printable(form.place_name),
            address=printable(form.place_address),
        )
    except ValueError:
        return None


def _referral(form: Form) -> Referral | None:
    if not (form.referral_id or form.referral_url or form.referral_click):
        return None
    return Referral(
        source=printable(form.referral_source) or "ad",
        ref=printable(form.referral_click or form.referral_id),
        url=printable(form.referral_url),
        headline=printable(form.referral_headline),
        body=printable(form.referral_body),
    )


def _left_out(account: Account, form: Form, why: str) -> list[Event]:
    log.info("update_left_out", tenant=account.tenant, account=account.name, external_id=form.sid, reason=why)
    return []
