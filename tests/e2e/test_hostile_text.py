"""A customer who writes what is dear to render costs nobody else anything."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from tests.e2e.slack_desk import DeskInstallation
from tests.harness.chat_client import Contact
from tests.simulators.slack.message_contents import words
from tests.simulators.slack.workspace import Post

TABLE = ("|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "a|\n" * 2_500)[:7_990]


class HealthCheck:
    """How long the process takes to say that it is well."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.longest = 0.0

    async def beat(self) -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                begun = time.monotonic()
                async with http.get(f"{self._base}/healthz") as answer:
                    assert answer.status == 200
                self.longest = max(self.longest, time.monotonic() - begun)
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("stage", ["embedded"], indirect=True)
async def test_tables_of_a_hundred_columns_reach_the_desk_and_hold_up_nothing(
    stage: DeskInstallation, ann: Contact
) -> None:
    pulse = HealthCheck(stage.parley.base)
    beating = asyncio.create_task(pulse.beat())
    await ann.say("I want to talk to a person please")
    card = await stage.card()
    begun = time.monotonic()
    for number in range(5):
        await ann.say(f"table {number}\n{TABLE}"[:8_000])
    for number in range(5):
        await stage.in_thread(card, f"table {number}")
    took = time.monotonic() - begun
    beating.cancel()
    begun = time.monotonic()
    await stage.parley.stop()
    stopped = time.monotonic() - begun
    await stage.parley.start()
    # Waiting for Slack's own pace takes seconds; nothing takes as long in one piece, on however busy a machine.
    assert pulse.longest < took / 2
    print(f"five tables {took:.1f} s, longest /healthz {pulse.longest:.2f} s, SIGTERM {stopped:.1f} s")
    await ann.say("are you there?")
    await stage.in_thread(card, "are you there?")
    assert sum(f"table {number}" in "".join(map(words_of, stage.thread(card))) for number in range(5)) == 5


def words_of(post: Post) -> str:
    return words(post.body)
