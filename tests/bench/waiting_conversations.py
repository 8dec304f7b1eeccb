"""Row ``waiting_conversations``: thousands of them wait for a slow model at once, in one worker process."""

from __future__ import annotations

import asyncio

from tests.bench.figures import Row, ValueRange
from tests.bench.launch import MODULE
from tests.bench.machine import resident_bytes
from tests.bench.setup import Stage, tenants
from tests.bench.worker import fill, outcome

BUDGET_MIB, BUDGET_LAG_MS = 400.0, 100.0


async def measure(stage: Stage) -> list[Row]:
    count = stage.times(5000, 30)
    seconds = stage.times(20, 1)
    installation = await stage.installation(scaled=True, tenants=tenants())
    await fill(installation, count, 1)
    process = await stage.program(MODULE, str(installation.config), "worker", str(seconds), str(count))
    ended = asyncio.create_task(outcome(process, 200))
    most = 0
    while not ended.done():
        most = max(most, resident_bytes(process.pid))
        await asyncio.wait({ended}, timeout=0.1)
    found = await ended
    lag = found["lags"][0]
    about = {"conversations": count, "model_s": seconds, "handled_in_s": round(found["seconds"], 1)}
    return [
        Row(
            "waiting memory",
            f"{count:,} conversations waiting for a model in one worker: memory of the process",
            "MiB",
            ValueRange.of([most / 1024 / 1024]),
            BUDGET_MIB,
            detail=about,
        ),
        Row(
            "waiting lag",
            "how late its event loop is, 99th percentile",
            "ms",
            ValueRange.of([lag]),
            BUDGET_LAG_MS,
            detail={
                "worst_ms": round(found["lags"][-1], 1),
                "of_its_own_work_p99_ms": round(found["busy"][0], 1),
                "processor_s": round(found["processor"], 1),
            },
        ),
    ]
