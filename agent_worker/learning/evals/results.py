"""The results of a run: of each case, and summed up. They are kept as JSON, so that runs can be compared later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from statistics import quantiles
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_worker.learning.evals.statistics import bootstrap_interval
from agent_worker.learning.evals.suite import Gate

FORMAT = 1


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class CheckResult(_Record):
    """``passed`` is None if the check could not be made, such as one that needs a model."""

    check: str
    passed: bool | None
    why: str = ""


class AnswerRecord(_Record):
    asked: str
    text: str
    cites: list[str] = []
    actions: list[str] = []
    outcome: str = ""
    cost: float = 0.0
    milliseconds: float = 0.0


class CaseResult(_Record):
    """``error``: why the case could not be run to its end. ``simulated``: the customer was played by a model, so that
    the case does not count for the gate. ``conversation``: the one that the case was taken from."""

    name: str
    checks: list[CheckResult] = []
    answers: list[AnswerRecord] = []
    error: str = ""
    conversation: str = ""
    simulated: bool = False

    @property
    def passed(self) -> bool:
        return not self.error and all(check.passed is not False for check in self.checks)

    @property
    def is_checked(self) -> bool:
        return bool(self.error) or any(check.passed is not None for check in self.checks)

    @property
    def cost(self) -> float:
        return sum(answer.cost for answer in self.answers)

    @property
    def milliseconds(self) -> list[float]:
        return [answer.milliseconds for answer in self.answers]

    def find_check(self, name: str) -> bool | None:
        return next((check.passed for check in self.checks if check.check == name), None)


class RunResult(_Record):
    """``setup``: a name for what was tried; ``by_people``: the answers are those of people. ``judge_cost``: of the
    model that judged, in US dollars."""

    format: int = FORMAT
    suite: str
    tenant: str
    setup: str
    at: datetime
    gate: Gate
    cases: list[CaseResult]
    by_people: bool = False
    judge_cost: float = 0.0

    @property
    def counted_cases(self) -> list[CaseResult]:
        """The cases that count for the gate and for comparisons: those with at least one check that could be made."""
        return [case for case in self.cases if not case.simulated and case.is_checked]

    @property
    def cost(self) -> float:
        return sum(case.cost for case in self.cases)

    @property
    def share_passed(self) -> float:
        return sum(case.passed for case in self.counted_cases) / (len(self.counted_cases) or 1)

    @property
    def p95_ms(self) -> float:
        """Of one answer."""
        return find_p95([each for case in self.cases for each in case.milliseconds])

    def count_checks(self) -> dict[str, Counter[bool | None]]:
        """Check → verdict → number of cases."""
        counts: dict[str, Counter[bool | None]] = {}
        for case in self.counted_cases:
            for check in case.checks:
                counts.setdefault(check.check, Counter())[check.passed] += 1
        return dict(sorted(counts.items()))

    def find_misses(self) -> Iterator[str]:
        """What is below the gate."""
        gate = self.gate
        if not self.counted_cases:
            yield "no check could be made"
        if self.share_passed < gate.passed:
            yield f"{self.share_passed:.1%} of the cases passed, {gate.passed:.1%} must"
        counts = self.count_checks()
        for check, least in sorted(gate.checks.items()):
            count = counts.get(check, Counter())
            made = count[True] + count[False]
            if not made:
                yield f"{check} was not checked"
            elif count[True] < least * made:
                yield f"{check}: {count[True] / made:.1%} passed, {least:.1%} must"
        if gate.cost is not None and self.cost > gate.cost:
            yield f"the answers cost ${self.cost:.4f}, at most ${gate.cost:.4f} are allowed"
        if gate.p95_ms is not None and self.p95_ms > gate.p95_ms:
            yield f"the 95th percentile is {self.p95_ms:.0f} ms, at most {gate.p95_ms:.0f} are allowed"

    def summarize(self) -> dict[str, Any]:
        """The fields of the contract, and what belongs to them."""
        low, high = bootstrap_interval([float(case.passed) for case in self.counted_cases] or [0.0])
        return {
            "cases": len(self.counted_cases),
            "passed": sum(case.passed for case in self.counted_cases),
            "by_check": {
                check: {"passed": count[True], "failed": count[False], "not_checked": count[None]}
                for check, count in self.count_checks().items()
            },
            "cost": round(self.cost, 6),
            "p95_ms": round(self.p95_ms, 1),
            "share": round(self.share_passed, 4),
            "interval": [round(low, 4), round(high, 4)],
            "judge_cost": round(self.judge_cost, 6),
            "simulated": sum(case.simulated for case in self.cases),
            "not_checked": sum(not case.is_checked for case in self.cases),
            "suite": self.suite,
            "tenant": self.tenant,
            "setup": self.setup,
            "at": self.at.isoformat(),
            "below_gate": list(self.find_misses()),
            "results": [_describe(case) for case in self.cases],
        }


def _describe(case: CaseResult) -> dict[str, Any]:
    return {"name": case.name, "passed": case.passed} | case.model_dump(mode="json", exclude={"name"})


def find_p95(values: Sequence[float]) -> float:
    """The 95th percentile; 0 without values."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=20, method="inclusive")[-1]
