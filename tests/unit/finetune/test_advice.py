"""Advice follows from the failures, the good answers and the costs."""

from __future__ import annotations

import pytest

from agent_worker.learning.finetune.advice import MIN_EXAMPLES, Advice, TenantUsage, TuningPrices, advise
from agent_worker.learning.insights.report import CureKind, InsightGroup
from tests.unit.finetune.test_filters import example

TRAFFIC = TenantUsage(days=15, questions=3000, cost=45.0)


def group(cure: CureKind, count: int, title: str = "rewritten drafts") -> InsightGroup:
    return InsightGroup(
        id=f"{cure}-{count}",
        signal="draft_edited",
        signals={"draft_edited": count},
        intent="",
        title=title,
        count=count,
        trend=0.0,
        parts=[count, 0, 0, 0],
        examples=[],
        conversations=[],
        asked=[],
        document="",
        cure=cure,
        suggestion="",
    )


def ask(*groups: InsightGroup, people: int = MIN_EXAMPLES, models: int = 0) -> Advice:
    answers = [example(f"p{n}", "q" * 400, "a" * 400) for n in range(people)]
    answers += [example(f"m{n}", "q" * 400, "a" * 400, source="thumb_up") for n in range(models)]
    return advise(groups, answers, TRAFFIC, TuningPrices(training=25.0, hosting=30.0))


@pytest.mark.parametrize(
    ("groups", "recommended", "verdict"),
    [
        ([group("tuning", 60), group("document", 20)], "tuning", "tuning: train an adapter"),
        ([group("tuning", 30), group("document", 20), group("document", 20)], "document", "retrieval"),
        ([group("tuning", 30), group("prompt", 30)], "prompt", "the prompt"),
        ([group("action", 12), group("routing", 11)], "action", "actions"),
        ([group("tuning", 9)], None, "nothing yet"),
        ([], None, "nothing yet"),
    ],
)
def test_the_cure_that_helps_most_is_recommended_and_of_equals_the_cheapest(
    groups: list[InsightGroup], recommended: str | None, verdict: str
) -> None:
    found = ask(*groups)
    assert found.recommended == recommended
    assert found.verdict.startswith(verdict)


def test_tuning_needs_enough_answers_and_some_of_people() -> None:
    few = ask(group("tuning", 60), people=50, models=30)
    assert (few.recommended, few.good_examples, few.by_people) == (None, 80, 50)
    assert few.verdict == f"not yet: {MIN_EXAMPLES - 80} more answers are needed for tuning"
    echo = ask(group("tuning", 60), people=0, models=300)
    assert echo.recommended is None
    assert "no answer was written by a person" in echo.verdict


def test_the_costs_are_those_of_a_month_at_this_volume() -> None:
    found = ask(group("tuning", 60))
    assert found.cost_now == 90.0
    assert found.training_cost == pytest.approx(200 * 200 * 3 * 25 / 1_000_000)
    (costs,) = (reason for reason in found.reasons if "a month are" in reason)
    assert "each of 120 failures a month" in costs
    assert f"${(found.training_cost / 12 + 30) / 120:.4f} for" in costs
