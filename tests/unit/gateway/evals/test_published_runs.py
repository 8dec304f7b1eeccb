"""Published runs are listed by the API and shown in the console, on every process and after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_worker.learning.evals.results import AnswerRecord, CaseResult, CheckResult, RunResult
from agent_worker.learning.evals.suite import Gate
from gateway.evals.published_runs import MAX_CASES, MAX_RUNS, MAX_SUITES, MAX_TEXT, build_published_run
from tests.console.conftest import TEXT
from tests.unit.gateway.conftest import Instance, run_instance

LONG = "x" * 5_000


def result(number: int = 0, *, suite: str = "evals.yaml", failed: int = 1, why: str = "lacks 4.5") -> RunResult:
    answer = AnswerRecord(asked="How much?", text="<b>9 euro</b>", cost=0.5, milliseconds=20)
    bad = CheckResult(check="contains", passed=False, why=why)
    cases = [CaseResult(name=f"bad {n}", checks=[bad], answers=[answer], conversation="c-1") for n in range(failed)]
    good = CaseResult(name="good", checks=[CheckResult(check="contains", passed=True)], answers=[answer])
    at = f"2026-05-04T09:{number:02}:00Z"
    about = {"suite": suite, "tenant": "shop", "setup": f"setup {number}", "at": at, "gate": Gate()}
    return RunResult.model_validate(about | {"cases": [*cases, good]})


async def publish(instance: Instance, run: RunResult) -> None:
    answer = await instance.admin("POST", "/evals", build_published_run(run).model_dump(mode="json"))
    assert answer.status == 201


async def list_runs(instance: Instance) -> list[dict[str, Any]]:
    return list((await instance.admin("GET", "/evals")).body["items"])


async def test_runs_are_listed_newest_first_and_survive_a_restart(tmp_path: Path) -> None:
    async with run_instance(tmp_path, TEXT) as instance:
        assert await list_runs(instance) == []
        await publish(instance, result(1))
        await publish(instance, result(2))
    async with run_instance(tmp_path, TEXT) as instance:
        newest, earlier = await list_runs(instance)
    assert (newest["setup"], earlier["setup"]) == ("setup 2", "setup 1")
    assert (newest["cases"], newest["passed"], newest["cost"]) == (2, 1, 1.0)
    assert newest["failed"][0]["checks"] == [{"check": "contains", "why": "lacks 4.5"}]
    assert earlier["failed"] == []


async def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    async with run_instance(tmp_path, TEXT) as instance:
        for number in range(MAX_RUNS + 3):
            await publish(instance, result(number))
        await publish(instance, result(40, failed=MAX_CASES + 5, why=LONG))
        for number in range(MAX_SUITES + 2):
            await publish(instance, result(50, suite=f"suite-{number}.yaml"))
        runs = await list_runs(instance)
    of_first = [run for run in runs if run["suite"] == "evals.yaml"]
    assert len(of_first) in (0, MAX_RUNS)
    assert len({run["suite"] for run in runs}) == MAX_SUITES
    published = build_published_run(result(40, failed=MAX_CASES + 5, why=LONG))
    assert (len(published.failed), published.cases) == (MAX_CASES, MAX_CASES + 6)
    assert len(published.failed[0].checks[0].why) == MAX_TEXT


async def test_a_run_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async with run_instance(tmp_path, TEXT) as instance:
        body = build_published_run(result()).model_dump(mode="json")
        for wrong in ({"passed": -1}, {"high": 2}, {"suite": ""}, {"at": "soon"}):
            assert (await instance.admin("POST", "/evals", body | wrong)).status == 400
        assert await list_runs(instance) == []
