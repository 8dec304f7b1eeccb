"""Row ``edge``: a signed webhook until its 2xx, against a bare aiohttp handler that checks and reads the same body."""

from __future__ import annotations

from tests.bench.edge_server import MODULE
from tests.bench.figures import Row, ValueRange, quantile
from tests.bench.load import Result, drive
from tests.bench.machine import fdatasync_ms, processor_seconds
from tests.bench.setup import Stage, tenants
from tests.bench.signed_channel import requests
from tests.harness.processes import Process

CONTACTS = 500
CONNECTIONS = 64
BUDGETS = {"sqlite": 2.5, "kafka": 3.0}


class Runs:
    """One server's rounds: microseconds of processor time a request, and requests a second."""

    def __init__(self, name: str, server: Process) -> None:
        self.name = name
        self.server = server
        self._count = 0
        self.processor: list[float] = []
        self.rates: list[float] = []
        self.latencies: list[float] = []

    async def round(self, count: int, *, warm: bool = False) -> None:
        self._count += 1
        prepared = list(requests(count, CONTACTS, f"{self.name}-{self._count}"))
        before = processor_seconds(self.server.pid)
        result: Result = await drive(self.server.port, prepared, connections=CONNECTIONS)
        used = processor_seconds(self.server.pid) - before
        assert set(result.statuses) == {200}, (self.name, result.statuses, self.server.tail())
        if not warm:
            self.processor.append(used / count * 1e6)
            self.rates.append(result.rate)
            self.latencies += result.latencies


async def measure(stage: Stage) -> list[Row]:
    bare = Runs("bare", await stage.program(MODULE, "bare"))
    ours = []
    for engine in stage.engines:
        installation = await stage.installation(engine == "kafka", tenants=tenants())
        ours.append(Runs(engine, await stage.program(MODULE, "edge", str(installation.config))))
    runs = [bare, *ours]
    for one in runs:
        await one.server.ready(90)
        await one.round(stage.times(2 * CONTACTS, 20), warm=True)
    for _ in range(stage.times(7, 1)):
        for one in runs:
            await one.round(stage.times(3000, 40))
    sync, _ = fdatasync_ms(stage.folder)
    return [_row(bare, one, sync) for one in ours]


def _row(bare: Runs, one: Runs, sync: float) -> Row:
    ratios = [mine / least for mine, least in zip(one.processor, bare.processor, strict=True)]
    through = [mine / most for mine, most in zip(one.rates, bare.rates, strict=True)]
    return Row(
        f"edge {one.name}",
        f"signed webhook to durable append to 2xx on {one.name}: processor time a request against a bare handler",
        "x bare",
        ValueRange.of(ratios),
        BUDGETS[one.name],
        detail={
            "processor_us": str(ValueRange.of(one.processor)),
            "bare_processor_us": str(ValueRange.of(bare.processor)),
            "throughput_per_s": str(ValueRange.of(one.rates)),
            "bare_throughput_per_s": str(ValueRange.of(bare.rates)),
            "throughput_ratio": str(ValueRange.of(through)),
            "p50_ms": round(quantile(one.latencies, 0.5) * 1000, 2),
            "p99_ms": round(quantile(one.latencies, 0.99) * 1000, 2),
            "fdatasync_p50_ms": round(sync, 3),
            "connections": CONNECTIONS,
        },
    )
