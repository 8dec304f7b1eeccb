"""Row ``agent``: what the whole agent adds to a message's way, against the foundation's: a model that says the same at
once, no routes, no actions. Both on SQLite, in turns; both models take no time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import yaml

from tests.bench.figures import Row, ValueRange, quantile
from tests.bench.latency import heard_of
from tests.bench.launch import MODULE
from tests.bench.machine import processor_seconds
from tests.bench.setup import Stage, tenants
from tests.harness.installation import UNLIMITED
from tests.harness.processes import ROOT, Process
from tests.simulators.models.instant import MODULE as QUOTING
from tests.telemetry.metrics_page import page_of

PER_SECOND = 20
ADDED = 15.0
PLANTSTORE = ROOT / "examples" / "plantstore"


@dataclass(slots=True)
class RoundResults:
    """Milliseconds by round, how many answers named a source, and what all that took of the processor: that much other
    work on the machine cannot lengthen."""

    process: Process
    rounds: list[list[float]] = field(default_factory=list)
    cited: int = 0
    answers: int = 0
    asked: int = 0
    seconds: float = 0.0

    async def ask(self, seconds: float, warm: float, texts: Sequence[str]) -> None:
        before = processor_seconds(self.process.pid)
        heard = await heard_of(self.process, seconds, warm, per_second=PER_SECOND, texts=texts)
        self.seconds += processor_seconds(self.process.pid) - before
        self.asked += int((seconds + warm) * PER_SECOND)
        self.rounds.append(heard.waits)
        self.cited += heard.cited
        self.answers += len(heard.waits)

    def p(self, share: float) -> list[float]:
        return [quantile(waits, share) for waits in self.rounds]


def agent(model: Process) -> dict[str, Any]:
    """The example shop's documents, intents and actions, answered by a model elsewhere."""
    remote = {
        "provider": "openai",
        "base_url": f"http://127.0.0.1:{model.port}/v1",
        "model": "instant",
        "context": 128_000,
        "abilities": ["actions"],
    }
    limits = {**UNLIMITED, "contact_per_minute": 1_000_000, "contact_per_hour": 1_000_000}
    tenant: dict[str, Any] = {
        "model": "remote",
        "limits": limits,
        "knowledge": {"paths": [str(PLANTSTORE / "knowledge")]},
        "routes": {
            "examples": str(PLANTSTORE / "routes.yaml"),
            "models": {"cheap": "remote", "strong": "remote"},
        },
        "actions": {
            "sources": [str(PLANTSTORE / "shop" / "actions.py")],
            "settings": {"shop_url": "http://127.0.0.1:9"},
        },
    }
    return {"tenants": tenants(**tenant), "models": {"remote": remote}}


def questions() -> Sequence[str]:
    """Those of the example that its documents answer."""
    known = yaml.safe_load((PLANTSTORE / "questions.yaml").read_text())["cases"]
    return [each["question"] for each in known if "must_cite" in each]


async def measure(stage: Stage) -> list[Row]:
    model = await stage.program(QUOTING)
    await model.ready()
    plain = await stage.installation(False, tenants=tenants())
    foundation = RoundResults(await stage.program(MODULE, str(plain.config), "dev", "0", "0"))
    whole = await stage.installation(False, **agent(model))
    await whole.start("dev", flags=["--log-level", "error"], wait=False)
    agent_side = RoundResults(whole.roles["dev"])
    sides = [foundation, agent_side]
    for side in sides:
        await side.process.ready(120)
    seconds, warm, texts = stage.times(12, 1), stage.times(4, 0), questions()
    for number in range(stage.times(4, 1)):
        for side in sides if number % 2 else reversed(sides):
            await side.ask(seconds, warm, texts)
    stages = [await stages_of(side.process) for side in sides]
    await whole.stop()
    return [_row(foundation, agent_side, *stages)]


async def stages_of(process: Process) -> dict[str, float]:
    """Milliseconds of a turn by stage: means over everything since the process began."""
    async with aiohttp.request("GET", f"http://127.0.0.1:{process.port}/metrics") as answer:
        page = page_of(await answer.text())
    name = "parley_turn_seconds"
    return {
        stage: round(1000 * page.value(f"{name}_sum", stage=stage) / page.value(f"{name}_count", stage=stage), 2)
        for stage in sorted(page.labels(f"{name}_count", "stage"))
    }


def _row(foundation: RoundResults, whole: RoundResults, plain: dict[str, float], stages: dict[str, float]) -> Row:
    added = [after - before for before, after in zip(foundation.p(0.5), whole.p(0.5), strict=True)]
    detail = {
        "foundation_p50_ms": round(statistics.median(foundation.p(0.5)), 2),
        "agent_p50_ms": round(statistics.median(whole.p(0.5)), 2),
        "foundation_p99_ms": round(statistics.median(foundation.p(0.99)), 2),
        "agent_p99_ms": round(statistics.median(whole.p(0.99)), 2),
        "foundation_processor_ms": round(1000 * foundation.seconds / foundation.asked, 1),
        "agent_processor_ms": round(1000 * whole.seconds / whole.asked, 1),
        "answers": whole.answers,
        "answers_with_a_source": whole.cited,
        "foundation_stages_mean_ms": plain,
        "agent_stages_mean_ms": stages,
    }
    what = f"what documents, routes, actions and a model over HTTP add to the median, {PER_SECOND} messages a second"
    return Row("agent added p50", what, "ms", ValueRange.of(added), ADDED, detail=detail)
