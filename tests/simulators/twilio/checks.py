"""Checks what Twilio refuses to send."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from multidict import MultiMapping

from tests.simulators.twilio.account_state import AccountState
from tests.simulators.twilio.content import fill_variables
from tests.simulators.twilio.errors import TwilioError

LONGEST_BODY = 1600
ADDRESS = re.compile(r"(whatsapp:)?(\+\d{7,15}|[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128})")


@dataclass(slots=True)
class Draft:
    """A send that was accepted. ``choices``: label → kind and id."""

    recipient: str
    body: str
    media: list[str] = field(default_factory=list)
    choices: dict[str, tuple[str, str]] = field(default_factory=dict)
    callback: str = ""
    is_free: bool = True
    """Not an approved template: needs an open window."""
    failure: int = 0
    """Found only on the way: the code of the status to come."""


def check_message(form: MultiMapping[str], world: AccountState) -> Draft:
    """Raises TwilioError."""
    recipient = form.get("To", "")
    _check_ends(recipient, form, world)
    callback = form.get("StatusCallback", "")
    if callback and urlsplit(callback).scheme not in ("http", "https"):
        raise TwilioError(21609)
    person = world.at_address(recipient)
    if person is not None and person.opted_out:
        raise TwilioError(21610)
    draft = _with_content(form, world) if "ContentSid" in form else _plain(form)
    draft.recipient, draft.callback = recipient, callback
    return draft


def _check_ends(recipient: str, form: MultiMapping[str], world: AccountState) -> None:
    sender = form.get("From", "")
    if not recipient:
        raise TwilioError(21604)
    if not ADDRESS.fullmatch(recipient):
        raise TwilioError(21211, message=f"Invalid 'To' Phone Number: {recipient}")
    if not sender and not form.get("MessagingServiceSid"):
        raise TwilioError(21603)
    if sender and sender.startswith("whatsapp:") != recipient.startswith("whatsapp:"):
        raise TwilioError(21910)
    if sender and sender != world.sender:
        raise TwilioError(63007)


def _plain(form: MultiMapping[str]) -> Draft:
    body, media = form.get("Body", ""), form.getall("MediaUrl", [])
    if not body.strip() and not media:
        raise TwilioError(21619)
    if len(body) > LONGEST_BODY:
        raise TwilioError(21617)
    if any(urlsplit(url).scheme not in ("http", "https") for url in media):
        raise TwilioError(21620)
    if len(media) > 1:
        # Ten by SMS; a WhatsApp message carries one.
        raise TwilioError(21623)
    return Draft("", body, list(media))


def _with_content(form: MultiMapping[str], world: AccountState) -> Draft:
    content = world.contents.get(form["ContentSid"])
    if content is None:
        raise TwilioError(21655)
    try:
        filled = fill_variables(content, form.get("ContentVariables", ""))
    except TwilioError as error:
        if error.code != 63021:
            raise
        # The channel refuses it, after Twilio has taken it.
        return Draft("", "", is_free=False, failure=63021)
    return Draft("", filled.body, filled.media, filled.choices, is_free=filled.needs_session)
