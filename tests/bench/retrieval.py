"""Row ``retrieval``: one tenant's 100,000 passages, searched."""

from __future__ import annotations

import asyncio

from tests.bench.figures import Row, Spread, quantile
from tests.bench.stage import Stage
from tests.measure.retrieval_speed import speeds

BUDGET_MS = 20.0


async def measure(stage: Stage) -> list[Row]:
    passages = stage.times(100_000, 400)
    found = await asyncio.to_thread(speeds, passages, stage.times(3, 1), 10 if stage.quick else None)
    return [
        Row(
            "retrieval",
            f"search over {passages:,} passages of one tenant, 95th percentile",
            "ms",
            Spread.of([quantile(each, 0.95) for each in found.searches]),
            BUDGET_MS,
            detail={
                "p50_ms": str(Spread.of([quantile(each, 0.5) for each in found.searches])),
                "processor_p50_ms": round(quantile(found.processor, 0.5), 1),
                "processor_p95_ms": round(quantile(found.processor, 0.95), 1),
                "edit_until_in_the_index_p95_ms": round(quantile(found.edits, 0.95), 1),
                "opened_from_disk_ms": round(found.opened),
            },
        )
    ]
