"""What a flood from one tenant costs another: p50 and p99 from a message to its answer, alone and beside the flood.

python -m tests.measure.fairness [conversations of the flood] [messages in each]

Prints, asserts nothing. The flood is on the log before the quiet tenant asks again; asking ends when it is handled.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import yaml

from infra.bus.kafka import KafkaBus
from schemas import topics
from tests.faults.flood import flood
from tests.faults.world import opened
from tests.harness.client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import Nursery

QUIET, LOUD = "plantstore", "bookshop"
ALONE = 60
ACCEPTED: list[float] = []
STAGES: dict[str, list[float]] = {}
"""Milliseconds by stage of the quiet tenant's turns."""


async def ask(contact: Contact) -> float:
    """Seconds from sending to seeing the answer."""
    begun = time.perf_counter()
    said = await contact.say(QUESTIONS[len(contact.sent) % len(QUESTIONS)])
    ACCEPTED.append(time.perf_counter() - begun)
    while True:
        for line in await contact.transcript(said.seq, wait=5):
            if line["in_reply_to"] == said.message_id:
                return time.perf_counter() - begun


def tell(what: str, seconds: Sequence[float]) -> float:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{what}: {len(ordered)} answers, p50 {1000 * ordered[len(ordered) // 2]:.0f} ms, p99 {1000 * p99:.0f} ms")
    return p99


async def measure(parley: Installation, conversations: int, each: int) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        contact = Contact(parley.base, http, "quiet", tenant=QUIET)
        await contact.open()
        for _ in range(10):
            await ask(contact)
        alone = tell("alone", [await ask(contact) for _ in range(ALONE)])
        envelopes = flood(LOUD, conversations=conversations, each=each)
        begun = time.perf_counter()
        for at in range(0, len(envelopes), 1000):
            await parley.append("parley.inbound.web", envelopes[at : at + 1000])
        print(f"{len(envelopes):,} messages in {conversations:,} conversations, in {time.perf_counter() - begun:.1f} s")
        handled = asyncio.create_task(all_handled(parley, {one.id for one in envelopes}))
        beside, begun = [await ask(contact)], time.perf_counter()
        while not handled.done():
            beside.append(await ask(contact))
        print(f"flood handled in {time.perf_counter() - begun:.1f} s")
        tell("of that until accepted", ACCEPTED[-len(beside) :])
        for stage, times in STAGES.items():
            tell(f"  stage {stage}", [one / 1000 for one in times])
        print(f"ratio of p99: {tell('beside the flood', beside) / alone:.2f}")


async def all_handled(parley: Installation, wanted: set[str]) -> None:
    """Returns when each of these messages is in a turn."""
    settings = yaml.safe_load(parley.config.read_text())
    bus = KafkaBus(settings["bus"].removeprefix("kafka://"), prefix=settings["topic_prefix"])
    await bus.start()
    follower = await bus.follow(topics.EVENTS)
    async for record in follower.records():
        if record.headers["ce_type"] == topics.TURN_COMPLETED:
            turn = json.loads(record.value or b"{}")
            wanted.difference_update(turn["handled"])
            if record.headers["ce_tenant"] == QUIET:
                for stage, milliseconds in turn["stages"].items():
                    STAGES.setdefault(stage, []).append(milliseconds)
            if not wanted:
                break
    await bus.close()


async def main(conversations: int, each: int) -> None:
    nursery = Nursery()
    await nursery.start()
    with tempfile.TemporaryDirectory() as folder:
        try:
            async with opened(nursery, Path(folder), bench=True) as world:
                await measure(world.parley, conversations, each)
        finally:
            await nursery.close()


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:] or ("2000", "2"))))
