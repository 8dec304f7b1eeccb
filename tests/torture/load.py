"""The load: a crowd of people of several tenants, until enough was accepted and nothing else is to be waited for."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from tests.torture.chat_windows import ChatWindow, Live, Page
from tests.torture.writers import Person

BRANDS = {"plantstore": "Nepenthes", "bookshop": "Quarto", "teahouse": "Oolong"}
"""Each tenant, and a word that stands in every sentence of its documents and nowhere else."""
QUESTIONS = (
    "Do you add a heat pack in winter?",
    "How long can I return an item?",
    "When do parcels leave?",
    "Which water should I use?",
)
ANSWER_WAIT = 120.0
LAST_WAIT = 5.0
"""Seconds that a person still waits for an answer once the load is over; after that the checker waits for all."""


@dataclass
class Load:
    """``wanted``: accepted messages at least. ``enough``: asked once these are there; the load goes on until it says
    yes. ``answers`` holds the times of replies seen, newest last."""

    base: str
    http: aiohttp.ClientSession
    seed: int
    wanted: int
    crowd: int
    enough: Callable[[], bool]
    until: float
    people: list[Person] = field(default_factory=list)
    stats: Counter[str] = field(default_factory=Counter)
    late: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        return self.stats["accepted"]

    @property
    def over(self) -> bool:
        done = self.accepted >= self.wanted and self.enough()
        return done or time.monotonic() > self.until

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.crowd):
                group.create_task(self._seat())

    async def _seat(self) -> None:
        """One place in the crowd: when a person has said all, the next one comes."""
        while not self.over:
            await self._visit(self._next_person())

    def _next_person(self) -> Person:
        number = len(self.people)
        rng = random.Random(f"{self.seed}:{number}")
        tenant = list(BRANDS)[number % len(BRANDS)]
        person = Person(self.base, self.http, f"p{number}", tenant, rng=rng, stats=self.stats)
        self.people.append(person)
        return person

    async def _visit(self, person: Person) -> None:
        rng, quota = person.rng, person.rng.randint(20, 80)
        await person.open()
        tabs: list[ChatWindow] = [self._tab(person) for _ in range(1 + (rng.random() < 0.3))]
        self.stats["second tabs"] += len(tabs) - 1
        try:
            while len(person.words) < quota and not self.over:
                await self._say(person, rng.choice(tabs), tabs)
                await asyncio.sleep(rng.uniform(0.0, 0.2))
        except TimeoutError:
            person.wrong.append(f"lost: {person.name} was not accepted in time")
        finally:
            for tab in tabs:
                await tab.close()

    def _tab(self, person: Person) -> ChatWindow:
        return Live(person) if person.rng.random() < 0.7 else Page(person)

    async def _say(self, person: Person, tab: ChatWindow, tabs: list[ChatWindow]) -> None:
        """A burst, sometimes from all tabs at once, sometimes sent again for no reason; then mostly wait."""
        rng = person.rng
        burst = [person.compose(rng.choice(QUESTIONS)) for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 6)))]
        if rng.random() < 0.06:
            self.stats["told twice at once"] += len(burst)
            await asyncio.gather(*(one.deliver(burst) for one in tabs))
        await tab.deliver(burst)
        if rng.random() < 0.05:
            self.stats["told again"] += 1
            await person.post(rng.choice(burst))
        begun = time.monotonic()
        if rng.random() < 0.85 and await self._answered(person, tab):
            self.latencies.append(time.monotonic() - begun)
        if isinstance(tab, Live) and rng.random() < 0.2:
            await tab.read()
        if isinstance(tab, Live) and rng.random() < 0.05:
            await tab.close()

    async def _answered(self, person: Person, tab: ChatWindow) -> bool:
        """Wait until everything said so far is answered. False when that takes too long; the checker has the word."""
        give_up = time.monotonic() + ANSWER_WAIT
        while person.waits:
            if self.over:
                give_up = min(give_up, time.monotonic() + LAST_WAIT)
            if time.monotonic() > give_up:
                self.late.append(f"{person.name} of {person.conversation} on {type(tab).__name__}")
                return False
            person.news.clear()
            await tab.wait_for_answers()
        return True
