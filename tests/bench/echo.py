"""Row ``echo``: a Slack message until its visible answer, beside slack-bolt alone: same webhooks, same vendor, same
answer. Parley is durable and embedded; slack-bolt keeps nothing. Neither waits for Slack's pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.deploy.process import free_port
from tests.bench import echo_bot, launch, slack_customers
from tests.bench.figures import Row, ValueRange
from tests.bench.setup import Stage, tenants
from tests.bench.worker import outcome
from tests.harness.processes import Process

ACCOUNT = "main"
BUDGET = 2.5
DEADLINE = 300.0


@dataclass(frozen=True, slots=True)
class EchoRun:
    """Of one round: milliseconds of processor time and bytes written for a message, and messages a second."""

    processor_ms: float
    written: float
    rate: float


async def measure(stage: Stage) -> list[Row]:
    bolt, parley = list[EchoRun](), list[EchoRun]()
    for number in range(stage.times(3, 1)):
        for side in (_run_bolt, _run_parley) if number % 2 else (_run_parley, _run_bolt):
            (bolt if side is _run_bolt else parley).append(await side(stage))
    ratios = [mine.processor_ms / theirs.processor_ms for mine, theirs in zip(parley, bolt, strict=True)]
    what = "a Slack message until its visible answer on SQLite: processor time against slack-bolt alone"
    detail = {**_describe("parley", parley), **_describe("bolt", bolt)}
    return [Row("echo sqlite", what, "x bolt", ValueRange.of(ratios), BUDGET, detail=detail)]


def _describe(name: str, runs: list[EchoRun]) -> dict[str, str]:
    return {
        f"{name}_processor_ms": str(ValueRange.of([one.processor_ms for one in runs])),
        f"{name}_messages_per_s": str(ValueRange.of([one.rate for one in runs])),
        f"{name}_written_kib": str(ValueRange.of([one.written / 1024 for one in runs])),
    }


async def _run_bolt(stage: Stage) -> EchoRun:
    at = free_port()
    vendor = slack_customers.vendor_at(at)
    bot = await stage.program(echo_bot.MODULE, vendor.api_base, vendor.bot_token, vendor.signing_secret)
    return await _converse(stage, bot, at, echo_bot.PATH)


async def _run_parley(stage: Stage) -> EchoRun:
    at = free_port()
    settings: dict[str, Any] = slack_customers.vendor_at(at).settings()
    installation = await stage.installation(False, tenants=tenants(channels={"slack": {ACCOUNT: settings}}))
    parley = await stage.program(launch.MODULE, str(installation.config), "unpaced", "0", "0")
    run = await _converse(stage, parley, at, f"/v1/webhooks/slack/plantstore/{ACCOUNT}")
    await installation.stop()
    return run


async def _converse(stage: Stage, process: Process, at: int, path: str) -> EchoRun:
    await process.ready(90)
    warm, count = stage.times(300, 10), stage.times(2000, 30)
    webhook = f"http://127.0.0.1:{process.port}{path}"
    figures = map(str, (process.pid, warm, count))
    customers = await stage.program(slack_customers.MODULE, webhook, *figures, port=at)
    found = await outcome(customers, DEADLINE)
    assert found["wrong_screens"] == 0, f"{found['wrong_screens']} customers were not answered once each"
    await process.stop()
    return EchoRun(1000 * found["processor"] / count, found["written"] / count, count / found["seconds"])
