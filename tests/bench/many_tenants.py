"""Row ``many_tenants``: a thousand tenants with a document each in one process, and an import beside them."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.figures import Row, ValueRange, quantile
from tests.bench.machine import processor_seconds, resident_bytes
from tests.bench.passages import drafts
from tests.bench.setup import Stage
from tests.harness.chat_client import Contact
from tests.harness.installation import UNLIMITED, Installation
from tests.harness.processes import Process

TENANTS, IMPORTED, QUESTIONS = 1_000, 5_000, 300
IMPORTER = "importer"
DESCRIPTORS = 1_024
BUDGET_S, BUDGET_MIB, BUDGET_THREADS, BUDGET_RATIO = 10.0, 400e6 / 2**20, 40.0, 1.5
_DEADLINE_S = 600.0
_QUIET = "shop-0"


@dataclass(frozen=True, slots=True)
class StartFigures:
    """One start, until `/readyz` answers 200: seconds elapsed and of CPU time, MiB, and what the process holds."""

    seconds: float
    processor: float
    memory: float
    threads: int
    descriptors: int


async def measure(stage: Stage) -> list[Row]:
    count = stage.times(TENANTS, 5)
    installation = await stage.installation(scaled=False, tenants=_configure(stage.folder, count))
    first, process = await _start(stage, installation)
    await process.stop()
    later: list[StartFigures] = []
    for _ in range(stage.times(3, 1)):
        if later:
            await process.stop()
        figures, process = await _start(stage, installation)
        later.append(figures)
    installation.ports["dev"] = process.port
    what = f"{count:,} tenants with one document each, known from the start before"
    rows = [
        _row("start of 1,000 tenants", f"{what}: until they can be searched", "s", [each.seconds for each in later]),
        _row("memory of 1,000 tenants", f"{what}: memory when ready", "MiB", [each.memory for each in later]),
        _row("threads of 1,000 tenants", f"{what}: threads", "threads", [float(each.threads) for each in later]),
    ]
    for row, budget in zip(rows, (BUDGET_S, BUDGET_MIB, BUDGET_THREADS), strict=True):
        row.budget = budget
    rows[0].detail = {
        "processor_s": str(ValueRange.of([each.processor for each in later])),
        "first_start_s": round(first.seconds, 1),
        "first_start_processor_s": round(first.processor, 1),
        "first_start_MiB": round(first.memory),
        "first_start_threads": first.threads,
    }
    rows[2].detail = {"descriptors": max(each.descriptors for each in later), "descriptors_allowed": DESCRIPTORS}
    rows.append(await _measure_import(stage, installation))
    await process.stop()
    return rows


def _row(name: str, what: str, unit: str, values: list[float]) -> Row:
    return Row(name, what, unit, ValueRange.of(values))


def _configure(folder: Path, count: int) -> dict[str, Any]:
    """So many tenants, and one that has no documents yet."""
    tenants: dict[str, Any] = {}
    for name in [*(f"shop-{number}" for number in range(count)), IMPORTER]:
        documents = folder / "documents" / name
        documents.mkdir(parents=True)
        tenants[name] = {
            "name": name,
            "fold": {"web": 0.0},
            "limits": UNLIMITED,
            "channels": {"web": {"main": {"messages_per_minute": 1_000_000}}},
            "knowledge": {"paths": [str(documents)]},
        }
        if name != IMPORTER:
            (documents / "hours.md").write_text(f"# Hours\n\nThe shop {name} opens at nine in the morning.\n")
    return tenants


async def _start(stage: Stage, installation: Installation) -> tuple[StartFigures, Process]:
    begun = time.perf_counter()
    process = await stage.command("dev", "--config", str(installation.config), "--log-level", "error")
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    await process.ready(_DEADLINE_S)
    seconds, memory = time.perf_counter() - begun, resident_bytes(process.pid) / 2**20
    threads, descriptors = (len(os.listdir(f"/proc/{process.pid}/{kind}")) for kind in ("task", "fd"))
    return StartFigures(seconds, processor_seconds(process.pid), memory, threads, descriptors), process


# ── an import ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _measure_import(stage: Stage, installation: Installation) -> Row:
    """A contact of one shop asks one question after the other, before another tenant imports and meanwhile."""
    imported, questions = stage.times(IMPORTED, 20), stage.times(QUESTIONS, 5)
    for draft in drafts(imported, 1):
        (stage.folder / "documents" / IMPORTER / f"{draft.id}.md").write_text(f"# {draft.title}\n\n{draft.body}\n")
    async with aiohttp.ClientSession() as http:
        contact = Contact(installation.base, http, "ann", tenant=_QUIET)
        await contact.open()
        await _ask(contact, stage.times(30, 1))
        before = await _ask(contact, questions)
        (source,) = (await installation.admin("GET", "knowledge/sources", tenant=IMPORTER))["items"]
        begun = time.perf_counter()
        await installation.admin("POST", f"knowledge/sources/{source['source']}/sync", tenant=IMPORTER, json={})
        importing = asyncio.create_task(_wait_for_import(installation))
        during = await _ask(contact, questions)
        ended_first = importing.done()
        await importing
    p99 = [quantile(taken, 0.99) for taken in (before, during)]
    return Row(
        "p99 during an import",
        f"an answer of one tenant, p99, while another imports {imported:,} documents, as a multiple of p99 before",
        "×",
        ValueRange.of([p99[1] / p99[0]]),
        BUDGET_RATIO,
        detail={
            "p50_p99_before_ms": [round(quantile(before, 0.5), 1), round(p99[0], 1)],
            "p50_p99_during_ms": [round(quantile(during, 0.5), 1), round(p99[1], 1)],
            "import_s": round(time.perf_counter() - begun, 1),
            "import_ended_before_the_questions": ended_first,
        },
    )


async def _ask(contact: Contact, count: int) -> list[float]:
    """Milliseconds until each answer."""
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        said = await contact.say("When does the shop open?")
        after = said.seq
        while all(line["author"]["kind"] == "contact" for line in await contact.transcript(after, wait=5)):
            pass
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


async def _wait_for_import(installation: Installation) -> None:
    """Until the importer's source was synced."""
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            (source,) = (await installation.admin("GET", "knowledge/sources", tenant=IMPORTER))["items"]
            if source["last"] and not source["running"]:
                return
            await asyncio.sleep(0.5)
