"""Row ``retrieval``: one tenant's 100,000 passages, searched."""

from __future__ import annotations

import asyncio

from agent_worker.knowledge.vectors.encoder import Encoder
from tests.bench.figures import Row, ValueRange, quantile
from tests.bench.setup import Stage
from tests.measure.retrieval_speed import sentence_encoder, speeds

BUDGET_MS = 20.0


async def measure(stage: Stage) -> list[Row]:
    rows = [await _row(stage, "retrieval", "word vectors", None)]
    if (sentences := sentence_encoder()) is not None:
        rows.append(await _row(stage, "retrieval sentences", "the sentence encoder", sentences))
    return rows


async def _row(stage: Stage, name: str, by: str, encoder: Encoder | None) -> Row:
    passages = stage.times(100_000, 400)
    most = 10 if stage.quick else None
    found = await asyncio.to_thread(speeds, passages, stage.times(3, 1), most, encoder)
    return Row(
        name,
        f"search over {passages:,} passages of one tenant by {by}, 95th percentile",
        "ms",
        ValueRange.of([quantile(each, 0.95) for each in found.searches]),
        BUDGET_MS,
        detail={
            "p50_ms": str(ValueRange.of([quantile(each, 0.5) for each in found.searches])),
            "processor_p50_ms": round(quantile(found.processor, 0.5), 1),
            "processor_p95_ms": round(quantile(found.processor, 0.95), 1),
            "edit_until_in_the_index_p95_ms": round(quantile(found.edits, 0.95), 1),
            "opened_from_disk_ms": round(found.opened),
        },
    )
