"""Customers in a Slack workspace: each in direct messages with the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from tests.scenarios.customers.customer import Customers
from tests.simulators.slack.core import Mode
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import ShownMessage
from tests.simulators.vendor_clock import VendorClock


class SlackCustomers(Customers):
    channel = "slack"
    send = "chat.postMessage"
    cannot = {
        "opting_out": "Slack has no word for it",
        "batch": "Slack sends one event a request",
        "beside_text": "people on Slack send text and files",
        "quoted": "a thread on Slack quotes nothing",
        "window_closed": "Slack has no window after which one may not write",
    }

    mode: ClassVar[Mode] = "http"

    def __init__(self, clock: VendorClock) -> None:
        # A minute's wait before a retry takes three seconds, and the last one fifteen: a process that dies again and
        # again of what the one before left behind is waited for. How soon an event is answered is no matter of a
        # scenario, and on a loaded machine that may take longer than Slack waits.
        self.vendor = SlackVendor(mode=self.mode, now=clock.now, pace=0.05, ack_seconds=30.0)

    def place(self, person: str) -> str:
        return f"{self.vendor.workspace.team}:{self.vendor.place(person)}"

    def hear_again(self, shown: ShownMessage) -> None:
        self.vendor.redeliver(shown.id, times=3, at_once=True, other_event_ids=True)

    def bot_says(self, text: str) -> str:
        room = self.vendor.channel("support")
        self.vendor.people.person("Weather", "bot")
        said = self.vendor.people.say("Weather", text, room)
        return f"{room.id}:{said.ts}"

    @asynccontextmanager
    async def backwards(self) -> AsyncIterator[None]:
        self.vendor.event_delivery.hold()
        yield
        self.vendor.event_delivery.release(list.reverse)

    def revoke(self) -> None:
        self.vendor.revoked = "token_revoked"

    def restore(self) -> None:
        self.vendor.revoked = ""


class SocketCustomers(SlackCustomers):
    """The same, of an app that asks for its events over a socket."""

    account = "socket"
    over_socket = True
    mode = "socket"
