"""kill -9 while people have conversations: at the named points of the code, and in between, all along.

Every so many steps of the conversations one process dies, at whatever it is about. The next one is started with a point
at which it will die, and who comes after it perhaps again. The conversations go on until their end, and are judged as
if nothing had happened."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.runtime.crash_points import MESSAGE_POINTS
from tests.scenarios.customer_conversation import HEAT
from tests.scenarios.desk.desk_conversations import case_of, in_doubt, ratings
from tests.scenarios.desk.desk_scenario import Case
from tests.scenarios.desk.failure_report import report_failure
from tests.scenarios.evidence import describe_log
from tests.scenarios.scenario_installation import ScenarioInstallation

PASSAGES = {"edge": 20, "worker": 6, "connector": 20}
"""The most that a process lives through of its point: so many are passed between one death and the next."""
FEWER = {"worker.after_model": 2}
"""Only what the agent answers passes there."""
A_ROUND = 20
"""Kills while each channel has one conversation."""
STEPS = 20
"""Of one conversation."""
DEATHS = 2.5
"""One at any moment, and those that come of it at a point."""
AGAIN = 0.4
"""How often who comes after one that died at a point will die at one, too."""
DEADLINE = 400.0
WITHOUT = ("worker.after_intent", "worker.after_action")
"""Only actions pass there; tests/faults kills around them."""


@dataclass
class KillReport:
    """``kills`` by point; ``steps``: where the conversations were at that moment."""

    kills: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    conversations: int = 0
    missing: int = 0
    wrong: list[str] = field(default_factory=list)
    inquests: dict[str, str] = field(default_factory=dict)
    """What those that went wrong went through, by person."""

    def as_json(self) -> str:
        told = {"kills": dict(sorted(self.kills.items())), "total": self.kills.total(), "steps": dict(self.steps)}
        more = {"conversations": self.conversations, "missing": self.missing, "wrong": self.wrong}
        return json.dumps({**told, **more}, indent=1)


class DeskKills:
    def __init__(self, stage: ScenarioInstallation, seed: int, say: Callable[[str], None] = print) -> None:
        self._stage = stage
        self._rng = random.Random(seed)
        self._say = say
        self._cases: list[Case] = []
        self._all: list[Case] = []
        self._armed: dict[str, str] = {}
        """The point at which each role's process will die."""
        self._steps = 0
        self._news = asyncio.Event()
        self.kill_report = KillReport()

    async def run(self, count: int) -> KillReport:
        # Whoever pushes over a socket has a session on record then, which a new process takes up.
        first = [case_of(self._stage, each, "first") for each in self._stage.customers]
        await asyncio.gather(*(each.talk.ask(HEAT) for each in first))
        number = 0
        while self.kill_report.kills.total() < count and not self.kill_report.wrong:
            await self._round(number, min(A_ROUND, count - self.kill_report.kills.total()))
            self._say(f"{self.kill_report.kills.total()} kills; {len(self.kill_report.wrong)} wrong")
            number += 1
        await self._explain()
        return self.kill_report

    async def _explain(self) -> None:
        """Where the vendor cannot say what it has shown, a message may be missing; then that is told."""
        await self._stage.installation.stop()
        log = await self._stage.events()
        for case in self._all:
            if case.talk.person in self.kill_report.inquests:
                self.kill_report.inquests[case.talk.person] += await describe_log(self._stage, case.talk)
            missing = [line.text for line in case.lines if line.missing]
            self.kill_report.missing += len(missing)
            if missing and not in_doubt(log, case):
                self.kill_report.wrong.append(f"{case.talk.person} misses {missing}, and nobody was told")
            if not any(case.talk.person in each for each in self.kill_report.wrong) and ratings(log, case) != [4]:
                self.kill_report.wrong.append(f"{case.talk.person} rated it, and the log says {ratings(log, case)}")

    async def _round(self, number: int, most: int) -> None:
        stage, self._steps = self._stage, 0
        self._cases = [case_of(stage, each, f"k{number}", pause=self._pause, in_doubt=True) for each in stage.customers]
        self._all += self._cases
        done = asyncio.gather(*[asyncio.create_task(self._play(case)) for case in self._cases])
        wish = self.kill_report.kills.total() + most
        while not done.done() and (left := wish - self.kill_report.kills.total()) > 0:
            steps = STEPS * len(self._cases) - self._steps
            await self._go_on(done, self._steps + max(1, round(steps * DEATHS / (left + DEATHS))))
            if not done.done() and self.kill_report.kills.total() < wish:
                await self._replace(self._rng.choice(stage.installation.all_roles))
        for role in list(self._armed):
            await self._count(role)
            await stage.start(role, wait=False)  # whom it would wait for may be starting, too
        await done

    async def _pause(self) -> None:
        self._steps += 1
        self._news.set()

    async def _play(self, case: Case) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                await case.play()
        except (AssertionError, TimeoutError) as error:
            self.kill_report.wrong.append(f"{case.talk.person} in {case.step}: {error!r}"[:4000])
            self.kill_report.inquests[case.talk.person] = await report_failure(self._stage, case, error)
        self.kill_report.conversations += 1

    async def _go_on(self, done: asyncio.Future[list[None]], due: int) -> None:
        """Until so many steps were made. Whoever dies meanwhile has a successor at once."""
        while not done.done() and self._steps < due:
            self._news.clear()
            news = asyncio.ensure_future(self._news.wait())
            exits = [self._stage.installation.roles[role].exited for role in self._armed]
            either: list[asyncio.Future[Any]] = [done, news, *exits]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            for role in [each for each in self._armed if not self._stage.installation.roles[each].alive]:
                await self._succeed(role)

    async def _succeed(self, role: str) -> None:
        process = self._stage.installation.roles[role]
        assert process.exited.result() == -9, process.tail()
        self._note(self._armed.pop(role))
        if self._rng.random() < AGAIN:
            await self._arm(role)
        else:
            await self._stage.start(role, wait=False)

    async def _replace(self, role: str) -> None:
        await self._count(role)
        await self._arm(role)

    async def _arm(self, role: str) -> None:
        """With the point at which the fewest have died."""
        points = [each for each in MESSAGE_POINTS if _is_of(each, role) and each not in WITHOUT]
        self._rng.shuffle(points)
        point = min(points, key=lambda each: self.kill_report.kills[each])
        passages = FEWER.get(point, PASSAGES[point.partition(".")[0]])
        self._armed[role] = point
        await self._stage.start(role, PARLEY_CRASH_AT=f"{point}:{self._rng.randint(1, passages)}", wait=False)

    async def _count(self, role: str) -> None:
        """It dies now, or has died of its point in this moment."""
        process, point = self._stage.installation.roles[role], self._armed.pop(role, "")
        if not process.alive and point:
            self._note(point)
            return
        assert await process.kill() == -9
        self._note(f"{role.partition('#')[0]} at any moment")

    def _note(self, point: str) -> None:
        self._say(f"{datetime.now(UTC):%H:%M:%S.%f} {point}")
        self.kill_report.kills[point] += 1
        self.kill_report.steps.update(case.step for case in self._cases)


def _is_of(point: str, role: str) -> bool:
    return role == "dev" or point.startswith("connector." if role == "connectors" else f"{role}.")
