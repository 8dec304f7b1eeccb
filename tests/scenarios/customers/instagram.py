"""People who write to an Instagram account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from tests.scenarios.customers.customer import Customers
from tests.simulators.meta import Graph, Instagram
from tests.simulators.meta import instagram_content as content
from tests.simulators.vendor import ShownMessage
from tests.simulators.vendor_clock import VendorClock


class InstagramCustomers(Customers):
    channel = "instagram"
    send = "messages"
    cannot = {
        "opting_out": "Instagram has no word for it",
        "bot": "Instagram does not say who is a program: whoever writes is a customer",
    }

    def __init__(self, clock: VendorClock) -> None:
        self.vendor = Instagram(Graph(pace=VendorClock(scale=0.01, now=clock.now)))
        # As much faster as tests/harness/short_timeouts.py makes those who ask.
        self.vendor.look_up_limit.burst = 1000

    def place(self, person: str) -> str:
        return str(self.vendor.place(person))

    def beside_text(self, person: str) -> list[tuple[Callable[[], Any], str, str]]:
        send = partial(self.vendor.sends, person)
        return [
            (lambda: send(content.share("https://i.example/p/1", title="Ferns")), "Thanks for sharing", "referral"),
            (
                lambda: send(content.story_mention("https://i.example/s/1")),
                "mentioning us in your story",
                "unsupported",
            ),
            (lambda: send(content.attachment("hologram")), "(hologram)", "unsupported"),
        ]

    def hear_again(self, shown: ShownMessage) -> None:
        message = self.vendor.messages[shown.id]
        for app in (self.vendor.app.id, "", self.vendor.app.id):
            self.vendor.echo(message, app_id=app)

    def backwards(self) -> AbstractAsyncContextManager[None]:
        held: AbstractAsyncContextManager[None] = self.vendor.graph.webhooks.held(shuffle=1)  # it swaps two
        return held

    def revoke(self) -> None:
        self.vendor.token.revoked = True

    def restore(self) -> None:
        self.vendor.token.revoked = False

    async def batch(
        self, said: Sequence[tuple[str, str]], shown: Sequence[tuple[str, ShownMessage]], notes: int
    ) -> None:
        async with self.vendor.graph.webhooks.held():
            for number in range(notes):
                person, message = shown[number % len(shown)]
                self.vendor.read(person, message.id)
                if number == notes // 2:
                    self.vendor.push(self.vendor.person(person), {"message": {"mid": 7, "text": {}}})
            for person, text in said:
                await self.vendor.say(person, text)
