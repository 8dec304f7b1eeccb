"""kill -9 of the sender at its named points, on every channel, and what the customers see afterwards.

Kills of one channel come in a series: in each, somebody new asks, and the process dies at the point; what the dead one
left behind is taken up by the next, which may die of it again. After the series everybody asks once more. Then each
screen must show one answer to each question, in order."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from schemas import topics
from schemas.conversation import DeliveryOutcome
from schemas.runtime.crash_points import POINTS
from tests.scenarios.customer_conversation import FACTS, HEAT, WATER, CustomerConversation
from tests.scenarios.customers.customer import Customers
from tests.scenarios.evidence import Evidence
from tests.scenarios.scenario_installation import ScenarioInstallation
from tests.simulators.slack.event_delivery import Undelivered

POINTS_OF_SENDER = [point for point in POINTS if point.startswith("connector.")]
SERIES = 9
DEADLINE = 90.0


@dataclass
class KillReport:
    """``kills`` by customers and point. ``unsure``: conversations with people, because an answer may be lost, by
    customers."""

    kills: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    unsure: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        told = {"kills": dict(sorted(self.kills.items())), "total": self.kills.total(), "answers": self.answers}
        return json.dumps({**told, "unsure": dict(self.unsure), "wrong": self.wrong}, indent=1)


def series(customers: list[Customers], count: int) -> Iterator[tuple[Customers, list[str]]]:
    """So many kills, as even as can be over the customers and the points."""
    every = list(islice(cycle([(who, point) for point in POINTS_OF_SENDER for who in customers]), count))
    for start in range(0, len(every), SERIES * len(customers)):
        part = every[start : start + SERIES * len(customers)]
        for who in customers:
            if points := [point for each, point in part if each is who]:
                yield who, points


class SenderKills:
    def __init__(self, stage: ScenarioInstallation, seed: int, say: Callable[[str], None] = print) -> None:
        self._stage = stage
        self._rng = random.Random(seed)
        self._say = say
        self._role = "connectors" if stage.installation.scaled else "dev"
        self._missing: list[CustomerConversation] = []
        self._evidence = Evidence(stage)
        self.kill_report = KillReport()

    async def run(self, count: int) -> KillReport:
        """Ends the installation, too."""
        # Whoever pushes over a socket has a session now, which a new process takes up.
        await asyncio.gather(*(self._talk(each, "first").ask(HEAT) for each in self._stage.customers))
        for number, (customers, points) in enumerate(series(self._stage.customers, count)):
            self._rng.shuffle(points)
            await self._series(customers, points, number)
            kills, wrong = self.kill_report.kills.total(), len(self.kill_report.wrong)
            self._say(f"{kills} kills, last on {customers.name()}; {wrong} wrong")
        await self._explain()
        return self.kill_report

    def _talk(self, customers: Customers, name: str) -> CustomerConversation:
        return CustomerConversation(self._stage, customers, f"{name}-{customers.name()}", fail_on_wait)

    async def _series(self, customers: Customers, points: list[str], number: int) -> None:
        talks = []
        await self._stage.installation.roles[self._role].kill()
        for nth, point in enumerate(points):
            talk = self._talk(customers, f"k{number}-{nth}")
            talks.append(talk)
            await self._kill_at(point, talk)
            self.kill_report.kills[f"{customers.name()} {point}"] += 1
        await self._stage.start(self._role)
        await asyncio.gather(*(self._ask_again(talk) for talk in talks))

    async def _kill_at(self, point: str, talk: CustomerConversation) -> None:
        """Start a process that dies there, and let somebody ask."""
        await self._stage.start(self._role, PARLEY_CRASH_AT=point, wait=False)
        await talk.say(HEAT)
        process = self._stage.installation.roles[self._role]
        try:
            status = await asyncio.wait_for(asyncio.shield(process.exited), DEADLINE)
            assert status == -9, f"{point} was not passed on {talk.customers.name()}: {process.tail()}"
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"see {await self._evidence.keep(talk, error)}")
            raise

    async def _ask_again(self, talk: CustomerConversation) -> None:
        try:
            with suppress(Undelivered):
                # What a vendor has given up telling, its history tells.
                await talk.accepted()
            # Two questions that wait together would be one turn.
            await talk.record(lambda one: one["turns"], "the first question to be handled")
            await talk.say(WATER)
            found = await talk.record(lambda one: is_over(one, talk), "the second answer")
            if not talk.customers.sure:
                found = await talk.record(lambda one: is_settled(one, talk), "the first answer, or people")
        except (AssertionError, TimeoutError) as error:
            return await self._wrong(talk, error)
        seen = [shown.text for shown in talk.screen]
        self.kill_report.answers += len(seen)
        wanted = [FACTS[HEAT], FACTS[WATER]]
        if found["owner"] == "queue" and not talk.customers.sure:
            self._missing.append(talk)
            wanted = [fact for fact in wanted if any(fact in text for text in seen)]
        if len(seen) != len(wanted) or any(fact not in text for text, fact in zip(seen, wanted, strict=True)):
            await self._wrong(talk, AssertionError(f"{talk.person} sees {seen}"))

    async def _wrong(self, talk: CustomerConversation, error: BaseException) -> None:
        self.kill_report.wrong.append(f"{error}; see {await self._evidence.keep(talk, error)}")

    async def _explain(self) -> None:
        """Where the vendor may not say what it has shown, people may have the conversation; then the log says why."""
        unknown = await self._unknown()
        for talk in self._missing:
            if self._stage.conversation_id(talk.customers, talk.person) in unknown:
                self.kill_report.unsure[talk.customers.name()] += 1
            else:
                self.kill_report.wrong.append(f"{talk.person} misses an answer, and nobody was told")

    async def _unknown(self) -> set[str]:
        """Conversations with a delivery of which the log says that nobody knows what became of it."""
        await self._stage.installation.stop()
        told = [each for each in await self._stage.events() if each.type == topics.DELIVERY_RECORDED]
        return {each.conversation for each in told if each.payload(DeliveryOutcome).state == "unknown"}


def is_over(found: dict[str, Any], talk: CustomerConversation) -> bool:
    """The second question is answered, or people have the conversation."""
    return found["owner"] in ("queue", "person") or any(FACTS[WATER] in shown.text for shown in talk.screen)


def is_settled(found: dict[str, Any], talk: CustomerConversation) -> bool:
    """The first question is answered, or people have the conversation: they are called right after a doubt is on
    record."""
    return found["owner"] in ("queue", "person") or any(FACTS[HEAT] in shown.text for shown in talk.screen)


async def fail_on_wait() -> None:
    raise AssertionError("no week passes here")
