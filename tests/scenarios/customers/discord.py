"""Customers in direct messages with a Discord bot. What happens there reaches us over the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.scenarios.customers.customer import Customers
from tests.simulators.discord import Discord
from tests.simulators.discord.interactions import ANSWER_SECONDS
from tests.simulators.slack.event_delivery import Undelivered
from tests.simulators.vendor import ShownMessage
from tests.simulators.vendor_clock import VendorClock


class DiscordCustomers(Customers):
    channel = "discord"
    over_socket = True
    send = "Create Message"
    cannot = {
        "opting_out": "Discord has no word for it",
        "batch": "Discord sends one event a frame",
        "window_closed": "Discord has no window after which one may not write",
    }

    def __init__(self, clock: VendorClock) -> None:
        self.vendor = Discord(now=clock.now, pace=0.01)
        self._token = self.vendor.world.token

    def place(self, person: str) -> str:
        return str(self.vendor.place(person))

    def beside_text(self, person: str) -> list[tuple[Callable[[], Any], str, str]]:
        people, who, here = self.vendor.people, self.vendor.world.user(person), self.vendor.channel(person)
        return [
            (lambda: people.send_sticker(who, here, "wave"), "cannot read stickers", "unsupported"),
            (
                lambda: people.send_poll(who, here, "Which pot?", ["Clay", "Plastic"]),
                "cannot read polls",
                "unsupported",
            ),
        ]

    async def choose(self, person: str, shown: ShownMessage, label: str) -> None:
        """Without a response in time, Discord shows *This interaction failed*."""
        made = self.vendor.interactions.made[await self.vendor.choose(person, shown, label)]
        try:
            await self.vendor.ledger.until(lambda: made.answered, deadline=ANSWER_SECONDS)
        except TimeoutError:
            raise Undelivered(f"nobody responded to {label!r}") from None

    def hear_again(self, shown: ShownMessage) -> None:
        channel, message = self.vendor.world.message(shown.id)
        for _ in range(3):
            self.vendor.people.announce(channel, message)

    def bot_says(self, text: str) -> str:
        home = self.vendor.world.home
        self.vendor.people.bot_says(home, "weather", text)
        return str(home.id)

    @asynccontextmanager
    async def backwards(self) -> AsyncIterator[None]:
        self.vendor.gateway.hold()
        yield
        self.vendor.gateway.release(backwards=True)

    def revoke(self) -> None:
        """Of requests; a socket that is open stays so."""
        self.vendor.world.token = "another"

    def restore(self) -> None:
        self.vendor.world.token = self._token
