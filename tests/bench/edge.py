"""Row ``edge``: a signed webhook until its 2xx, against a bare aiohttp handler that checks and reads the same body."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    """One server's rounds: microseconds of processor time a request, and requests a second. ``prepare`` makes the
    requests of a round."""

    def __init__(
        self, name: str, server: Process, prepare: Callable[[int, int, str], Iterator[bytes]] = requests
    ) -> None:
        self.name = name
        self.server = server
        self._prepare = prepare
        self._count = 0
        self.processor: list[float] = []
        self.rates: list[float] = []
        self.latencies: list[float] = []

    async def round(self, count: int, *, warm: bool = False) -> None:
        self._count += 1
        prepared = list(self._prepare(count, CONTACTS, f"{self.name}-{self._count}"))
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
    about = "signed webhook to durable append to 2xx on {}: processor time a request against a bare handler"
    return [
        build_row(bare, one, sync, name=f"edge {one.name}", about=about.format(one.name), budget=BUDGETS[one.name])
        for one in ours
    ]


def build_row(bare: Runs, one: Runs, sync: float, *, name: str, about: str, budget: float | None = None) -> Row:
    ratios = [mine / least for mine, least in zip(one.processor, bare.processor, strict=True)]
    through = [mine / most for mine, most in zip(one.rates, bare.rates, strict=True)]
    return Row(
        name,
        about,
        "x bare",
        ValueRange.of(ratios),
        budget,
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
