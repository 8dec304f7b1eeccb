"""The comparison of a model before and after tuning: on the tenant's suite, on a set that shows what it forgot, and for
each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from agent_worker.learning.evals.comparison import MIN_CASES, Comparison, compare_runs
from agent_worker.learning.evals.results import RunResult
from agent_worker.learning.evals.suite import Case
from agent_worker.learning.finetune.training_example import TrainingModel
from agent_worker.nlu.language_detection import detect_language
from schemas.validation.texts import describe_count

ALL = "all"
"""The key of the figures over all languages."""
MAX_FORGOTTEN = 0.02
"""The share of cases of the forgetting set that may fail in addition."""


class LocaleScore(TrainingModel):
    """The share of cases in one language that pass. ``low`` and ``high``: the 95% interval of the difference."""

    locale: str
    cases: int
    before: float
    after: float
    low: float
    high: float

    @property
    def is_better(self) -> bool:
        return self.cases >= MIN_CASES and self.low > 0

    @property
    def is_worse(self) -> bool:
        return self.cases >= MIN_CASES and self.high < 0


class AdapterEvaluation(TrainingModel):
    """``model``: the adapter's name at the provider; ``base``: the entry of the registry that it was trained on.
    ``suite`` and ``forgetting``: figures for all languages, then for each. ``before_cost`` and ``after_cost``: US
    dollars for the suite."""

    tenant: str
    base: str
    model: str
    at: datetime
    suite: list[LocaleScore]
    forgetting: list[LocaleScore]
    before_cost: float = 0.0
    after_cost: float = 0.0

    def find_figures(self, locale: str) -> LocaleScore | None:
        """The figures of the suite for a language; empty: for all."""
        return next((each for each in self.suite if each.locale == (locale or ALL)), None)


def compare_locales(before: RunResult, after: RunResult, locales: Mapping[str, str]) -> list[LocaleScore]:
    """The figures for all cases, then for the cases of each language. ``locales``: case → language. Raises
    InvalidRequest if the runs have no case in common."""
    figures = [_read_figures(ALL, compare_runs(before, after))]
    for locale in sorted(set(locales.values())):
        sides = [_select(run, locale, locales) for run in (before, after)]
        if all(side.counted_cases for side in sides):
            figures.append(_read_figures(locale, compare_runs(*sides)))
    return figures


def read_locales(cases: Sequence[Case], default: str) -> dict[str, str]:
    """The language of each case: as it says, or that of its first message."""
    return {
        case.name: case.locale or case.expect.language or _detect(case, default)
        for case in cases
        if case.customer is None
    }


def find_objections(evaluation: AdapterEvaluation, locale: str) -> list[str]:
    """Why the adapter may not be promoted for a language (empty: for all). It must be better beyond chance, in no
    language worse, and have forgotten nothing that it could do before."""
    found: list[str] = []
    figures = evaluation.find_figures(locale)
    if figures is None or figures.cases < MIN_CASES:
        count = 0 if figures is None else figures.cases
        found.append(f"only {describe_count(count, 'case')}{f' in {locale}' if locale else ''}: {MIN_CASES} are needed")
    elif not figures.is_better:
        found.append(f"it is not better beyond chance: {describe(figures)}")
    if not locale:
        worse = (each for each in evaluation.suite if each.locale != ALL and each.is_worse)
        found += [f"it is worse in {each.locale}: {describe(each)}" for each in worse]
    if not evaluation.forgetting:
        found.append("no forgetting set was run")
    for each in evaluation.forgetting:
        lost = each.before - each.after
        if each.locale in (ALL, locale) and lost > MAX_FORGOTTEN + 1e-9:
            found.append(f"it forgot {lost:.0%} of what it could do ({each.locale})")
    return found


def describe(figures: LocaleScore) -> str:
    """The figures in words."""
    return (
        f"{figures.before:.0%} of {figures.cases} cases before, {figures.after:.0%} after "
        f"(95% of the difference: {figures.low:.0%} to {figures.high:.0%})"
    )


def _detect(case: Case, default: str) -> str:
    return detect_language(case.script[0].message, "", default)


def _select(run: RunResult, locale: str, locales: Mapping[str, str]) -> RunResult:
    return run.model_copy(update={"cases": [case for case in run.cases if locales.get(case.name) == locale]})


def _read_figures(locale: str, comparison: Comparison) -> LocaleScore:
    passed = comparison.differences[0]
    return LocaleScore(
        locale=locale, cases=passed.cases, before=passed.a, after=passed.b, low=passed.low, high=passed.high
    )
