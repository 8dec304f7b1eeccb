"""A run of a suite, as an experiment of pydantic-evals: it holds the conversations side by side, and checks them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.learning.evals.answers import ObservedAnswer, ObservedConversation
from agent_worker.learning.evals.checks import JUDGED, Verdict, check_answer
from agent_worker.learning.evals.model_judge import ModelJudge
from agent_worker.learning.evals.results import AnswerRecord, CaseResult, CheckResult, RunResult
from agent_worker.learning.evals.suite import Case, Expectations, Suite
from agent_worker.learning.replay_context import NOT_RECORDED
from schemas.errors import MissingDependency
from schemas.runtime.optional_dependencies import install_command

try:
    import pydantic_evals
    from pydantic_evals.evaluators import EvaluationReason, Evaluator, EvaluatorContext, EvaluatorOutput
    from pydantic_evals.reporting import EvaluationReport, ReportCase
except ImportError as error:
    raise MissingDependency(
        f"evaluations need {error.name or 'pydantic-evals'}, which is not installed", fix=install_command("evals")
    ) from error

HoldConversation = Callable[[Case], Awaitable[ObservedConversation]]
_NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """What is run. ``name``: of the suite; ``setup``: what answers, as people call it."""

    suite: Suite
    name: str
    tenant: str
    setup: str
    at: datetime
    by_people: bool = False


async def evaluate_suite(
    run: SuiteRun,
    hold: HoldConversation,
    judge: ModelJudge | None = None,
    *,
    jobs: int = 8,
    step: Callable[[str], None] = lambda _: None,
) -> RunResult:
    """Hold the conversation of each case, at most ``jobs`` at once, and check the answers. A case whose conversation
    cannot be held fails."""

    async def hold_conversation(case: Case) -> ObservedConversation:
        try:
            return await hold(case)
        finally:
            step(case.name)

    dataset: pydantic_evals.Dataset[Case, ObservedConversation, None] = pydantic_evals.Dataset(
        name=run.name,
        cases=[pydantic_evals.Case(name=case.name, inputs=case) for case in run.suite.cases],
        evaluators=[_CaseChecks(run.suite, judge)],
    )
    report = await dataset.evaluate(hold_conversation, name=run.setup, max_concurrency=jobs, progress=False)
    results = {result.name: result for result in _read_report(report)}
    return RunResult(
        suite=run.name,
        tenant=run.tenant,
        setup=run.setup,
        at=run.at,
        gate=run.suite.gate,
        cases=[results[case.name] for case in run.suite.cases],
        by_people=run.by_people,
        judge_cost=0.0 if judge is None else judge.model.cost,
    )


# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _CaseChecks(Evaluator[Case, ObservedConversation, None]):
    """All checks of a case. What is checked of several answers is passed if each of them passes."""

    suite: Suite
    judge: ModelJudge | None

    async def evaluate(self, ctx: EvaluatorContext[Case, ObservedConversation, None]) -> EvaluatorOutput:
        verdicts: dict[str, list[Verdict]] = {}
        for answer, expect, place in iterate_expectations(self.suite, ctx.inputs, ctx.output):
            async for verdict in _check(expect, answer, self.judge):
                why = f"{place}{verdict.why}" if verdict.why else ""
                verdicts.setdefault(verdict.check, []).append(Verdict(verdict.check, verdict.passed, why))
        return {check: _join(each) for check, each in sorted(verdicts.items())}


def iterate_expectations(
    suite: Suite, case: Case, observed: ObservedConversation
) -> Iterator[tuple[ObservedAnswer, Expectations, str]]:
    """Each answer with what is expected of it, and its place in the conversation in words."""
    is_long = len(observed.answers) > 1
    for number, answer in enumerate(observed.answers):
        place = f"answer {number + 1}: " if is_long else ""
        if answer.text:
            yield answer, suite.expect, place
        if number < len(case.turns) and (answer.text or answer.by == "agent"):
            yield answer, case.turns[number].expect, place
    whole = observed.join()
    if whole.text or whole.by == "agent":
        yield whole, case.expect, ""


async def _check(expect: Expectations, answer: ObservedAnswer, judge: ModelJudge | None) -> AsyncIterator[Verdict]:
    for verdict in check_answer(expect, answer):
        yield verdict
    for check in sorted(expect.model_fields_set & JUDGED):
        rubric = expect.judge if check == "judge" else f"The tone of the answer is {expect.tone}."
        if judge is None:
            yield Verdict(check, None, "no model judges: set `judge`")
            continue
        try:
            yield await judge.grade(check, rubric, answer)
        except AttemptFailed as error:
            yield Verdict(check, None, f"the judge failed: {error.message}")


def _join(verdicts: Iterable[Verdict]) -> EvaluationReason:
    """A failure counts before a check that could not be made."""
    worst = min(verdicts, key=lambda verdict: (False, None, True).index(verdict.passed))
    return EvaluationReason(_NOT_CHECKED if worst.passed is None else worst.passed, worst.why)


# ── the report ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_report(report: EvaluationReport[Case, ObservedConversation, None]) -> Iterator[CaseResult]:
    for failure in report.failures:
        error = failure.error_message.partition(": ")[2] or failure.error_message
        yield CaseResult(name=failure.name, error=error, simulated=failure.inputs.customer is not None)
    yield from map(_read_case, report.cases)


def _read_case(case: ReportCase[Case, ObservedConversation, None]) -> CaseResult:
    checks = [
        CheckResult(check=name, passed=each.value, why=each.reason or "") for name, each in case.assertions.items()
    ]
    checks += [CheckResult(check=name, passed=None, why=each.reason or "") for name, each in case.labels.items()]
    problems = [f"{failure.name}: {failure.error_message}" for failure in case.evaluator_failures]
    problems += [case.output.problem] if case.output.problem else []
    problems += [f"{action}: {NOT_RECORDED}" for action in dict.fromkeys(case.output.not_recorded)]
    return CaseResult(
        name=case.name,
        checks=sorted(checks, key=lambda check: check.check),
        answers=[_record(answer) for answer in case.output.answers],
        error="; ".join(problems),
        conversation=case.inputs.conversation,
        simulated=case.inputs.customer is not None,
    )


def _record(answer: ObservedAnswer) -> AnswerRecord:
    return AnswerRecord(
        asked=answer.asked,
        text=answer.text,
        cites=list(dict.fromkeys(citation.document for citation in answer.citations)),
        actions=[f"{call.name}: {call.outcome}" for call in answer.calls],
        outcome=answer.outcome,
        cost=answer.cost,
        milliseconds=round(answer.milliseconds, 1),
    )
