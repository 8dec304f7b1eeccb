"""Row ``worker``: messages a second of one worker with a model that costs nothing, against a bare loop."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.config.loader import load
from gateway.wiring.compose import open_services
from tests.bench.figures import Row, ValueRange
from tests.bench.launch import MODULE, result_of
from tests.bench.setup import Stage, tenants
from tests.faults.flood import flood
from tests.harness.installation import Installation
from tests.harness.processes import Process

BUDGET = 0.5
DEADLINE = 120.0


async def handled(stage: Stage, installation: Installation, role: str, count: int) -> dict[str, Any]:
    """Let a fresh process handle ``count`` messages that wait on the log; what it says it took."""
    process = await stage.program(MODULE, str(installation.config), role, "0", str(count))
    try:
        return await outcome(process)
    finally:
        if process.alive:
            await process.stop()


async def outcome(process: Process, deadline: float = DEADLINE) -> dict[str, Any]:
    async with asyncio.timeout(deadline):
        while (found := result_of(process.log)) is None:
            assert process.alive, process.tail()
            await asyncio.sleep(0.05)
    return found


async def fill(installation: Installation, conversations: int, number: int) -> None:
    """One more message in each conversation, on the log, sealed as the front door does."""
    said = flood("plantstore", conversations=conversations, each=number)[-conversations:]
    async with open_services(load(installation.config), searches=False) as (services, recovery):
        recovery.start()
        try:
            await recovery.available.wait()  # nothing can be written before the shards are set up
            for begin in range(0, len(said), 500):
                await services.bus.append(said[begin : begin + 500])
        finally:
            await recovery.close()


async def measure(stage: Stage) -> list[Row]:
    count = stage.times(4000, 30)
    rounds = stage.times(4, 1)
    installation = await stage.installation(scaled=True, tenants=tenants())
    figures: dict[str, list[dict[str, Any]]] = {"worker": [], "bare": []}
    for number in range(1, rounds + 1):
        await fill(installation, count, number)
        for role, found in figures.items():
            found.append(await handled(stage, installation, role, count))
    # The first round makes the conversations; afterwards they are there, as they mostly are.
    kept = {role: found[1:] or found for role, found in figures.items()}
    rates = {role: [count / each["seconds"] for each in found] for role, found in kept.items()}
    processor = {role: [each["processor"] / count * 1e6 for each in found] for role, found in kept.items()}
    return [
        Row(
            "worker",
            "one worker on Kafka + Redis with a no-op model: messages a second against a bare loop",
            "x bare",
            ValueRange.of([ours / bare for ours, bare in zip(rates["worker"], rates["bare"], strict=True)]),
            BUDGET,
            "at least",
            detail={
                "messages_per_s": str(ValueRange.of(rates["worker"])),
                "bare_messages_per_s": str(ValueRange.of(rates["bare"])),
                "processor_us": str(ValueRange.of(processor["worker"])),
                "bare_processor_us": str(ValueRange.of(processor["bare"])),
                "messages": count,
            },
        )
    ]
