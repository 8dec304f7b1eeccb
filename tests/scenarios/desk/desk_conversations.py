"""One conversation with the desk on each channel, all at once, in one installation; then what the log says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from schemas import topics
from schemas.conversation import DeliveryOutcome
from schemas.desk import HandoffEnded, Rating
from schemas.envelope import Envelope
from tests.scenarios.customer_conversation import CustomerConversation
from tests.scenarios.customers.customer import Customers
from tests.scenarios.desk.desk_installations import slack_of
from tests.scenarios.desk.desk_scenario import Case
from tests.scenarios.desk.desk_view import DeskView
from tests.scenarios.desk.help_desk_view import HelpDeskView
from tests.scenarios.desk.races import Race
from tests.scenarios.desk.slack_view import SlackDeskView
from tests.scenarios.scenario_installation import ScenarioInstallation

DEADLINE = 240.0
"""Seconds for a conversation, all others at the same time."""


def case_of(stage: ScenarioInstallation, customers: Customers, name: str, **more: Any) -> Case:
    return Case(*_seats(stage, customers, name), **more)


def _seats(stage: ScenarioInstallation, customers: Customers, name: str) -> tuple[CustomerConversation, DeskView]:
    person = f"{name}-{customers.name()}"
    return CustomerConversation(stage, customers, person, _never), _floor(stage, customers, person)


def _floor(stage: ScenarioInstallation, customers: Customers, person: str) -> DeskView:
    colleague = f"Mo of {person}"
    if stage.help_desk is not None:
        return HelpDeskView(stage.help_desk, lambda: stage.conversation_ids(customers, person), colleague)
    return SlackDeskView(slack_of(stage.customers), lambda: stage.conversation_ids(customers, person), colleague)


async def _never() -> None:
    raise AssertionError("no week passes here")


class DeskConversations:
    def __init__(self, stage: ScenarioInstallation, names: Iterable[str]) -> None:
        wanted = set(names)
        self._stage = stage
        there = [each for each in stage.customers if each.name() in wanted]
        self.cases = {each.name(): case_of(stage, each, "desk") for each in there}
        self.races = {each.name(): Race(*_seats(stage, each, "race")) for each in there}
        self._playing = {case: asyncio.create_task(_in_time(case)) for case in self.all()}
        self._log = asyncio.create_task(self._read())

    def all(self) -> list[Case]:
        return [*self.cases.values(), *self.races.values()]

    async def case(self, name: str) -> None:
        """Raises what went wrong."""
        await asyncio.shield(self._playing[self.cases[name]])

    async def race(self, name: str) -> None:
        """Raises what went wrong."""
        await asyncio.shield(self._playing[self.races[name]])

    def error(self, case: Case) -> BaseException | None:
        """Once it is over."""
        return self._playing[case].exception()

    async def log(self) -> list[Envelope]:
        """Once all is over. Ends the installation."""
        return await asyncio.shield(self._log)

    async def _read(self) -> list[Envelope]:
        await asyncio.wait(self._playing.values())
        await self._stage.installation.stop()
        return await self._stage.events()


async def _in_time(case: Case) -> None:
    async with asyncio.timeout(DEADLINE):
        await case.play()


def ratings(log: Sequence[Envelope], case: Case) -> list[int]:
    """How the customer rated it."""
    told = {each.id: each.payload(Rating) for each in _of(log, case, topics.RATING_GIVEN)}
    return [each.score for each in told.values()]


def endings(log: Sequence[Envelope], case: Case) -> list[tuple[int, str]]:
    """The stretches in which people had it: their numbers, and how each ended."""
    told = {each.id: each.payload(HandoffEnded) for each in _of(log, case, topics.HANDOFF_ENDED)}
    return [(each.number, each.ended) for each in told.values()]


def in_doubt(log: Sequence[Envelope], case: Case) -> bool:
    """Whether it says that nobody knows what became of one of its messages."""
    told = [each.payload(DeliveryOutcome) for each in _of(log, case, topics.DELIVERY_RECORDED)]
    return any(each.state == "unknown" for each in told)


def _of(log: Sequence[Envelope], case: Case, kind: str) -> list[Envelope]:
    names = case.talk.stage.conversation_ids(case.talk.customers, case.talk.person)
    return [each for each in log if each.conversation in names and each.type == kind]
