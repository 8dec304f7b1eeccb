"""A run of a suite against one setup: the current one, a candidate, a model, or what people answered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent_worker.actions.spec import Action
from agent_worker.learning.evals.answers import ObservedAnswer, ObservedConversation
from agent_worker.learning.evals.evaluation import HoldConversation, SuiteRun, evaluate_suite
from agent_worker.learning.evals.model_judge import CustomerModel, ModelJudge
from agent_worker.learning.evals.results import RunResult
from agent_worker.learning.evals.suite import Case, Suite
from gateway.config.settings import Config
from gateway.evals.trial_context import describe_problem
from gateway.evals.trial_conversations import TrialRunner
from gateway.replay.candidate_documents import replace_documents
from gateway.wiring.evals import open_eval_model, open_trial_runner
from schemas.conversation import Document
from schemas.errors import ConfigInvalid, InvalidRequest

CURRENT, PEOPLE = "current", "people"


@dataclass(frozen=True, slots=True)
class Setup:
    """What answers. ``folder``: the documents of a candidate; ``by_people``: take what people answered."""

    name: str
    config: Config
    folder: Path | None = None
    by_people: bool = False


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """``judge`` and ``customer``: models in place of those that the suite names."""

    judge: str = ""
    customer: str = ""
    jobs: int = 8
    step: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class SuiteRunner:
    """Runs one suite for a tenant. ``documents``: the published ones."""

    suite: Suite
    name: str
    tenant: str
    documents: Sequence[Document]
    options: EvalOptions = EvalOptions()

    async def run(self, setup: Setup, scratch: Path) -> RunResult:
        """Run all cases against the setup. ``scratch``: an empty folder. Raises ConfigInvalid and InvalidRequest if the
        suite does not fit the setup."""
        async with AsyncExitStack() as stack:
            judge: ModelJudge | None = None
            hold: HoldConversation = take_answer_of_people
            jobs = self.options.jobs
            if judge_name := self.options.judge or self.suite.judge:
                judge = ModelJudge(await stack.enter_async_context(open_eval_model(setup.config, judge_name)))
            if setup.by_people:
                suite = keep_answered_by_people(self.suite)
            else:
                runner, suite = await self._open_agent(setup, scratch, stack)
                hold = _hold_with(runner)
                # Without a model to wait for, cases side by side would only make each other's answers look slow.
                jobs = jobs if judge is not None or runner.waits_for_models else 1
            run = SuiteRun(suite, self.name, self.tenant, setup.name, datetime.now(UTC), by_people=setup.by_people)
            return await evaluate_suite(run, hold, judge, jobs=jobs, step=self.options.step)

    async def _open_agent(self, setup: Setup, scratch: Path, stack: AsyncExitStack) -> tuple[TrialRunner, Suite]:
        """A runner for conversations with the agent, and the cases that it can hold."""
        documents = self.documents
        if setup.folder is not None:
            documents = await replace_documents(setup.config, self.tenant, documents, setup.folder, scratch)
        write_message, suite = None, self.suite
        if customer := self.options.customer or suite.customer:
            model = await stack.enter_async_context(open_eval_model(setup.config, customer))
            write_message = CustomerModel(model).write_message
        else:
            suite = _keep(suite, lambda case: case.customer is None, "needs the model of a simulated customer")
        channels = sorted({case.channel for case in suite.cases})
        runner = await stack.enter_async_context(
            open_trial_runner(setup.config, self.tenant, documents, channels, scratch, write_message)
        )
        _check_actions(suite, runner.actions)
        return runner, suite


def _hold_with(runner: TrialRunner) -> HoldConversation:
    numbers = itertools.count(1)
    return lambda case: runner.hold(case, str(next(numbers)))


def _keep(suite: Suite, wanted: Callable[[Case], bool], otherwise: str) -> Suite:
    """The suite with these cases. Raises InvalidRequest if there are none."""
    cases = [case for case in suite.cases if wanted(case)]
    if not cases:
        raise InvalidRequest(f"every case {otherwise}")
    return suite.model_copy(update={"cases": cases})


def _check_actions(suite: Suite, actions: Mapping[str, Action]) -> None:
    """Raises ConfigInvalid for actions that do not exist, and for results that an action would not return."""
    for case in suite.cases:
        expected = [expect.action or [] for expect in (case.expect, *(turn.expect for turn in case.turns))]
        names = [*(each.name for each in case.actions), *(each.name for list in expected for each in list)]
        if unknown := sorted(set(names) - actions.keys()):
            fix = f"the actions are: {', '.join(sorted(actions)) or 'none'}"
            raise ConfigInvalid(f"case {case.name!r}: there is no action {unknown[0]!r}", fix=fix)
        for result in case.actions:
            if problem := describe_problem(actions[result.name], result):
                raise ConfigInvalid(f"case {case.name!r}: the result of {result.name!r} is not valid: {problem}")


# ── answers of people ────────────────────────────────────────────────────────────────────────────────────────────────


def keep_answered_by_people(suite: Suite) -> Suite:
    """The cases with an answer of people. Raises InvalidRequest if there are none."""
    return _keep(suite, lambda case: any(turn.people for turn in case.script), "lacks an answer of people (`people`)")


async def take_answer_of_people(case: Case) -> ObservedConversation:
    """The conversation as people answered it. Messages that they did not answer have an empty answer."""
    answers = [ObservedAnswer(turn.message or turn.picks, turn.people, by="people") for turn in case.script]
    return ObservedConversation(answers)
