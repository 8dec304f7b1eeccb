"""Who is at the other end: a user id of WhatsApp, a number, or both."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas.conversation import Contact
from schemas.errors import SendRefused
from schemas.messages import Address

PREFIX = "whatsapp:"
_NUMBER = re.compile(r"\+?([0-9]{5,20})")
_USER = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")


def identified(*told: str) -> list[str]:
    """The user ids and numbers in what Twilio told, the user ids first; the first of all is the place."""
    found = [each.removeprefix(PREFIX) for each in told]
    users = [each for each in found if _USER.fullmatch(each)]
    numbers = [match.group(1) for each in found if (match := _NUMBER.fullmatch(each))]
    return list(dict.fromkeys(users + numbers))


def addresses(values: Iterable[str]) -> list[Address]:
    return [Address(channel="whatsapp", value=value, assurance="channel") for value in values]


def recipient(place: str, contact: Contact | None) -> str:
    """A number always works, the newest best; a user id is for those whose number was never told. The place is only
    where it began: it may be a number that somebody else has by now. Raises SendRefused."""
    known = [each.value for each in contact.addresses if each.channel == "whatsapp"] if contact else []
    left = {each.value for each in contact.left if each.channel == "whatsapp"} if contact else set()
    numbers = [each for each in (*([] if place in left else [place]), *reversed(known)) if _NUMBER.fullmatch(each)]
    if not numbers and place in left:
        if not known:
            raise SendRefused("address_left")
        place = known[-1]
    return f"{PREFIX}+{numbers[0].lstrip('+')}" if numbers else f"{PREFIX}{place}"
