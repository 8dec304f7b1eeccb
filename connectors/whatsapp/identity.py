"""Identity of WhatsApp users: a user id per business, a phone number, or both; either leads to the same contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.conversation import Contact
from schemas.errors import SendRefused
from schemas.messages import Address
from schemas.ports import ChannelEvent

CHANNEL = "whatsapp"


@dataclass(frozen=True, slots=True)
class WhatsAppUser:
    """``place`` is the user id if there is one, else the number; ``aliases`` are all other ids."""

    place: str
    aliases: tuple[str, ...] = ()
    name: str = ""

    def add_ids(self, *values: str) -> WhatsAppUser:
        """Return the user with more ids; the newest come last."""
        ids = dict.fromkeys([self.place, *self.aliases, *filter(None, values)])
        return WhatsAppUser(self.place, tuple(ids)[1:], self.name)

    def build_event(self, type_: str, external_id: str, payload: Mapping[str, Any], revision: str = "") -> ChannelEvent:
        addresses = [Address(channel=CHANNEL, value=each, assurance="channel") for each in (self.place, *self.aliases)]
        return ChannelEvent(type_, self.place, external_id, payload, addresses, revision)


def build_recipient(place: str, contact: Contact | None) -> dict[str, str]:
    """Address a message to the newest user id, else to the newest number. The place is only where the conversation
    began; the number may belong to somebody else today. Raises SendRefused."""
    addresses = [each.value for each in contact.addresses if each.channel == CHANNEL] if contact else []
    if not addresses:
        if contact and (CHANNEL, place) in {(each.channel, each.value) for each in contact.left}:
            raise SendRefused("address_left")
        addresses = [place]
    user_ids = [each for each in addresses if not each.isdecimal()]
    return {"recipient": user_ids[-1]} if user_ids else {"to": addresses[-1]}
