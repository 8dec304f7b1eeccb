"""One conversation with the desk on each channel, all at once, in one installation; then what the log says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from schemas import topics
from schemas.desk import HandoffEnded, RatingGiven
from schemas.envelope import Envelope
from tests.scenarios.customers.customer import Customers
from tests.scenarios.desk.floor import Floor, slack_of
from tests.scenarios.desk.play import Case
from tests.scenarios.stage import Stage
from tests.scenarios.talk import Talk

DEADLINE = 240.0
"""Seconds for a conversation, all others at the same time."""


def case_of(stage: Stage, customers: Customers, name: str, **more: Any) -> Case:
    person = f"{name}-{customers.name()}"
    floor = Floor(slack_of(stage.customers), lambda: stage.conversation_id(customers, person))
    return Case(Talk(stage, customers, person, _never), floor, **more)


async def _never() -> None:
    raise AssertionError("no week passes here")


class Cast:
    def __init__(self, stage: Stage, names: Iterable[str]) -> None:
        wanted = set(names)
        self._stage = stage
        self.cases = {each.name(): case_of(stage, each, "desk") for each in stage.customers if each.name() in wanted}
        self.playing = {name: asyncio.create_task(_in_time(case)) for name, case in self.cases.items()}
        self._log: asyncio.Task[list[Envelope]] = asyncio.create_task(self._read())

    async def case(self, name: str) -> None:
        """Raises what went wrong."""
        await asyncio.shield(self.playing[name])

    async def log(self) -> list[Envelope]:
        """Once all is over. Ends the installation."""
        return await asyncio.shield(self._log)

    async def _read(self) -> list[Envelope]:
        await asyncio.wait(self.playing.values())
        await self._stage.installation.stop()
        return await self._stage.events()


async def _in_time(case: Case) -> None:
    async with asyncio.timeout(DEADLINE):
        await case.play()


def ratings(log: Sequence[Envelope], case: Case) -> list[int]:
    """How the customer rated it."""
    told = {each.id: each.payload(RatingGiven) for each in _of(log, case, topics.RATING_GIVEN)}
    return [each.score for each in told.values()]


def endings(log: Sequence[Envelope], case: Case) -> list[tuple[int, str]]:
    """The stretches in which people had it: their numbers, and how each ended."""
    told = {each.id: each.payload(HandoffEnded) for each in _of(log, case, topics.HANDOFF_ENDED)}
    return [(each.number, each.ended) for each in told.values()]


def _of(log: Sequence[Envelope], case: Case, kind: str) -> list[Envelope]:
    conversation = case.talk.stage.conversation_id(case.talk.customers, case.talk.person)
    return [each for each in log if each.conversation == conversation and each.type == kind]
