"""Advice whether to change documents, the prompt, routes or actions, or to tune a model; with the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent_worker.learning.finetune.training_example import TrainingExample, TrainingModel
from agent_worker.learning.insights.report import CURES, CureKind, InsightGroup

MIN_EXAMPLES = 200
"""Answers to learn from which an adapter usually learns a form or a tone."""
MIN_FAILURES = 10
"""Fewer failures are no pattern."""
EPOCHS = 3
_CHARACTERS_PER_TOKEN = 4
_MONTH_DAYS = 30
_NAMES: dict[CureKind, str] = {
    "document": "retrieval: write or correct documents",
    "prompt": "the prompt: change the voice or the instructions",
    "routing": "routes: send these questions elsewhere",
    "action": "actions: let the agent read or change the contact's data",
    "tuning": "tuning: train an adapter",
}


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """The tenant's volume in ``days``. ``cost``: of models, in US dollars."""

    days: float
    questions: int
    cost: float

    def per_month(self, figure: float) -> float:
        return figure * _MONTH_DAYS / self.days if self.days else 0.0


@dataclass(frozen=True, slots=True)
class TuningPrices:
    """``training``: US dollars for a million tokens; ``hosting``: US dollars a month for serving an adapter."""

    training: float = 0.0
    hosting: float = 0.0


class CureCount(TrainingModel):
    """The failures that one cure would help. ``examples``: titles of the largest groups."""

    cure: CureKind
    groups: int
    failures: int
    examples: list[str]


class Advice(TrainingModel):
    """``recommended``: empty if no cure is worth it yet. ``training_cost`` and ``monthly_cost``: US dollars of tuning;
    ``cost_now``: of models in a month."""

    recommended: CureKind | None
    verdict: str
    reasons: list[str]
    cures: list[CureCount]
    good_examples: int
    by_people: int
    cost_now: float
    training_cost: float
    monthly_cost: float


def advise(
    groups: Sequence[InsightGroup],
    examples: Sequence[TrainingExample],
    traffic: TenantUsage,
    prices: TuningPrices = TuningPrices(),
) -> Advice:
    """The cure that helps most failures; of equals the cheapest. ``examples``: those that can be used."""
    cures = _sum_up(groups)
    answers = [each for each in examples if each.chosen]
    people = sum(each.by_person for each in answers)
    training = _count_tokens(answers) * EPOCHS * prices.training / 1_000_000
    best = max(cures, key=lambda each: (each.failures, -CURES.index(each.cure)), default=None)
    reasons = [_describe(each, sum(one.failures for one in cures)) for each in cures]
    recommended = None if best is None or best.failures < MIN_FAILURES else best.cure
    if recommended is None:
        verdict = f"nothing yet: fewer than {MIN_FAILURES} failures are alike"
    elif recommended != "tuning":
        verdict = _NAMES[recommended]
        reasons.append("it helps more failures than tuning would, and costs less")
    else:
        verdict, more = _judge_tuning(best.failures if best else 0, len(answers), people, training, traffic, prices)
        reasons += more
        recommended = "tuning" if verdict == _NAMES["tuning"] else None
    return Advice(
        recommended=recommended,
        verdict=verdict,
        reasons=reasons,
        cures=cures,
        good_examples=len(answers),
        by_people=people,
        cost_now=round(traffic.per_month(traffic.cost), 4),
        training_cost=round(training, 4),
        monthly_cost=prices.hosting,
    )


def _sum_up(groups: Iterable[InsightGroup]) -> list[CureCount]:
    every = sorted(groups, key=lambda each: -each.count)
    found: list[CureCount] = []
    for cure in CURES:
        alike = [each for each in every if each.cure == cure]
        if alike:
            failures, titles = sum(each.count for each in alike), [each.title for each in alike[:3]]
            found.append(CureCount(cure=cure, groups=len(alike), failures=failures, examples=titles))
    return found


def _describe(cure: CureCount, total: int) -> str:
    titles = "; ".join(cure.examples)
    return f"{cure.cure}: {cure.failures} of {total} failures that are alike, in {cure.groups} groups ({titles})"


def _judge_tuning(
    failures: int, answers: int, people: int, training: float, traffic: TenantUsage, prices: TuningPrices
) -> tuple[str, list[str]]:
    """The verdict where tuning would help most, and its reasons."""
    reasons = [f"{answers} answers to learn, {people} of them written by people; {MIN_EXAMPLES} are usually needed"]
    monthly = traffic.per_month(failures)
    cost = training / 12 + prices.hosting
    per_failure = cost / monthly if monthly else 0.0
    reasons.append(
        f"training once for about ${training:.2f} and serving for ${prices.hosting:.2f} a month are ${per_failure:.4f} "
        f"for each of {monthly:.0f} failures a month; models cost ${traffic.per_month(traffic.cost):.2f} a month now"
    )
    if answers < MIN_EXAMPLES:
        reasons.append("until then, put the best answers into the voice as examples")
        return f"not yet: {MIN_EXAMPLES - answers} more answers are needed for tuning", reasons
    if not people:
        reasons.append("a model that only learns from models learns their mistakes")
        return "not yet: no answer was written by a person", reasons
    return _NAMES["tuning"], reasons


def _count_tokens(examples: Iterable[TrainingExample]) -> int:
    """An estimate, over prompts and answers."""
    length = sum(len(each.chosen) + sum(len(message.content) for message in each.prompt) for each in examples)
    return length // _CHARACTERS_PER_TOKEN
