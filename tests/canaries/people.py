"""Customers on five channels whose every name, text, file, action, draft and dead letter has a word of its own."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas import ids, topics
from schemas.desk import DraftGenerated
from schemas.envelope import Envelope, envelope
from tests import desks
from tests.canaries.byte_search import make_canary
from tests.harness.chat_client import Contact
from tests.scenarios.customers.customer import Customers
from tests.scenarios.customers.web import WebCustomers, WebPage
from tests.scenarios.scenario_installation import TENANT
from tests.simulators.vendor import File
from tests.simulators.vendor_clock import VendorClock

PER_PERSON = 10
QUESTION = "Do you add a heat pack in winter?"
SOURCE = "canaries"
UNKNOWN = "parley.canary.planted.v1"
"""A type of events that no release knows: whoever reads one writes a dead letter."""


class ChatPage(WebPage):
    """A chat at which nobody looks all the time: a hundred visitors who do keep a whole installation busy."""

    async def visitor(self, person: str) -> Contact:
        if person not in self.visitors:
            found = Contact(self._base, self._http, person)
            await found.open()
            self.visitors[person] = found
        return self.visitors[person]


class WebVisitors(WebCustomers):
    def __init__(self, clock: VendorClock) -> None:
        self.vendor = ChatPage()


@dataclass
class Person:
    """Somebody with ten canaries. ``id`` and ``conversation``: as the installation names them."""

    customers: Customers
    number: int
    canaries: list[str]
    conversation: str = ""
    id: str = ""
    messages: list[str] = field(default_factory=list)
    """The vendor's ids of what they said."""

    @classmethod
    def make(cls, customers: Customers, number: int, rng: random.Random) -> Person:
        return cls(customers, number, [make_canary(rng) for _ in range(PER_PERSON)])

    @property
    def name(self) -> str:
        return self.canaries[0]

    @property
    def place(self) -> str:
        """Where their vendor knows them, such as a phone number."""
        return self.customers.place(self.name)

    @property
    def texts(self) -> list[str]:
        """Those that stand in the transcript."""
        return self.canaries[1:6]

    @property
    def has_draft(self) -> bool:
        return self.number % 2 == 0

    async def speak(self) -> None:
        """Three messages: two with texts, and one with a file whose name and content are canaries, too; then one that
        asks for an action."""
        one, two, three, four, five, file_name, content, argument = self.canaries[1:9]
        vendor = self.customers.vendor
        self.messages.append(await vendor.say(self.name, f"{QUESTION} {one} {two}"))
        self.messages.append(await vendor.say(self.name, f"{QUESTION} {three} {four}"))
        # Several times, because a store may divide what it writes anywhere.
        file = File(f"{file_name}.txt", "text/plain", " ".join([content] * 50).encode())
        self.messages.append(await vendor.say(self.name, f"{QUESTION} {five}", files=[file]))
        self.messages.append(await vendor.say(self.name, f"note {json.dumps({'about': argument})}"))

    def find_planted(self, transcript: list[dict[str, Any]]) -> set[str]:
        """Those of the texts that a transcript has."""
        said = "\n".join(line["text"] for line in transcript)
        return {text for text in self.texts if text in said}

    def build_event(self) -> tuple[str, Envelope]:
        """The topic and the event that plants the last canary: a draft at the desk, or a record that becomes a dead
        letter."""
        canary, now = self.canaries[9], datetime.now(UTC)
        about: dict[str, Any] = {
            "time": now,
            "source": SOURCE,
            "tenant": TENANT,
            "conversation": self.conversation,
        }
        id_ = ids.derived_id(self.conversation, canary)
        if self.has_draft:
            draft = DraftGenerated(id=id_, text=f"{canary} {canary}", at=now)
            desk = desks.WEBHOOK
            return topics.outbound(desk), envelope(topics.DRAFT_GENERATED, draft, id=id_, channel=desk, **about)
        channel, account = self.customers.channel, self.customers.account
        data = json.dumps({"said": canary}).encode()
        planted = Envelope(id=id_, type=UNKNOWN, data=data, channel=channel, account=account, **about)
        return topics.inbound(channel), planted


def make_people(customers: list[Customers], count: int, rng: random.Random) -> Iterator[Person]:
    for number in range(count):
        yield Person.make(customers[number % len(customers)], number // len(customers), rng)
