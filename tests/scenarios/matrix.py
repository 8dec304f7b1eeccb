"""Every scenario on every channel, in one installation: those of one channel one after the other, the channels side by
side. Then a week passes, and what was begun is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.scenarios.channel_scenarios import A_WEEK_LATER, SCENARIOS, TODAY
from tests.scenarios.customer_conversation import CustomerConversation
from tests.scenarios.customers.customer import Customers
from tests.scenarios.evidence import Evidence
from tests.scenarios.matrix_cells import Cell
from tests.scenarios.scenario_installation import ScenarioInstallation

WEEK = 7 * 86_400 + 3600.0
"""Seconds. A little more, because a window of seven days has to be over."""


@dataclass
class PlayedScenario:
    """``talk`` is None until it begins."""

    done: asyncio.Future[None]
    rests: asyncio.Event = field(default_factory=asyncio.Event)
    """Ended, or waits for the week to pass."""
    talk: CustomerConversation | None = None
    seen: int = 0


class Matrix:
    def __init__(self, stage: ScenarioInstallation, wanted: Iterable[Cell]) -> None:
        self._stage = stage
        self._evidence = Evidence(stage)
        self.played = {cell: PlayedScenario(asyncio.get_running_loop().create_future()) for cell in wanted}
        self._week = asyncio.Event()
        self.finished = asyncio.get_running_loop().create_task(self._play_all())

    async def cell(self, cell: Cell) -> None:
        """Raises what went wrong."""
        await asyncio.shield(self.played[cell].done)

    async def unrest(self) -> list[str]:
        """Once all is over: what came to a screen after its scenario had ended."""
        await self.finished
        return [
            f"{where} {name}: {[shown.text for shown in played.talk.screen[played.seen :]]}"
            for (where, name), played in self.played.items()
            if played.talk is not None and len(played.talk.screen) != played.seen
        ]

    async def _play_all(self) -> None:
        try:
            await self._play()
        except Exception as error:
            # The installation did not come back, say: nobody shall wait for what can no longer be played.
            for played in self.played.values():
                if not played.done.done():
                    played.done.set_exception(error)
                    played.done.exception()
            raise

    async def _play(self) -> None:
        await asyncio.gather(*(self._today(each) for each in self._stage.customers))
        late = [cell for cell in self.played if cell[1] in A_WEEK_LATER]
        if not late:
            return
        by_name = {each.name(): each for each in self._stage.customers}
        ends = [asyncio.create_task(self._one(by_name[cell[0]], cell[1])) for cell in late]
        try:
            await asyncio.gather(*(self.played[cell].rests.wait() for cell in late))
            await self._stage.restart(ahead=WEEK)
            self._week.set()
            await asyncio.gather(*ends)
        finally:
            for end in ends:
                end.cancel()

    async def _today(self, customers: Customers) -> None:
        for name in TODAY:
            if (customers.name(), name) in self.played:
                await self._one(customers, name)

    async def _one(self, customers: Customers, name: str) -> None:
        played = self.played[customers.name(), name]

        async def week() -> None:
            played.rests.set()
            await self._week.wait()

        talk = played.talk = CustomerConversation(self._stage, customers, f"{name}-{customers.name()}", week)
        try:
            async with asyncio.timeout(300):
                await SCENARIOS[name](talk)
        except Exception as error:
            error.add_note(f"see {await self._evidence.keep(talk, error)}")
            played.done.set_exception(error)
            played.done.exception()  # looked at here, for nobody may ask for this cell
        else:
            played.done.set_result(None)
        finally:
            played.seen = len(talk.screen)
            played.rests.set()
            talk.vendor.faults.clear()
