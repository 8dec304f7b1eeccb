"""Addresses of WhatsApp users at Twilio: a user id, a number, or both."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas.conversation import Contact
from schemas.errors import SendRefused
from schemas.messages import Address

PREFIX = "whatsapp:"
_NUMBER = re.compile(r"\+?([0-9]{5,20})")
_USER = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")


def parse_ids(*fields: str) -> list[str]:
    """Return the user ids and numbers in Twilio's fields, user ids first. The first of all is the place."""
    values = [each.removeprefix(PREFIX) for each in fields]
    users = [each for each in values if _USER.fullmatch(each)]
    numbers = [match.group(1) for each in values if (match := _NUMBER.fullmatch(each))]
    return list(dict.fromkeys(users + numbers))


def build_addresses(values: Iterable[str]) -> list[Address]:
    return [Address(channel="whatsapp", value=value, assurance="channel") for value in values]


def build_recipient(place: str, contact: Contact | None) -> str:
    """Address a message to a number, preferably the newest; to a user id only if no number is known. The place is only
    where the conversation began; the number may belong to somebody else today. Raises SendRefused."""
    known = [each.value for each in contact.addresses if each.channel == "whatsapp"] if contact else []
    left = {each.value for each in contact.left if each.channel == "whatsapp"} if contact else set()
    numbers = [each for each in (*([] if place in left else [place]), *reversed(known)) if _NUMBER.fullmatch(each)]
    if not numbers and place in left:
        if not known:
            raise SendRefused("address_left")
        place = known[-1]
    return f"{PREFIX}+{numbers[0].lstrip('+')}" if numbers else f"{PREFIX}{place}"
