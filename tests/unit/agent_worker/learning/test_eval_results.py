"""Runs are summed up and compared, with intervals that hold what they say."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from agent_worker.learning.evals.comparison import compare_runs
from agent_worker.learning.evals.results import AnswerRecord, CaseResult, CheckResult, RunResult
from agent_worker.learning.evals.statistics import bootstrap_interval, difference_interval, percentile_95
from agent_worker.learning.evals.suite import Gate
from schemas.errors import InvalidRequest


def case(name: str, passed: bool | None = True, *, ms: float = 10.0, **more: Any) -> CaseResult:
    checks = [CheckResult(check="contains", passed=passed, why="" if passed else "lacks 4.5")]
    answers = [AnswerRecord(asked="?", text="!", cost=0.01, milliseconds=ms)]
    return CaseResult.model_validate({"name": name, "checks": checks, "answers": answers} | more)


def run(*cases: CaseResult, **more: Any) -> RunResult:
    about = {"suite": "s", "tenant": "t", "setup": "a", "at": datetime(2026, 5, 4, tzinfo=UTC), "gate": Gate()}
    return RunResult.model_validate(about | {"cases": list(cases)} | more)


def test_a_summary_has_the_fields_of_the_contract() -> None:
    summary = run(case("a"), case("b", False), case("c", ms=30), case("d", ms=20)).summarize()
    assert {name: summary[name] for name in ("cases", "passed", "by_check", "cost")} == {
        "cases": 4,
        "passed": 3,
        "by_check": {"contains": {"passed": 3, "failed": 1, "not_checked": 0}},
        "cost": 0.04,
    }
    assert 20 < summary["p95_ms"] <= 30
    low, high = summary["interval"]
    assert low < 0.75 < high
    assert summary["below_gate"] == ["75.0% of the cases passed, 100.0% must"]


def test_simulated_customers_and_cases_without_a_check_count_for_nothing() -> None:
    result = run(case("a"), case("b", False, simulated=True), case("c", None))
    assert (result.summarize()["cases"], result.share_passed, list(result.find_misses())) == (1, 1.0, [])
    assert next(run(case("c", None)).find_misses()) == "no check could be made"


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (Gate(passed=0.8), "75.0%"),
        (Gate(passed=0.5, checks={"contains": 0.9}), "contains: 75.0% passed, 90.0% must"),
        (Gate(passed=0.5, checks={"cites": 0.9}), "cites was not checked"),
        (Gate(passed=0.5, cost=0.03), "cost $0.0400"),
        (Gate(passed=0.5, p95_ms=5), "at most 5"),
    ],
)
def test_a_gate_names_what_is_below_it(gate: Gate, words: str) -> None:
    cases = [case("a"), case("b"), case("c"), case("d", False)]
    (miss,) = run(*cases, gate=gate).find_misses()
    assert words in miss
    assert list(run(*cases, gate=Gate(passed=0.75)).find_misses()) == []


def test_an_interval_holds_the_true_share_as_often_as_it_says() -> None:
    random, hits = Random(7), 0
    for _ in range(200):
        low, high = bootstrap_interval([float(random.random() < 0.7) for _ in range(60)])
        hits += low <= 0.7 <= high
    assert hits >= 180


def test_the_interval_of_a_difference_goes_by_pairs() -> None:
    """Cases differ more than setups do. Side by side, a small but steady difference shows."""
    before = [float(number) for number in range(40)]
    low, high = difference_interval(before, [each + 1 for each in before])
    assert (low, high) == (1.0, 1.0)
    low, high = difference_interval(before, before[::-1])
    assert low < 0 < high
    assert bootstrap_interval([3.0] * 10, percentile_95) == (3.0, 3.0)


def test_a_comparison_names_cases_and_checks_that_have_changed() -> None:
    a = run(*(case(str(number)) for number in range(12)))
    b = run(*(case(str(number), number < 3, ms=20) for number in range(12)), setup="b")
    comparison = compare_runs(a, b)
    figures = comparison.to_json()["differences"]
    passed = figures["passed"]
    assert (passed["cases"], passed["a"], passed["b"], passed["difference"]) == (12, 1.0, 0.25, -0.75)
    assert passed["certain"]
    assert passed["interval"][0] < -0.75 < passed["interval"][1] < 0
    assert comparison.worse == ["passed", "contains"]
    assert comparison.changed[0] == ("3", False, ["contains"])
    assert figures["p95_ms"]["difference"] == 10
    assert "p95_ms" not in comparison.worse


def test_a_few_cases_prove_nothing() -> None:
    a, b = run(*(case(str(n)) for n in range(4))), run(*(case(str(n), False) for n in range(4)))
    comparison = compare_runs(a, b)
    assert comparison.worse == []
    assert len(comparison.changed) == 4
    assert not any(each.is_certain for each in comparison.differences)


def test_times_alone_never_make_a_setup_worse() -> None:
    a, b = run(*(case(str(n)) for n in range(9))), run(*(case(str(n), ms=500) for n in range(9)))
    assert compare_runs(a, b).worse == []


def test_people_are_compared_by_the_checks_that_both_have() -> None:
    cites = CheckResult(check="cites", passed=False, why="cites nothing")
    agent = run(*(case(str(n), checks=[CheckResult(check="contains", passed=True), cites]) for n in range(4)))
    people = run(*(case(str(n)) for n in range(3)), by_people=True, setup="people")
    comparison = compare_runs(agent, people)
    assert [(each.figure, each.cases, each.a, each.b) for each in comparison.differences] == [
        ("passed", 3, 1.0, 1.0),
        ("contains", 3, 1.0, 1.0),
    ]


def test_runs_without_a_common_case_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=re.escape("no case in common")):
        compare_runs(run(case("a")), run(case("b")))
