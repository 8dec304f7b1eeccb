"""kill -9 while people have conversations: at the named points of the code, and in between, all along.

Every process is started with a point at which it dies, after so many passages. Who has not died of it when the
conversations have gone on for so long is killed at that moment. The conversations go on until their end, and are
judged as if nothing had happened."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from schemas.crashpoints import POINTS
from tests.scenarios.desk.cast import case_of, in_doubt, ratings
from tests.scenarios.desk.play import Case
from tests.scenarios.stage import Stage
from tests.scenarios.talk import HEAT

PASSAGES = 30
"""The most that a process lives through of its point."""
A_ROUND = 20
"""Kills while each channel has one conversation."""
PAUSES = 5
"""Steps of all conversations together between one kill and the next."""
DEADLINE = 400.0
WITHOUT = ("worker.after_intent", "worker.after_action")
"""Only actions pass there; tests/faults kills around them."""


@dataclass
class Toll:
    """``kills`` by point; ``steps``: where the conversations were at that moment."""

    kills: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    conversations: int = 0
    missing: int = 0
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        told = {"kills": dict(sorted(self.kills.items())), "total": self.kills.total(), "steps": dict(self.steps)}
        more = {"conversations": self.conversations, "missing": self.missing, "wrong": self.wrong}
        return json.dumps({**told, **more}, indent=1)


class Reaper:
    def __init__(self, stage: Stage, seed: int, say: Callable[[str], None] = print) -> None:
        self._stage = stage
        self._rng = random.Random(seed)
        self._say = say
        self._cases: list[Case] = []
        self._all: list[Case] = []
        self._steps = 0
        self._news = asyncio.Event()
        self.toll = Toll()

    async def run(self, count: int) -> Toll:
        # Whoever pushes over a socket has a session on record then, which a new process takes up.
        first = [case_of(self._stage, each, "first") for each in self._stage.customers]
        await asyncio.gather(*(each.talk.ask(HEAT) for each in first))
        number = 0
        while self.toll.kills.total() < count and not self.toll.wrong:
            await self._round(number, min(A_ROUND, count - self.toll.kills.total()))
            self._say(f"{self.toll.kills.total()} kills; {len(self.toll.wrong)} wrong")
            number += 1
        await self._explain()
        return self.toll

    async def _explain(self) -> None:
        """Where the vendor cannot say what it has shown, a message may be missing; then that is told."""
        await self._stage.installation.stop()
        log = await self._stage.events()
        for case in self._all:
            missing = [line.text for line in case.lines if line.missing]
            self.toll.missing += len(missing)
            if missing and not in_doubt(log, case):
                self.toll.wrong.append(f"{case.talk.person} misses {missing}, and nobody was told")
            if not any(case.talk.person in each for each in self.toll.wrong) and ratings(log, case) != [4]:
                self.toll.wrong.append(f"{case.talk.person} rated it, and the log says {ratings(log, case)}")

    async def _round(self, number: int, most: int) -> None:
        stage, self._steps = self._stage, 0
        self._cases = [case_of(stage, each, f"k{number}", pause=self._pause, in_doubt=True) for each in stage.customers]
        self._all += self._cases
        plays = [asyncio.create_task(self._play(case)) for case in self._cases]
        done = asyncio.gather(*plays)
        wish = self.toll.kills.total() + most
        while not done.done() and self.toll.kills.total() < wish:
            await self._kill(done)
        for role in stage.installation.all_roles:
            if self._alive(role):
                await self._count(role, "any moment")  # it is armed, perhaps
        await stage.start()
        await done

    async def _pause(self) -> None:
        self._steps += 1
        self._news.set()

    async def _play(self, case: Case) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                await case.play()
        except (AssertionError, TimeoutError) as error:
            self.toll.wrong.append(f"{case.talk.person} in {case.step}: {error!r}"[:4000])
        self.toll.conversations += 1

    def _alive(self, role: str) -> bool:
        return self._stage.installation.roles[role].alive

    async def _kill(self, done: asyncio.Future[list[None]]) -> None:
        """One process: what is not armed dies now; what is armed, at its point or when its time is over."""
        installation = self._stage.installation
        role = self._rng.choice(installation.all_roles)
        point = self._rng.choice([each for each in POINTS if _is_of(each, role) and each not in WITHOUT])
        if self._alive(role):
            await self._count(role, "any moment")
        armed = f"{point}:{self._rng.randint(1, PASSAGES)}"
        await self._stage.start(role, PARLEY_CRASH_AT=armed, wait=False)
        exited = asyncio.ensure_future(asyncio.shield(installation.roles[role].exited))
        due = self._steps + PAUSES
        while not exited.done() and not done.done() and self._steps < due:
            self._news.clear()
            news = asyncio.ensure_future(self._news.wait())
            either: list[asyncio.Future[Any]] = [exited, done, news]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
        if exited.done():
            assert exited.result() == -9, installation.roles[role].tail()
            self._note(point)
        else:
            exited.cancel()

    async def _count(self, role: str, point: str) -> None:
        assert await self._stage.installation.roles[role].kill() == -9
        self._note(f"{role.partition('#')[0]} at {point}")

    def _note(self, point: str) -> None:
        self.toll.kills[point] += 1
        self.toll.steps.update(case.step for case in self._cases)


def _is_of(point: str, role: str) -> bool:
    return role == "dev" or point.startswith("connector." if role == "connectors" else f"{role}.")
