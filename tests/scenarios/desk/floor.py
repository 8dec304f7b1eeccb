"""Where a shop's people work: a channel of the simulated Slack in which some of the customers write as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.platforms.slack.courier import Undelivered
from tests.platforms.slack.said import labels, words
from tests.platforms.slack.server import SlackVendor
from tests.platforms.slack.workspace import Post, Room
from tests.platforms.vendor import File
from tests.scenarios.customers.customer import Customers
from tests.scenarios.customers.discord import DiscordCustomers
from tests.scenarios.customers.instagram import InstagramCustomers
from tests.scenarios.customers.slack import SlackCustomers
from tests.scenarios.customers.web import WebCustomers
from tests.scenarios.customers.whatsapp_meta import WhatsAppCustomers
from tests.scenarios.customers.whatsapp_twilio import TwilioCustomers
from tests.scenarios.stage import Scene

KINDS: tuple[type[Any], ...] = (
    WebCustomers,
    SlackCustomers,
    DiscordCustomers,
    WhatsAppCustomers,
    TwilioCustomers,
    InstagramCustomers,
)
FASTER = 20
"""Than Slack lets a desk be: one channel takes a message a second, and all conversations of a run share it."""
ENV = {"TEST_HURRY_DESK": str(FASTER), "TEST_HURRY": "3"}
UNHURRIED = {"TEST_HURRY_DESK": "", "TEST_HURRY": ""}
PATIENCE = 90.0


def tenant(customers: Sequence[Customers]) -> dict[str, Any]:
    slack = slack_of(customers)
    slack.limits.speed = FASTER
    return unhurried(customers)


def unhurried(customers: Sequence[Customers]) -> dict[str, Any]:
    slack = slack_of(customers)
    return {"desk": {"channel": slack.channel("desk").id, "undo_seconds": 0.1, "tags": ["plants", "parcels"]}}


DESK = Scene(KINDS, tenant, ENV)
REAL = Scene(KINDS, unhurried, UNHURRIED)
"""At Slack's own pace, and ours."""


def slack_of(customers: Sequence[Customers]) -> SlackVendor:
    vendor: SlackVendor = next(each.vendor for each in customers if isinstance(each, SlackCustomers))
    return vendor


class Floor:
    """One conversation as people see it. ``conversation`` tells what its id may be. ``colleague`` has it, and
    others; a form that is open is of one conversation. Eve only talks."""

    def __init__(self, slack: SlackVendor, conversation: Callable[[], Sequence[str]], colleague: str) -> None:
        self.slack = slack
        self.colleague = colleague
        for name in (colleague, "Eve"):
            slack.people.join(self.room, name)
        self._conversation = conversation
        self._card: Post | None = None

    @property
    def room(self) -> Room:
        return self.slack.channel("desk")

    async def until(self, true: Callable[[], Any], what: str) -> Any:
        try:
            return await self.slack.ledger.until(true, deadline=PATIENCE)
        except TimeoutError:
            shown = [words(post.body)[:300] for post in ([self._card, *self.thread] if self._card else self.cards())]
            raise AssertionError(f"people wait for {what}; they see {shown}") from None

    def cards(self) -> list[Post]:
        """Of this conversation, as long as there is something to press."""
        ours = [post for post in self.room.top() if post.author is self.slack.bot]
        return [post for post in ours if any(id_ in str(post.body["blocks"]) for id_ in self._conversation())]

    @property
    def has_card(self) -> bool:
        return self._card is not None

    async def card(self) -> Post:
        if self._card is None:
            found: list[Post] = await self.until(self.cards, "a card")
            (self._card,) = found
        return self._card

    @property
    def thread(self) -> list[Post]:
        assert self._card is not None
        return sorted(self.room.replies(self._card.ts), key=lambda post: post.ts)

    def shown(self) -> str:
        """What our app shows below the card."""
        return "\n".join(words(post.body) for post in self.thread if post.author is self.slack.bot)

    async def press(self, label: str, *, unless: str = "") -> None:
        """``unless``: what the card says when it was heard before, whatever the presser was told."""
        card = await self.card()

        def is_done() -> bool:
            return bool(unless) and unless in words(card.body)

        await self.until(lambda: label in labels(card.body) or is_done(), label)
        if is_done():
            return
        await self.slack.interactions.press(self.colleague, card, label)

    async def says(self, status: str) -> None:
        card = await self.card()
        await self.until(lambda: status in words(card.body), f"{status!r} on the card")

    async def shows(self, text: str) -> None:
        await self.card()
        await self.until(lambda: text in self.shown(), f"{text!r} in the thread")

    def write(self, text: str, *files: File, by: str = "") -> Post:
        assert self._card is not None
        return self.slack.people.say(by or self.colleague, text, self.room, thread=self._card.ts, files=files)

    def form(self) -> Any:
        return self.slack.views.of(self.slack.person(self.colleague))

    async def fill_in(self, **values: Any) -> None:
        await self.until(self.form, "the form")
        view = await self.slack.interactions.submit(self.colleague, values)
        if view is not None and not view.errors:
            raise Undelivered("the form stayed open: whoever was to take it died")
        assert view is None, view.errors

    def files(self) -> list[File]:
        """Those that our app put below the card."""
        kept = self.slack.storage.kept
        ours = [post for post in self.thread if post.author is self.slack.bot]
        return [kept[file["id"]].file for post in ours for file in post.body.get("files", [])]
