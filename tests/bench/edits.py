"""Row ``edits``: how long after a document was edited the next question finds what it says now."""

from __future__ import annotations

import time

import aiohttp

from tests.bench.figures import Row, ValueRange, quantile
from tests.bench.setup import Stage, tenants
from tests.harness.chat_client import Contact
from tests.harness.installation import ADMIN_TOKEN

BUDGET_MS = 250.0


async def measure(stage: Stage) -> list[Row]:
    rows = []
    for engine in stage.engines:
        scaled = engine == "kafka"
        installation = await stage.installation(scaled, tenants=tenants())
        await installation.start(flags=["--log-level", "error"])
        if scaled:
            await installation.put_documents()
        async with aiohttp.ClientSession() as http:
            contact = Contact(installation.base, http, "ann")
            await contact.open()
            rows.append(await _edited(http, contact, engine, stage.times(40, 2)))
        await installation.stop()
    return rows


async def _edited(http: aiohttp.ClientSession, contact: Contact, engine: str, times: int) -> Row:
    """Edit and ask again and again; a stale answer counts as the time until one was right."""
    admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    taken, stale = [], 0
    for number in range(times):
        price = f"{number}.{number % 10}7 euro"
        body = f"# Shipping\n\n## Winter\n\nIn winter we add a heat pack to every parcel for {price}.\n"
        url = f"{contact.base}/v1/admin/plantstore/knowledge/shipping"
        async with http.put(url, json={"title": "Shipping", "body": body}, headers=admin) as answer:
            assert answer.status == 200, await answer.text()
        edited = time.perf_counter()
        while True:
            said = await contact.say("What does a heat pack cost in winter?")
            if price in (await contact.answered(said.message_id))["text"]:
                break
            stale += 1
        taken.append((time.perf_counter() - edited) * 1000)
    return Row(
        f"edit to answer {engine}",
        f"from an edited document to a right answer to the next question on {engine}, 95th percentile",
        "ms",
        ValueRange.of([quantile(taken, 0.95)]),
        BUDGET_MS,
        detail={"edits": times, "stale_answers": stale, "p50_ms": round(quantile(taken, 0.5), 1)},
    )
