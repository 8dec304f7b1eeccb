"""Models judge tone and play customers, where a suite names one. They only read, and what they cost is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_worker.learning.evals.results import RunResult
from gateway.config.loader import load
from gateway.evals.runs import EvalOptions, Setup, SuiteRunner
from gateway.evals.suite_files import read_suite
from gateway.replay.candidate_documents import read_configured_documents
from schemas.errors import ConfigInvalid, InvalidRequest
from tests.simulators.models.server import Call, ModelServer, Script
from tests.unit.gateway.evals.eval_shop import CONFIG, install

PRICE = """
  - name: price
    message: How much is a heat pack in winter?
    expect: {cites: shipping, tone: friendly}
"""
TONE = f"cases:\n{PRICE}"
BUYER = """judge: clever
customer: clever
cases:
  - name: buyer
    customer: {wants: the price of a heat pack, knows: it is winter, turns: 3}
    expect: {contains: 4.50 euro}
"""


async def run(folder: Path, suite: str, server: ModelServer | None = None, *, judge: str = "") -> RunResult:
    file = install(folder)
    prices = "prices: {input: 1, output: 2}"
    address = "http://127.0.0.1:9/v1" if server is None else server.base_url
    model = f"models: {{clever: {{provider: openai, model: adapter-7, base_url: '{address}', api_key: k, {prices}}}}}\n"
    file.write_text(CONFIG + model)
    (folder / "evals.yaml").write_text(suite)
    config = load(file)
    scratch = folder / "scratch"
    scratch.mkdir()
    documents = await read_configured_documents(config, "shop", scratch)
    runner = SuiteRunner(read_suite(folder / "evals.yaml"), "evals.yaml", "shop", documents, EvalOptions(judge))
    return await runner.run(Setup("current", config), scratch)


@pytest.mark.parametrize(
    ("written", "passed", "why"),
    [
        ("PASS: it is kind.", True, "it is kind."),
        ("**FAIL** – it is cold", False, "it is cold"),
        ("I cannot say.", None, "the judge did not decide"),
    ],
)
async def test_a_model_judges_tone(tmp_path: Path, written: str, passed: bool | None, why: str) -> None:
    async with ModelServer().serving() as server:
        server.script = Script(text=written)
        result = await run(tmp_path, f"judge: clever\n{TONE}", server)
        (call,) = server.calls
    (case,) = result.cases
    checks = {check.check: check for check in case.checks}
    assert (checks["tone"].passed, checks["cites"].passed) == (passed, True)
    assert why in checks["tone"].why
    assert "The tone of the answer is friendly." in str(call.body)
    assert result.judge_cost > 0
    assert result.cost == 0


async def test_without_a_judge_tone_is_not_checked(tmp_path: Path) -> None:
    (case,) = (await run(tmp_path, TONE)).cases
    assert [(check.check, check.passed) for check in case.checks] == [("cites", True), ("tone", None)]
    assert case.passed


async def test_a_judge_that_fails_decides_nothing(tmp_path: Path) -> None:
    (case,) = (await run(tmp_path, TONE, judge="clever")).cases
    assert case.find_check("tone") is None
    assert any("the judge failed" in check.why for check in case.checks)


async def test_a_simulated_customer_is_played_by_a_model_and_counts_for_nothing(tmp_path: Path) -> None:
    def play(call: Call) -> Script:
        asked = str(call.body)
        return Script(text="DONE" if "Support:" in asked else "How much is a heat pack in winter?")

    async with ModelServer().serving() as server:
        server.script_for = play
        result = await run(tmp_path, BUYER + PRICE.replace(", tone: friendly", ""), server)
    buyer, price = result.cases
    assert [answer.asked for answer in buyer.answers] == ["How much is a heat pack in winter?"]
    assert (buyer.simulated, buyer.passed, price.simulated) == (True, True, False)
    assert result.summarize()["cases"] == 1


async def test_simulated_customers_are_left_out_where_no_model_plays_them(tmp_path: Path) -> None:
    suite = BUYER.replace("judge: clever\ncustomer: clever\n", "") + PRICE
    assert [case.name for case in (await run(tmp_path, suite)).cases] == ["price"]


async def test_names_of_models_and_actions_are_checked_before_anything_is_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="no model that can judge"):
        await run(tmp_path / "judge", TONE, judge="local")
    action = "cases:\n  - {name: a, message: Hi, expect: {action: refnd}}\n"
    with pytest.raises(ConfigInvalid, match="there is no action 'refnd'"):
        await run(tmp_path / "action", action)
    result = "cases:\n  - {name: a, message: Hi, actions: [{name: refund, result: {refnded: 1}}]}\n"
    with pytest.raises(ConfigInvalid, match="refunded"):
        await run(tmp_path / "result", result)


async def test_people_can_only_be_compared_where_they_answered(tmp_path: Path) -> None:
    config = load(install(tmp_path))
    runner = SuiteRunner(read_suite(tmp_path / "evals.yaml"), "evals.yaml", "shop", [])
    with pytest.raises(InvalidRequest, match="lacks an answer of people"):
        await runner.run(Setup("people", config, by_people=True), tmp_path)
