"""Customers of a WhatsApp number at Meta."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from tests.scenarios.customers.customer import Customers
from tests.simulators.meta import Graph, WhatsApp
from tests.simulators.meta import whatsapp_content as content
from tests.simulators.vendor import ShownMessage
from tests.simulators.vendor_clock import VendorClock


class WhatsAppCustomers(Customers):
    channel = "whatsapp"
    account = "meta"
    send = "messages"
    sure = False
    cannot = {
        "opting_out": "Meta has no word for it",
        "bot": "WhatsApp does not say who is a program: whoever writes is a customer",
    }

    def __init__(self, clock: VendorClock) -> None:
        self.vendor = WhatsApp(Graph(pace=VendorClock(scale=0.01, now=clock.now)))

    def place(self, person: str) -> str:
        return str(self.vendor.person(person).user_id)

    def hear_again(self, shown: ShownMessage) -> None:
        for status in ("read", "delivered", "sent", "delivered", "read"):
            self.vendor.tell(self.vendor.messages[shown.id], status)

    def backwards(self) -> AbstractAsyncContextManager[None]:
        held: AbstractAsyncContextManager[None] = self.vendor.graph.webhooks.held(shuffle=1)  # it swaps two
        return held

    def revoke(self) -> None:
        self.vendor.token.revoked = True

    def restore(self) -> None:
        self.vendor.token.revoked = False

    def beside_text(self, person: str) -> list[tuple[Callable[[], Any], str, str]]:
        send, number = partial(self.vendor.sends, person), self.vendor.number
        caller = self.vendor.person(person)

        def call() -> None:
            missed = {"id": f"wacid.{person}", "from": caller.wa_id, "event": "terminate", "status": "FAILED"}
            missed |= {"direction": "USER_INITIATED", "timestamp": self.vendor.stamp()}
            for _ in range(2):
                self.vendor.push(number, self.vendor.value(number, calls=[missed]), field="calls")

        return [
            (lambda: send(content.location(52.5, 13.4, name="Shop")), "Thanks for the location", "location"),
            (lambda: send(content.contacts("Ana")), "Thanks for the contact details", "contacts"),
            (lambda: send({"type": "hologram", "hologram": {}}), "(hologram)", "unsupported"),
            (call, "cannot take calls", "unsupported"),
        ]

    async def batch(
        self, said: Sequence[tuple[str, str]], shown: Sequence[tuple[str, ShownMessage]], notes: int
    ) -> None:
        async with self.vendor.graph.webhooks.held():
            for number in range(notes):
                message = self.vendor.messages[shown[number % len(shown)][1].id]
                self.vendor.tell(message, ("sent", "delivered", "read")[number % 3])
                if number == notes // 2:
                    self.vendor.push(self.vendor.number, self.vendor.value(self.vendor.number, messages=[{"id": 7}]))
            for person, text in said:
                self.vendor.says(person, text)
