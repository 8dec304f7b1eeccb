"""Row ``shop``: the example shop as `make run` starts it (its documents, intents, actions and built-in model), asked on
WhatsApp and in the web chat: what a message takes of the processor and the disk, until its visible answer.

The unit is a request to a bare aiohttp handler, which checks a signature and reads a small body, measured beside it."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Any

from infra.deploy.process import free_port
from tests.bench import meta_customers
from tests.bench.agent import PLANTSTORE, questions
from tests.bench.edge import CONTACTS, Runs
from tests.bench.edge_server import MODULE as EDGE_SERVER
from tests.bench.figures import Row, ValueRange, quantile
from tests.bench.latency import heard_of
from tests.bench.machine import processor_seconds, written_bytes
from tests.bench.setup import Stage, tenants
from tests.bench.worker import outcome
from tests.harness.installation import UNLIMITED
from tests.harness.processes import Process

UNITS = {"sqlite": 40.0, "kafka": 45.0}
WRITTEN_KB = 60.0
ACCOUNT = "meta"
PER_SECOND = 15
"""Messages a second on each of the two channels: a third of what the slowest of the variants can take."""
WHATSAPP_CONTACTS = 400
NO_PACE = 1_000_000
"""Messages a second that nothing can take: then each visitor asks as soon as the last answer is there."""


@dataclass(frozen=True, slots=True)
class ShopRun:
    """Of one round, for a message: milliseconds of processor time, units of the bare handler, and bytes written.
    ``rate``: answers a second to visitors who ask without a pause; ``waits``: milliseconds until an answer before."""

    processor_ms: float
    units: float
    written: float
    rate: float
    waits: list[float]


async def measure(stage: Stage) -> list[Row]:
    bare = Runs("bare", await stage.program(EDGE_SERVER, "bare"))
    await bare.server.ready(90)
    await bare.round(stage.times(2 * CONTACTS, 20), warm=True)
    rows = []
    for engine, encoder in (("sqlite", "light"), ("sqlite", "auto"), ("kafka", "light")):
        if engine in stage.engines:
            rounds = [await _round(stage, bare, engine, encoder) for _ in range(stage.times(3, 1))]
            rows += _rows(engine, encoder, rounds)
    return rows


def shop(whatsapp: dict[str, Any]) -> dict[str, Any]:
    """The example's tenant with an account at the simulated vendor, and without limits."""
    return tenants(
        model="local",
        limits={**UNLIMITED, "contact_per_minute": NO_PACE, "contact_per_hour": NO_PACE},
        channels={"web": {"main": {"messages_per_minute": NO_PACE}}, "whatsapp": {ACCOUNT: whatsapp}},
        knowledge={"paths": [str(PLANTSTORE / "knowledge")]},
        routes={"examples": str(PLANTSTORE / "routes.yaml")},
        actions={
            "sources": [str(PLANTSTORE / "shop" / "actions.py")],
            "settings": {"shop_url": "http://127.0.0.1:9"},
        },
    )


async def _round(stage: Stage, bare: Runs, engine: str, encoder: str) -> ShopRun:
    at = free_port()
    account = meta_customers.vendor_at(at).settings() | {"per_second": meta_customers.UPGRADED}
    installation = await stage.installation(engine == "kafka", encoder=encoder, tenants=shop(account))
    roles = ("edge", "worker", "connectors") if installation.scaled else ("dev",)
    await installation.start(*roles, flags=["--log-level", "error"], wait=False)
    processes = list(installation.roles.values())
    for process in processes:
        await process.ready(180)
    try:
        asked = 2 * PER_SECOND * stage.times(20, 2)
        (processor, written), waits = await _ask(stage, processes, at)
        rate = await _highest_rate(stage, processes[0])
        await bare.round(stage.times(3000, 40))
    finally:
        await installation.stop()
    units = processor / asked / (bare.processor[-1] / 1e6)
    return ShopRun(1000 * processor / asked, units, written / asked, rate, waits)


def _used(processes: list[Process]) -> tuple[float, float]:
    return sum(processor_seconds(each.pid) for each in processes), sum(written_bytes(each.pid) for each in processes)


async def _ask(stage: Stage, processes: list[Process], at: int) -> tuple[tuple[float, float], list[float]]:
    """Messages on both channels at once, each answered exactly once: what they took, and what the visitors waited. The
    first ones pay for what is loaded at first use, and do not count."""
    edge, texts = processes[0], questions()
    webhook = f"http://127.0.0.1:{edge.port}/v1/webhooks/whatsapp/plantstore/{ACCOUNT}"
    seconds, warm = stage.times(20, 2), stage.times(4, 1)
    figures = map(str, (PER_SECOND, seconds, warm, WHATSAPP_CONTACTS))
    customers = await stage.program(meta_customers.MODULE, webhook, *figures, *texts, port=at)
    visitors = asyncio.create_task(heard_of(edge, seconds, warm, per_second=PER_SECOND, texts=texts))
    await asyncio.sleep(warm)
    before = _used(processes)
    found, heard = await asyncio.gather(outcome(customers, seconds + 2 * meta_customers.PATIENCE), visitors)
    processor, written = (after - earlier for after, earlier in zip(_used(processes), before, strict=True))
    assert found["unanswered_or_twice"] == 0, found["unanswered_or_twice"]
    return (processor, written), heard.waits


async def _highest_rate(stage: Stage, edge: Process) -> float:
    count, begun = stage.times(2000, 100), time.perf_counter()
    heard = await heard_of(edge, count / NO_PACE, 0, per_second=NO_PACE, texts=questions())
    return len(heard.waits) / (time.perf_counter() - begun)


def _rows(engine: str, encoder: str, rounds: list[ShopRun]) -> list[Row]:
    name = f"shop {engine}" + (" sentences" if encoder == "auto" else "")
    about = "the example shop on WhatsApp and the web, a message until its visible answer"
    waits = [wait for each in rounds for wait in each.waits]
    detail = {
        "processor_ms": str(ValueRange.of([each.processor_ms for each in rounds])),
        "messages_per_s": str(ValueRange.of([each.rate for each in rounds])),
        "bare_processor_us": round(statistics.median(1000 * each.processor_ms / each.units for each in rounds), 1),
        "p50_ms": round(quantile(waits, 0.5), 1),
        "p99_ms": round(quantile(waits, 0.99), 1),
    }
    units = ValueRange.of([each.units for each in rounds])
    rows = [Row(name, f"{about}: processor time", "requests", units, UNITS[engine], detail=detail)]
    if engine == "sqlite":
        kilobytes = ValueRange.of([each.written / 1000 for each in rounds])
        rows.append(Row(f"{name} written", f"{about}: written to disk", "KB", kilobytes, WRITTEN_KB))
    return rows
