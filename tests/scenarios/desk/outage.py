"""The desk is away for a while in which customers are handed over to people, or have been already.

On each other channel than Slack two customers write all the time. One asks for a person while the desk is away, and is
told that one will come; the other one has a person already. When it is back, people see all of it in order, once, and
answer."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.scenarios.channel_scenarios import TAKEN_OVER
from tests.scenarios.customer_conversation import FACTS, HEAT, RETURN, WATER
from tests.scenarios.desk.desk_conversations import case_of
from tests.scenarios.desk.desk_installations import slack_of
from tests.scenarios.desk.desk_scenario import LEAF, PERSON_PLEASE, Case
from tests.scenarios.scenario_installation import ScenarioInstallation
from tests.simulators.vendor import Fault, Request

MESSAGES = 10
"""Of each customer, spread over the time in which the desk is away."""
QUESTIONS = (HEAT, RETURN, WATER)


def away(seed: int) -> Callable[[Request], Fault]:
    """Nothing is done: connections are cut, or a proxy or the desk itself says that it cannot."""
    rng = random.Random(seed)
    kinds = (Fault("drop"), Fault("lose", status=502), Fault("refuse", status=503))
    return lambda request: rng.choice(kinds)


@dataclass
class OutageReport:
    """In seconds: how long the slowest customer waited to hear that a person will come; and how long after its
    return the first card was there, and everything was shown."""

    minutes: float
    conversations: int = 0
    messages: int = 0
    refused: int = 0
    told: float = 0.0
    first_card: float = 0.0
    caught_up: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps({name: _rounded(value) for name, value in vars(self).items()}, indent=1)


class Outage:
    def __init__(
        self, stage: ScenarioInstallation, minutes: float, seed: int, names: Iterable[str] | None = None
    ) -> None:
        others = [each for each in stage.customers if each.channel != "slack"]
        chosen = [each for each in others if names is None or each.name() in names]
        self._desk = stage.help_desk or slack_of(stage.customers)
        self._seed = seed
        self._every = minutes * 60 / MESSAGES
        self._served = [case_of(stage, each, "served") for each in chosen]
        self._waiting = [case_of(stage, each, "waiting") for each in chosen]
        self._cases = [*self._served, *self._waiting]
        self.kill_report = OutageReport(minutes, len(self._cases))

    async def run(self) -> OutageReport:
        for name in ("before", "cut_off", "reunited", "afterwards"):
            if not self.kill_report.wrong:
                await getattr(self, f"_{name}")()
        return self.kill_report

    async def _all(self, cases: Iterable[Case], act: Callable[[Case], Awaitable[Any]]) -> None:
        cases = [*cases]
        done = await asyncio.gather(*(act(case) for case in cases), return_exceptions=True)
        for case, error in zip(cases, done, strict=True):
            if isinstance(error, BaseException):
                self.kill_report.wrong.append(f"{case.talk.person}: {error!r}"[:4000])

    async def _before(self) -> None:
        async def greet(case: Case) -> None:
            await case.says(HEAT)
            await case.sees(FACTS[HEAT], "agent")

        async def serve(case: Case) -> None:
            await case.says(PERSON_PLEASE)
            await case.sees(TAKEN_OVER, "system")
            await case.claim()
            await case.answers("Mo is here")

        await self._all(self._cases, greet)
        await self._all(self._served, serve)

    async def _cut_off(self) -> None:
        began, asked = time.monotonic(), len(self._desk.ledger.requests)
        self._desk.faults.always = away(self._seed)
        await self._all(self._waiting, self._asks_for_a_person)
        for number in range(MESSAGES):
            await asyncio.sleep(max(0.0, began + number * self._every - time.monotonic()))
            await self._all(self._cases, partial(self._goes_on, number))
        await asyncio.sleep(max(0.0, began + MESSAGES * self._every - time.monotonic()))
        while not self._tried(asked):
            await self._desk.ledger.until(lambda: self._tried(asked))
        self.kill_report.refused = self._tried(asked)
        if any(case.floor.cards() for case in self._waiting):
            self.kill_report.wrong.append("there is a card that the desk did not take")

    def _tried(self, asked: int) -> int:
        return len(self._desk.ledger.requests) - asked

    async def _asks_for_a_person(self, case: Case) -> None:
        began = time.monotonic()
        await case.says(PERSON_PLEASE)
        await case.sees(TAKEN_OVER, "system")
        self.kill_report.told = max(self.kill_report.told, time.monotonic() - began)

    async def _goes_on(self, number: int, case: Case) -> None:
        text = f"{QUESTIONS[number % 3]} ({number})"
        await case.says(text, *([LEAF] if number == 4 else []))
        case.themes.append(text)
        self.kill_report.messages += 1

    async def _reunited(self) -> None:
        began = time.monotonic()
        self._desk.faults.always = lambda request: None

        async def shown(case: Case) -> None:
            await case.floor.card()
            self.kill_report.first_card = self.kill_report.first_card or time.monotonic() - began
            await case.floor.until(lambda: case.themes[-1] in case.floor.shown(), "the last message")
            await case.floor.until(case.floor.files, "the file")

        await self._all(self._waiting, shown)
        await self._all(self._served, shown)
        self.kill_report.caught_up = time.monotonic() - began

    async def _afterwards(self) -> None:
        async def end(case: Case) -> None:
            if case in self._waiting:
                await case.claim()
            await case.answers("Mo has read all of it", LEAF)
            await case.give_back()
            await case.judge()

        await self._all(self._cases, end)


def _rounded(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value
