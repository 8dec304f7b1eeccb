"""The runs of suites that the console shows. They are kept as the note of a lease, so that every process shows them and
a restart keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from agent_worker.learning.evals.results import CaseResult, RunResult
from agent_worker.learning.evals.statistics import bootstrap_interval
from gateway.wiring.process_services import ProcessServices
from schemas.errors import Unavailable
from schemas.validation.times import convert_to_utc

MAX_RUNS = 30
"""Runs of one suite that are kept; the failed cases only of the newest."""
MAX_SUITES = 20
MAX_CASES = 100
MAX_TEXT = 1_500
_LEASE_S = 10.0
Name = Field(min_length=1, max_length=200)
ShortText = Field(default="", max_length=MAX_TEXT + 1)


def _read_time(at: datetime) -> datetime:
    # Runs are sorted by it, and times with and without an offset cannot be compared.
    return convert_to_utc(at if at.tzinfo else at.replace(tzinfo=UTC))


RunTime = Annotated[datetime, AfterValidator(_read_time)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class FailedCheck(_Model):
    """``check`` is `error` if the conversation could not be held to its end."""

    check: str = Name
    why: str = ShortText


class FailedAnswer(_Model):
    asked: str = ShortText
    text: str = ShortText


class FailedCase(_Model):
    """``conversation``: the one that the case was taken from."""

    name: str = Name
    conversation: str = Field(default="", max_length=100)
    checks: list[FailedCheck] = Field(default=[], max_length=50)
    answers: list[FailedAnswer] = Field(default=[], max_length=50)


class CheckCount(_Model):
    check: str = Name
    passed: int = Field(ge=0)
    failed: int = Field(ge=0)


class PublishedRun(_Model):
    """``failed``: the cases that did not pass, as far as they are kept. ``misses``: what is below the gate."""

    suite: str = Name
    setup: str = Name
    at: RunTime
    cases: int = Field(ge=0)
    passed: int = Field(ge=0)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    cost: float = Field(ge=0)
    p95_ms: float = Field(ge=0)
    checks: list[CheckCount] = Field(default=[], max_length=50)
    misses: list[str] = Field(default=[], max_length=50)
    failed: list[FailedCase] = Field(default=[], max_length=MAX_CASES)

    @property
    def share(self) -> float:
        return self.passed / self.cases if self.cases else 0.0


class _PublishedRuns(_Model):
    """Newest first."""

    runs: list[PublishedRun] = []


def build_published_run(result: RunResult) -> PublishedRun:
    cases, failed = result.counted_cases, [case for case in result.counted_cases if not case.passed]
    low, high = bootstrap_interval([float(case.passed) for case in cases] or [0.0])
    return PublishedRun(
        suite=result.suite,
        setup=result.setup,
        at=result.at,
        cases=len(cases),
        passed=len(cases) - len(failed),
        low=low,
        high=high,
        cost=result.cost,
        p95_ms=result.p95_ms,
        checks=[
            CheckCount(check=check, passed=count[True], failed=count[False])
            for check, count in result.count_checks().items()
        ],
        misses=list(result.find_misses()),
        failed=[_build_failed(case) for case in failed[:MAX_CASES]],
    )


def _build_failed(case: CaseResult) -> FailedCase:
    checks = [FailedCheck(check=each.check, why=_cut(each.why)) for each in case.checks if each.passed is False]
    checks += [FailedCheck(check="error", why=_cut(case.error))] if case.error else []
    return FailedCase(
        name=_cut(case.name, 200),
        conversation=case.conversation,
        checks=checks,
        answers=[FailedAnswer(asked=_cut(each.asked), text=_cut(each.text)) for each in case.answers[:50]],
    )


def _cut(text: str, length: int = MAX_TEXT) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


class PublishedRuns:
    """The runs of each tenant."""

    def __init__(self, services: ProcessServices) -> None:
        self._leases = services.state.leases
        self._clock = services.clock

    async def read(self, tenant: str) -> list[PublishedRun]:
        """Newest first."""
        try:
            return _PublishedRuns.model_validate_json(await self._leases.read_note(_lease(tenant)) or "{}").runs
        except ValidationError:
            return []

    async def add(self, tenant: str, run: PublishedRun) -> None:
        """Raises Unavailable while another run is being added."""
        holder, name = uuid4().hex, _lease(tenant)
        token = await self._leases.acquire(name, holder, ttl=_LEASE_S, now=self._clock())
        if token is None:
            raise Unavailable("another run is being published", fix="publish again")
        try:
            runs = _PublishedRuns(runs=list(_keep([run, *await self.read(tenant)])))
            await self._leases.save_note(name, token, runs.model_dump_json())
        finally:
            await self._leases.release(name, holder)


def _keep(runs: Iterable[PublishedRun]) -> Iterable[PublishedRun]:
    """The newest runs of each suite; the earlier ones without their cases."""
    counts: dict[str, int] = {}
    for run in sorted(runs, key=lambda each: each.at, reverse=True):
        count = counts.get(run.suite, 0)
        if count >= MAX_RUNS or (count == 0 and len(counts) >= MAX_SUITES):
            continue
        counts[run.suite] = count + 1
        yield run if count == 0 else run.model_copy(update={"failed": []})


def _lease(tenant: str) -> str:
    return f"evals:{tenant}"
