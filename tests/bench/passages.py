"""Row ``passages``: a worker that has 20,000 passages on its disk: how soon it is ready, how much memory it holds."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import aiohttp
import yaml

from agent_worker.knowledge.ingest.publishing import publish
from agent_worker.knowledge.quality.suite import read_suite
from gateway.config.loader import load
from gateway.wiring.engines import open_engine
from schemas.ports import DocumentDraft
from tests.bench.figures import Row, ValueRange
from tests.bench.machine import anonymous_bytes, resident_bytes
from tests.bench.setup import Stage, tenants
from tests.faults.flood import flood
from tests.harness.installation import Installation
from tests.harness.processes import Process
from tests.measure.retrieval_speed import EXAMPLE, vocabulary

PASSAGES = 20_000
WORDS = 100
"""Of a passage: sentences of about twelve, under a heading of its own, as pages of support have them."""
SHAPES = {"pages": 5, "answers": 1}
"""Passages of a document: of pages with some sections, and of a list of questions and answers."""
BUDGET_S, BUDGET_MIB = 5.0, 250.0
_DEADLINE_S = 240.0
_TURNS = re.compile(r'^parley_turn_seconds_count\{[^}]*stage="total"[^}]*\} (\S+)$', re.MULTILINE)


async def measure(stage: Stage) -> list[Row]:
    rows = []
    for shape, sections in [*SHAPES.items()][: stage.times(len(SHAPES), 1)]:
        installation = await stage.installation(scaled=True, tenants=tenants(knowledge={"paths": []}))
        count = stage.times(PASSAGES, 40)
        empty, _ = await started(stage, installation)  # which sets the state up, as an operator's first start does
        without = resident_bytes(empty.pid) / 2**20
        await empty.stop()
        await fill(installation, count // sections, sections)
        first, _ = await started(stage, installation)
        building = resident_bytes(first.pid) / 2**20
        await first.stop()
        seconds, fresh, asked, anonymous = [], [], [], []
        for number in range(stage.times(3, 1)):
            process, took = await started(stage, installation)
            seconds.append(took)
            fresh.append(resident_bytes(process.pid) / 2**20)
            await ask(installation, process, stage.times(300, 5), number)
            asked.append(resident_bytes(process.pid) / 2**20)
            anonymous.append(anonymous_bytes(process.pid) / 2**20)
            await process.stop()
        detail: dict[str, object] = {
            "without_documents_MiB": round(without),
            "right_after_the_start_MiB": str(ValueRange.of(fresh)),
            "that_split_and_wrote_them_MiB": round(building),
            "after_the_questions_anonymous_MiB": str(ValueRange.of(anonymous)),
        }
        what = f"a worker, {count:,} passages of {WORDS} words on disk, {sections} a document"
        rows += [
            Row(f"start with {shape}", f"{what}: until it is ready", "s", ValueRange.of(seconds), BUDGET_S),
            _memory(f"memory of {shape}", f"{what}: after 300 questions", asked, detail),
        ]
        await installation.stop()
    return rows


def _memory(name: str, what: str, asked: list[float], detail: dict[str, object]) -> Row:
    return Row(name, what, "MiB", ValueRange.of(asked), BUDGET_MIB, detail=detail)


async def started(stage: Stage, installation: Installation) -> tuple[Process, float]:
    """A worker whose documents can be searched, and the seconds that took."""
    begun = time.perf_counter()
    process = await stage.command("run", "worker", "--config", str(installation.config), "--log-level", "error")
    await process.ready(_DEADLINE_S)
    return process, time.perf_counter() - begun


async def fill(installation: Installation, documents: int, sections: int) -> None:
    """Put so many documents on the log."""
    config = load(installation.config)
    async with open_engine(config, config.data_path) as engine:
        now, waiting = datetime.now(UTC), list[DocumentDraft]()
        for draft in drafts(documents, sections):
            waiting.append(draft)
            if len(waiting) == 200 or draft.id == f"d{documents - 1}":
                await asyncio.gather(
                    *(publish(engine.bus, engine.state.heads, "plantstore", each, now) for each in waiting)
                )
                waiting = []


def drafts(documents: int, sections: int) -> Iterator[DocumentDraft]:
    """Made-up documents, the same ones every time."""
    chance, words = random.Random(1), vocabulary()

    def sentence(length: int) -> str:
        return " ".join(word.strip(".!?#*") for word in chance.choices(words, k=length)).capitalize() + "."

    for number in range(documents):
        bodies = [
            f"## {sentence(4)[:-1]}\n\n{' '.join(sentence(WORDS // 8) for _ in range(8))}" for _ in range(sections)
        ]
        yield DocumentDraft(id=f"d{number}", title=sentence(4)[:-1], body="\n\n".join(bodies))


async def ask(installation: Installation, process: Process, count: int, number: int) -> None:
    """Let it answer so many questions of the example's, each in a conversation of its own, and wait until it has."""
    asked = read_suite(yaml.safe_load((EXAMPLE / "questions.yaml").read_text(encoding="utf-8"))).cases
    begin = number * count
    said = [
        envelope
        for n in range(begin, begin + count)
        for envelope in flood("plantstore", conversations=1, each=1, first=n, texts=[asked[n % len(asked)].say])
    ]
    config = load(installation.config)
    async with open_engine(config, config.data_path) as engine:
        await engine.bus.append(said)
    async with aiohttp.ClientSession() as http, asyncio.timeout(_DEADLINE_S):
        while await turns(http, process) < count:
            assert process.alive, process.tail()
            await asyncio.sleep(0.1)


async def turns(http: aiohttp.ClientSession, process: Process) -> float:
    """How many it has taken since it started."""
    async with http.get(f"http://127.0.0.1:{process.port}/metrics") as answer:
        return sum(float(value) for value in _TURNS.findall(await answer.text()))
