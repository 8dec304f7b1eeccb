"""Row ``encryption``: what the keys of contacts cost: the processor time of each part, with everything sealed, against
the same with nothing sealed. In turns."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.edge import CONTACTS, Runs
from tests.bench.edge_server import MODULE as EDGE
from tests.bench.figures import Row, ValueRange
from tests.bench.latency import heard_of
from tests.bench.launch import MODULE as LAUNCH
from tests.bench.machine import processor_seconds
from tests.bench.setup import Stage, tenants
from tests.bench.worker import fill, handled
from tests.harness.processes import Process

BUDGET = 1.15
SIDES = (True, False)
PER_SECOND = 50


def sealing(is_on: bool) -> dict[str, bool]:
    return dict.fromkeys(("encrypt_log", "encrypt_state", "encrypt_files"), is_on)


def in_turns(number: int) -> Sequence[bool]:
    return SIDES if number % 2 else SIDES[::-1]


async def measure(stage: Stage) -> list[Row]:
    rows = [await _measure_embedded(stage)]
    rows += [await _measure_edge(stage, engine) for engine in stage.engines]
    if "kafka" in stage.engines:
        rows.append(await _measure_worker(stage))
    return rows


def _build_row(name: str, what: str, sealed: Sequence[float], plain: Sequence[float]) -> Row:
    """Of microseconds of processor time."""
    detail = {"sealed_processor_us": str(ValueRange.of(sealed)), "plain_processor_us": str(ValueRange.of(plain))}
    ratios = [with_keys / without for with_keys, without in zip(sealed, plain, strict=True)]
    about = f"{what}: processor time with the keys of contacts against without"
    return Row(f"encryption {name}", about, "x plain", ValueRange.of(ratios), BUDGET, detail=detail)


async def _measure_embedded(stage: Stage) -> Row:
    processes: dict[bool, Process] = {}
    for side in SIDES:
        installation = await stage.installation(False, tenants=tenants(), **sealing(side))
        processes[side] = await stage.program(LAUNCH, str(installation.config), "dev", "0", "0")
        await processes[side].ready(90)
    spent: dict[bool, list[float]] = {side: [] for side in SIDES}
    seconds, warm = stage.times(10, 1), stage.times(3, 0)
    for number in range(stage.times(5, 1)):
        for side in in_turns(number):
            before = processor_seconds(processes[side].pid)
            heard = await heard_of(processes[side], seconds, warm, per_second=PER_SECOND)
            assert heard.waits
            asked = (seconds + warm) * PER_SECOND
            spent[side].append((processor_seconds(processes[side].pid) - before) / asked * 1e6)
    for process in processes.values():
        await process.stop()
    return _build_row("embedded", "a web chat message until its answer, in one process on SQLite", *_in_order(spent))


async def _measure_edge(stage: Stage, engine: str) -> Row:
    runs: dict[bool, Runs] = {}
    for side in SIDES:
        installation = await stage.installation(engine == "kafka", tenants=tenants(), **sealing(side))
        runs[side] = Runs(f"{engine}-{side}", await stage.program(EDGE, "edge", str(installation.config)))
        await runs[side].server.ready(90)
        await runs[side].round(stage.times(2 * CONTACTS, 20), warm=True)
    for number in range(stage.times(7, 1)):
        for side in in_turns(number):
            await runs[side].round(stage.times(3000, 40))
    for one in runs.values():
        await one.server.stop()
    spent = {side: one.processor for side, one in runs.items()}
    return _build_row(f"edge {engine}", f"a signed webhook until its 2xx on {engine}", *_in_order(spent))


async def _measure_worker(stage: Stage) -> Row:
    count, rounds = stage.times(4000, 30), stage.times(5, 2)
    installations = {side: await stage.installation(True, tenants=tenants(), **sealing(side)) for side in SIDES}
    spent: dict[bool, list[float]] = {side: [] for side in SIDES}
    for number in range(1, rounds + 1):
        for side in in_turns(number):
            await fill(installations[side], count, number)
            ran = await handled(stage, installations[side], "worker", count)
            spent[side].append(ran["processor"] / count * 1e6)
    # The first round makes the conversations; afterwards they are there, as they mostly are.
    kept = {side: figures[1:] for side, figures in spent.items()}
    return _build_row("worker", "a message of one worker on Kafka + Redis with a no-op model", *_in_order(kept))


def _in_order(spent: dict[bool, list[float]]) -> tuple[list[float], list[float]]:
    return spent[True], spent[False]
