"""One customer of one scenario: what they do, what they see, and what must be true of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.harness.installation import QUESTIONS
from tests.scenarios.customers.customer import Customers
from tests.scenarios.scenario_installation import ScenarioInstallation
from tests.simulators.vendor import File, ShownMessage

PATIENCE = 90.0
HEAT, RETURN, WATER = QUESTIONS
FACTS = {HEAT: "heat pack to every parcel", RETURN: "within 30 days", WATER: "rain water"}
"""What the answer to each question says, in the words of the documents."""


@dataclass
class CustomerConversation:
    stage: ScenarioInstallation
    customers: Customers
    person: str
    week: Callable[[], Awaitable[None]]
    """Waits until a week has passed, for everybody."""
    said: list[str] = field(default_factory=list)

    @property
    def vendor(self) -> Any:
        return self.customers.vendor

    @property
    def screen(self) -> list[ShownMessage]:
        return self.customers.screen(self.person)

    async def say(self, text: str, *, files: Sequence[File] = ()) -> str:
        self.said.append(text)
        return str(await self.vendor.say(self.person, text, files=files))

    async def until(self, true: Callable[[], Any], what: str) -> Any:
        """Waits on the ledger. Fails with ``what`` and the screen."""
        try:
            return await self.vendor.ledger.until(true, deadline=PATIENCE)
        except TimeoutError:
            raise AssertionError(f"{self.person} waits for {what}; sees {self._seen()}") from None

    async def sees(self, *facts: str) -> list[ShownMessage]:
        """Waits until the last of these is on the screen, and then there are exactly these, in this order. What comes
        later is seen at the end of the run."""
        await self.until(lambda: len(self.screen) >= len(facts), f"{len(facts)} messages")
        assert len(self.screen) == len(facts), f"{self.person} sees {self._seen()}"
        for shown, fact in zip(self.screen, facts, strict=True):
            assert fact in shown.text, f"{self.person} sees {self._seen()}, not {fact!r}"
        return self.screen

    async def ask(self, question: str) -> ShownMessage:
        """A question with its answer, which is the newest on the screen."""
        before = len(self.screen)
        await self.say(question)
        await self.until(lambda: len(self.screen) > before, f"an answer to {question!r}")
        assert FACTS[question] in self.screen[-1].text, f"{self.person} sees {self._seen()}"
        return self.screen[-1]

    async def accepted(self) -> None:
        """Everything that the vendor has told so far has been taken in."""
        await self.vendor.settled(deadline=PATIENCE)

    async def next_second(self) -> None:
        """Of the vendor, who may date by it and have no other word for an order."""
        now = int(self.stage.clock.now())
        while int(self.stage.clock.now()) == now:  # noqa: ASYNC110  # time tells nobody
            await asyncio.sleep(0.02)

    async def record(self, true: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """The conversation as the admin API tells it, once this is true of it."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + PATIENCE
        while True:
            found = await self.stage.conversation(self.customers, self.person)
            if found and true(found):
                return found
            assert loop.time() < ends, f"{self.person} waits for {what}; sees {self._seen()}; on record {found}"
            await asyncio.sleep(0.05)

    async def whole(self, said: Sequence[str] | None = None) -> dict[str, Any]:
        """All that was said is on record in order, once, and handled once; and what the record says was sent is on the
        screen, once, in order."""
        texts = list(self.said if said is None else said)
        found = await self.record(lambda one: _is_whole(one, texts, len(self.screen)), f"{texts} to be answered")
        sent = [line["text"] for line in _sent(found)]
        for shown, text in zip(self.screen, sent, strict=True):
            first = next(iter(text.splitlines()), "")
            assert first[:20] in shown.text, f"{self.person} sees {self._seen()}; on record {sent}"
        return found

    async def person_says(self, key: str, text: str, *attachments: str) -> str:
        """A colleague answers in the admin API; the id of the message."""
        path = f"conversations/{self.stage.conversation_id(self.customers, self.person)}/messages"
        body = {"client_msg_id": key, "text": text, "attachments": list(attachments)}
        told: dict[str, str] = await self.stage.installation.admin("POST", path, json=body)
        return told["message_id"]

    def _seen(self) -> list[str]:
        return [shown.text[:80] for shown in self.screen]


def _sent(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        line
        for line in found["transcript"]
        if line["author"]["kind"] != "contact" and line["state"] in ("accepted", "sent", "delivered", "read")
    ]


def _is_whole(found: dict[str, Any], texts: list[str], shown: int) -> bool:
    own = [line for line in found["transcript"] if line["author"]["kind"] == "contact"]
    handled = [message for turn in found["turns"] for message in turn["handled"]]
    replies = [reply for turn in found["turns"] for reply in turn["replies"]]
    lines = {line["id"] for line in own}
    return (
        [line["text"] for line in own] == texts
        and len(set(handled)) == len(handled)
        and lines <= set(handled)
        and len(_sent(found)) == shown
        and len(replies) <= shown
    )
