"""Row ``whatsapp``: signed webhooks of a busy number while a worker and a connector run beside the edge.

80 customers' messages a second, each answered, each answer followed by three statuses: 320 webhooks a second.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from infra.deploy.process import free_port
from tests.bench import launch, meta_customers
from tests.bench.figures import Row, ValueRange, quantile
from tests.bench.machine import fdatasync_ms, processor_seconds
from tests.bench.setup import Stage, tenants
from tests.bench.worker import outcome
from tests.harness.installation import ADMIN_TOKEN, Installation
from tests.harness.processes import Process

PER_SECOND = 80
CONTACTS = 800
"""Each writes every ten seconds: Meta takes a message every six to one person, once its burst is spent."""
WEBHOOKS, P50, P99 = 300.0, 50.0, 250.0
ACCOUNT = "meta"


async def measure(stage: Stage) -> list[Row]:
    rows = []
    for engine in stage.engines:
        at = free_port()
        account = meta_customers.vendor_at(at).settings() | {"per_second": meta_customers.UPGRADED}
        channels = {"whatsapp": {ACCOUNT: account}}
        installation = await stage.installation(engine == "kafka", tenants=tenants(channels=channels))
        processes = await _started(stage, installation)
        before = {name: processor_seconds(process.pid) for name, process in processes.items()}
        found = await _load(stage, processes["edge"].port, at)
        whole = stage.times(65, 2)
        cores = {name: (processor_seconds(one.pid) - before[name]) / whole for name, one in processes.items()}
        await _check(processes["edge"].port, found)
        sync, _ = fdatasync_ms(stage.folder)
        found |= {"fdatasync_p50_ms": round(sync, 3), "cores": {name: round(used, 2) for name, used in cores.items()}}
        rows += _rows(engine, found)
        await installation.stop()
        for process in processes.values():
            if process.alive:
                await process.stop()
    return rows


async def _started(stage: Stage, installation: Installation) -> dict[str, Process]:
    """All roles, with a model that costs nothing; embedded they are one process, which is the edge too."""
    config = str(installation.config)
    if not installation.scaled:
        processes = {"edge": await stage.program(launch.MODULE, config, "dev", "0", "0")}
    else:
        await installation.start("edge", "connectors", flags=["--log-level", "error"])
        worker = await stage.program(launch.MODULE, config, "worker", "0", "0")
        processes = {**installation.roles, "worker": worker}
    for process in processes.values():
        await process.ready(90)
    return processes


async def _load(stage: Stage, edge: int, at: int) -> dict[str, Any]:
    webhook = f"http://127.0.0.1:{edge}/v1/webhooks/whatsapp/plantstore/{ACCOUNT}"
    seconds, warm, contacts = stage.times(60, 2), stage.times(5, 0), stage.times(CONTACTS, 40)
    rate = stage.times(PER_SECOND, 20)
    vendor = await stage.program(
        meta_customers.MODULE, webhook, str(rate), str(seconds), str(warm), str(contacts), port=at
    )
    return await outcome(vendor, seconds + warm + 2 * meta_customers.PATIENCE)


async def _check(edge: int, found: dict[str, Any]) -> None:
    """Figures of what went wrong are worth nothing: everything was heard, answered once, and nothing given up on."""
    assert set(found["outcomes"]) == {"200"}, found["outcomes"]
    assert found["unanswered_or_twice"] == 0, found["unanswered_or_twice"]
    url, headers = (
        f"http://127.0.0.1:{edge}/v1/admin/plantstore/deadletters",
        {"Authorization": f"Bearer {ADMIN_TOKEN}"},
    )
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        given_up = (await answer.json())["items"]
    assert given_up == []


def _rows(engine: str, found: dict[str, Any]) -> list[Row]:
    latencies, rate = found.pop("latencies_ms"), found.pop("webhooks_per_s")
    what = f"a WhatsApp number's signed webhooks on {engine}, worker and connector beside: until the 200"
    return [
        Row(
            f"whatsapp p50 {engine}",
            f"{what}, median",
            "ms",
            ValueRange.of([quantile(latencies, 0.5)]),
            P50,
            detail={"webhooks": len(latencies), "messages_per_s": PER_SECOND, **found},
        ),
        Row(
            f"whatsapp p99 {engine}", "the same, 99th percentile", "ms", ValueRange.of([quantile(latencies, 0.99)]), P99
        ),
        Row(
            f"whatsapp rate {engine}", "webhooks a second meanwhile", "/s", ValueRange.of([rate]), WEBHOOKS, "at least"
        ),
    ]
