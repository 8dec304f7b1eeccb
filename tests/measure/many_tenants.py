"""Measures what many tenants with one document each cost a process: threads, descriptors, memory. Asserts nothing.

python -m tests.measure.many_tenants [TENANTS]
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.machine import resident_bytes
from tests.unit.agent_worker.worker_environment import world_at


def tell(what: str, begun: float) -> None:
    threads, descriptors = (len(os.listdir(f"/proc/self/{name}")) for name in ("task", "fd"))
    memory = resident_bytes(os.getpid()) / 2**20
    print(
        f"{what}: {time.perf_counter() - begun:.1f} s, {threads} threads, {descriptors} descriptors, {memory:.0f} MiB"
    )


async def measure(tenants: int, folder: Path) -> None:
    begun = time.perf_counter()
    tell("before", begun)
    async with world_at(folder) as world:
        for number in range(tenants):
            await world.put("hours", f"# Hours\n\nShop {number} opens at nine.", tenant=f"shop-{number}")
        for number in range(tenants):
            await world.library.wait_until_indexed(f"shop-{number}", 600)
        tell(f"{tenants} tenants indexed", begun)
        begun = time.perf_counter()
        for number in range(tenants):
            found = await world.library.search(f"shop-{number}", "When does the shop open?")
            assert f"Shop {number} " in found.passages[0].text
        tell("each searched once", begun)
    begun = time.perf_counter()
    async with world_at(folder) as world:
        await world.library.wait_until_ready()
        tell("started again", begun)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200, Path(name)))
