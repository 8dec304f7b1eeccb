"""Customers of a WhatsApp number at Twilio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.scenarios.customers.customer import Customers
from tests.simulators.twilio import Twilio
from tests.simulators.vendor import ShownMessage
from tests.simulators.vendor_clock import VendorClock


class TwilioCustomers(Customers):
    channel = "whatsapp"
    account = "twilio"
    send = "messages.create"
    cannot = {
        "edit": "Twilio does not pass on edits",
        "edits_overtaken": "Twilio does not pass on edits",
        "deletion": "Twilio does not pass on deletions",
        "reaction": "Twilio does not pass on reactions",
        "feedback": "Twilio does not pass on reactions",
        "batch": "Twilio sends one update a request",
        "bot": "WhatsApp does not say who is a program: whoever writes is a customer",
    }

    def __init__(self, clock: VendorClock) -> None:
        self.vendor = Twilio(pace=VendorClock(now=clock.now))
        self._token = self.vendor.auth_token

    @property
    def hook(self) -> str:
        return "#rc=5&rp=all"

    def place(self, person: str) -> str:
        return str(self.vendor.person(person).user_id)

    def places(self, person: str) -> list[str]:
        """Twilio's list, which is read where its webhooks did not come through, tells only numbers."""
        return [self.place(person), self.vendor.person(person).number.lstrip("+")]

    def beside_text(self, person: str) -> list[tuple[Callable[[], Any], str, str]]:
        return [
            (lambda: self.vendor.shares_location(person, 52.5, 13.4), "Thanks for the location", "location"),
            (lambda: self.vendor.receives(person, "", more=[("MessageType", "hologram")]), "(hologram)", "unsupported"),
        ]

    def hear_again(self, shown: ShownMessage) -> None:
        for status in ("read", "delivered", "sent", "delivered", "read"):
            self.vendor.tell(self.vendor.records[shown.id], status)

    def revoke(self) -> None:
        """Of requests. Webhooks are signed with the old one still."""
        self.vendor.auth_token = "another"

    def restore(self) -> None:
        self.vendor.auth_token = self._token
