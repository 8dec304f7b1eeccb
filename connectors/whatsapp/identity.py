"""Who somebody is on WhatsApp: a user id of the business's own, a number, or both; either leads to the same contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.conversation import Contact
from schemas.errors import SendRefused
from schemas.messages import Address
from schemas.ports import Event

CHANNEL = "whatsapp"


@dataclass(frozen=True, slots=True)
class Party:
    """``place`` is the user id where there is one, else the number; ``aliases`` are whatever else is theirs."""

    place: str
    aliases: tuple[str, ...] = ()
    name: str = ""

    def also(self, *values: str) -> Party:
        """The same person, with more ids; the newest stand last."""
        ids = dict.fromkeys([self.place, *self.aliases, *filter(None, values)])
        return Party(self.place, tuple(ids)[1:], self.name)

    def event(self, type_: str, external_id: str, payload: Mapping[str, Any], revision: str = "") -> Event:
        addresses = [Address(channel=CHANNEL, value=each, assurance="channel") for each in (self.place, *self.aliases)]
        return Event(type_, self.place, external_id, payload, addresses, revision)


def recipient(place: str, contact: Contact | None) -> dict[str, str]:
    """How to address a message: by the newest user id, else by the newest number. The place is only where it began: it
    may be a number that somebody else has by now. Raises SendRefused."""
    known = [each.value for each in contact.addresses if each.channel == CHANNEL] if contact else []
    if not known:
        if contact and (CHANNEL, place) in {(each.channel, each.value) for each in contact.left}:
            raise SendRefused("address_left")
        known = [place]
    user_ids = [each for each in known if not each.isdecimal()]
    return {"recipient": user_ids[-1]} if user_ids else {"to": known[-1]}
