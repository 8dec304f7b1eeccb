"""A customer writes in the moment in which people resolve the conversation."""

from __future__ import annotations

import asyncio

from tests.scenarios.channel_scenarios import TAKEN_OVER
from tests.scenarios.customer_conversation import FACTS, HEAT, RETURN, WATER
from tests.scenarios.desk.desk_scenario import ASKED, PERSON_PLEASE, Case


class Race(Case):
    async def play(self) -> None:
        """Whichever came first: the agent answers, once, and how it went is not what the customer was asking."""
        await self.round(HEAT, writes_first=True)
        await self.round(RETURN, writes_first=False)
        await self.says(WATER)
        await self.talk.until(lambda: self._seen(FACTS[WATER]) == 1, "the last answer")
        assert [self._seen(FACTS[each]) for each in (HEAT, RETURN)] == [1, 1], [each.text for each in self.talk.screen]
        assert self._seen(ASKED) <= 2
        await self.talk.record(lambda one: one["owner"] == "agent", "the agent to have it")

    async def round(self, question: str, *, writes_first: bool) -> None:
        before = self._seen(TAKEN_OVER)
        await self.says(PERSON_PLEASE)
        await self.talk.until(lambda: self._seen(TAKEN_OVER) == before + 1, "the handoff")
        await self.claim()
        await self.open_form()
        acts = [self.talk.say(question), self.floor.fill_in(outcome="Solved")]
        await asyncio.gather(*(acts if writes_first else reversed(acts)))
        await self.talk.until(lambda: self._seen(FACTS[question]) == 1, f"an answer to {question!r}")
