"""Row ``suites``: the test commands themselves, from a warm cache."""

from __future__ import annotations

import asyncio
import time

from tests.bench.figures import Row, ValueRange
from tests.bench.setup import Stage
from tests.harness.processes import ROOT

BUDGETS = {"test-quick": 180.0, "test": 900.0}


async def measure(stage: Stage) -> list[Row]:
    rows = []
    for target, budget in BUDGETS.items():
        begun = time.monotonic()
        log = stage.folder / f"{target}.log"
        with log.open("wb") as out:
            arguments = [f"TESTS={'tests/unit/infra' if stage.quick else ''}"]
            child = await asyncio.create_subprocess_exec("make", target, *arguments, cwd=ROOT, stdout=out, stderr=out)
            await child.wait()
        last = log.read_text(errors="replace").splitlines()[-1]
        seconds = time.monotonic() - begun
        rows.append(Row(f"make {target}", last, "s", ValueRange.of([seconds]), budget, detail={"said": last}))
    return rows
