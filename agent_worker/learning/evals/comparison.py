"""Comparison of two runs of the same cases, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent_worker.learning.evals.results import CaseResult, RunResult, find_p95
from agent_worker.learning.evals.statistics import difference_interval, mean, percentile_95
from schemas.errors import InvalidRequest

MIN_CASES = 5
"""Fewer cases prove nothing, even if all of them differ: of so many, all change to the worse by chance once in 32."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two runs over the same ``cases``. ``low`` and ``high``: the 95% interval of ``b`` minus ``a``."""

    figure: str
    cases: int
    a: float
    b: float
    low: float
    high: float
    is_share: bool = True

    @property
    def is_certain(self) -> bool:
        """True if the interval excludes that there is no difference."""
        return self.cases >= MIN_CASES and (self.low > 0 or self.high < 0)

    @property
    def is_worse(self) -> bool:
        """True if B certainly passes less often. Times differ from run to run, so they alone never make B worse."""
        return self.is_share and self.is_certain and self.high < 0

    def to_json(self) -> dict[str, Any]:
        return {
            "cases": self.cases,
            "a": round(self.a, 6),
            "b": round(self.b, 6),
            "difference": round(self.b - self.a, 6),
            "interval": [round(self.low, 6), round(self.high, 6)],
            "certain": self.is_certain,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """``changed``: cases that only one of the two passes, with the checks that differ."""

    a: RunResult
    b: RunResult
    differences: Sequence[Difference]
    changed: Sequence[tuple[str, bool, list[str]]]

    @property
    def worse(self) -> list[str]:
        return [each.figure for each in self.differences if each.is_worse]

    def to_json(self) -> dict[str, Any]:
        return {
            "a": self.a.setup,
            "b": self.b.setup,
            "cases": self.differences[0].cases,
            "differences": {each.figure: each.to_json() for each in self.differences},
            "worse": self.worse,
            "changed": [
                {"case": name, "passed_by": "b" if is_better else "a", "checks": checks}
                for name, is_better, checks in self.changed
            ],
        }


def compare_runs(a: RunResult, b: RunResult) -> Comparison:
    """Compare the cases that both runs have. If people answered in one of them, only the checks that can be made of
    their answers count. Raises InvalidRequest."""
    pairs = _pair(a, b)
    if not pairs:
        raise InvalidRequest(f"{a.setup} and {b.setup} have no case in common", fix="compare runs of the same suite")
    names = sorted({check.check for pair in pairs for case in pair for check in case.checks})
    differences = [_compare_shares("passed", pairs, lambda case: case.passed)]
    checked = {name: [pair for pair in pairs if _is_checked(name, pair)] for name in names}
    differences += [_compare_shares(name, both, partial(_passes, name)) for name, both in checked.items() if both]
    if not (a.by_people or b.by_people):
        differences += [_compare_costs(pairs), _compare_times(pairs)]
    return Comparison(a, b, differences, [change for pair in pairs if (change := _find_change(*pair)) is not None])


Pair = tuple[CaseResult, CaseResult]


def _pair(a: RunResult, b: RunResult) -> list[Pair]:
    """The cases of both, with the checks that both have if people answered one of them."""
    others = {case.name: case for case in b.counted_cases}
    pairs = [(case, others[case.name]) for case in a.counted_cases if case.name in others]
    if not (a.by_people or b.by_people):
        return pairs
    common = [(_keep_common(one, other), _keep_common(other, one)) for one, other in pairs]
    return [(one, other) for one, other in common if one.checks]


def _keep_common(case: CaseResult, other: CaseResult) -> CaseResult:
    names = {check.check for check in other.checks}
    return case.model_copy(update={"checks": [check for check in case.checks if check.check in names]})


def _is_checked(check: str, pair: Pair) -> bool:
    return all(case.find_check(check) is not None for case in pair)


def _passes(check: str, case: CaseResult) -> bool:
    return bool(case.find_check(check))


def _compare_shares(figure: str, pairs: Sequence[Pair], passes: Callable[[CaseResult], bool]) -> Difference:
    a, b = [float(passes(one)) for one, _ in pairs], [float(passes(other)) for _, other in pairs]
    return Difference(figure, len(pairs), sum(a) / len(a), sum(b) / len(b), *difference_interval(a, b))


def _compare_costs(pairs: Sequence[Pair]) -> Difference:
    """US dollars for one case."""
    a, b = [one.cost for one, _ in pairs], [other.cost for _, other in pairs]
    low, high = difference_interval(a, b, mean)
    return Difference("cost", len(pairs), sum(a) / len(a), sum(b) / len(b), low, high, is_share=False)


def _compare_times(pairs: Sequence[Pair]) -> Difference:
    """Of the slowest answer of each case, in milliseconds."""
    a, b = ([max(case.milliseconds, default=0.0) for case in side] for side in zip(*pairs, strict=True))
    low, high = difference_interval(a, b, percentile_95)
    return Difference("p95_ms", len(pairs), find_p95(a), find_p95(b), low, high, is_share=False)


def _find_change(one: CaseResult, other: CaseResult) -> tuple[str, bool, list[str]] | None:
    if one.passed == other.passed:
        return None
    checks = [check.check for check in one.checks if check.passed != other.find_check(check.check)]
    return one.name, other.passed, checks or ["error"]
