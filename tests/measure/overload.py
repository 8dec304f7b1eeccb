"""Three times more than the edge can take: how much still gets through, what the rest is told, and what memory does.

python -m tests.measure.overload [embedded|scaled] [seconds]

First as many as it can take are sent for ten seconds (the peak), then three times as many for ``seconds`` (300).
Limits of tenants and visitors are out of the way, so that the machine is what is too small. Prints, and ends with 1
when goodput is below 80 % of the peak, memory above 1.5 times, or an answer is neither 202 nor a refusal.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.faults.faulty_installation import open_world
from tests.faults.visitors import AnswerCounts, Visitors, memory
from tests.harness.installation import UNLIMITED, Installation
from tests.harness.processes import ForkServer

PEOPLE = 1_500
PEAK_S = 10.0
OVER = 3


async def measure(parley: Installation, seconds: float) -> bool:
    async with Visitors(parley, PEOPLE) as crowd:
        await crowd.all_at_once(3.0, people=64)  # caches, pools, arenas
        peak = await crowd.all_at_once(PEAK_S, people=64)
        before = memory(parley)
        print(f"peak: {peak}; memory {before}")
        over = await crowd.at_a_rate(OVER * peak.accepted / peak.seconds, seconds)
        after = memory(parley)
        print(f"{OVER} times that: {over}; memory {after}")
        calm = await crowd.all_at_once(PEAK_S, people=64)
        print(f"afterwards: {calm}")
    return passes(peak, over, before, after)


def passes(peak: AnswerCounts, over: AnswerCounts, before: dict[str, int], after: dict[str, int]) -> bool:
    goodput = (over.accepted / over.seconds) / (peak.accepted / peak.seconds)
    growth = {role: after[role] / before[role] for role in before}
    grown = ", ".join(f"{role} {times:.2f}" for role, times in growth.items())
    print(f"goodput {100 * goodput:.0f} % of the peak; memory grew to {grown}")
    return goodput >= 0.8 and max(growth.values()) <= 1.5 and not over.wrong


async def main(engine: str, seconds: float) -> bool:
    fork_server = ForkServer()
    await fork_server.start()
    tenant = {
        "name": "Plant store",
        "limits": UNLIMITED,
        "channels": {"web": {"main": {"messages_per_minute": 1_000_000}}},
    }
    with tempfile.TemporaryDirectory() as folder:
        try:
            if engine == "scaled":
                async with open_world(fork_server, Path(folder), bench=True, tenants={"plantstore": tenant}) as world:
                    return await measure(world.parley, seconds)
            parley = Installation.make(fork_server, Path(folder), tenants={"plantstore": tenant})
            await parley.start()
            return await measure(parley, seconds)
        finally:
            await fork_server.close()


if __name__ == "__main__":
    _engine = sys.argv[1] if len(sys.argv) > 1 else "embedded"
    sys.exit(not asyncio.run(main(_engine, float(sys.argv[2]) if len(sys.argv) > 2 else 300.0)))
