"""The case that is being run: its time, and the results of its actions.

It follows the case as a context variable, because many cases are run at once with the same worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from agent_worker.actions.arguments import dump_arguments, parse_arguments
from agent_worker.actions.context import ActionContext
from agent_worker.actions.failures import ActionFailed, ActionRefused
from agent_worker.actions.spec import Action
from agent_worker.learning.evals.answers import ActionCall
from agent_worker.learning.evals.checks import is_same_value
from agent_worker.learning.evals.suite import ActionResult, Case
from agent_worker.learning.replay_context import NOT_RECORDED
from agent_worker.settings import ActionRules


@dataclass(slots=True)
class Trial:
    """``calls``: of actions, since they were last taken. ``not_recorded``: actions without a result."""

    case: Case
    now: datetime
    calls: list[ActionCall] = field(default_factory=list)
    not_recorded: list[str] = field(default_factory=list)

    def advance(self, by: timedelta) -> None:
        self.now += by

    def take_calls(self) -> list[ActionCall]:
        taken, self.calls = self.calls, []
        return taken

    def find_result(self, action: str, arguments: Mapping[str, JsonValue]) -> ActionResult | None:
        """The first result for a call with these arguments."""
        for result in self.case.actions:
            given = result.arguments.items()
            if result.name == action and all(is_same_value(value, arguments.get(name)) for name, value in given):
                return result
        return None


_trial: ContextVar[Trial | None] = ContextVar("trial", default=None)


@contextmanager
def run_trial(case: Case) -> Iterator[Trial]:
    """Everything in the block happens in the time of this case, with its results of actions."""
    trial = Trial(case, case.at or datetime.now(UTC))
    token = _trial.set(trial)
    try:
        yield trial
    finally:
        _trial.reset(token)


def _current() -> Trial:
    trial = _trial.get()
    if trial is None:
        raise AssertionError("an action was called outside of a case")
    return trial


def trial_clock() -> datetime:
    """The time in the case."""
    trial = _trial.get()
    return datetime.now(UTC) if trial is None else trial.now


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _ResultModel(BaseModel):
    model_config = ConfigDict(extra="allow")


def replace_actions(rules: ActionRules) -> ActionRules:
    """The same actions, which answer with the results of the case and call nothing."""
    return replace(rules, actions={name: _replace_action(action) for name, action in rules.actions.items()})


def _replace_action(action: Action) -> Action:
    prepare = None if action.prepare is None else partial(_complete, action)
    run = partial(_answer, action)
    return replace(action, run=run, prepare=prepare, look_up=None, read_back=None, check=None, preview=None)


async def _complete(action: Action, _context: ActionContext, arguments: BaseModel) -> BaseModel:
    """Fill in what the contact left open, such as "all of it", with the arguments of the case's result."""
    given = dump_arguments(arguments)
    for result in _current().case.actions:
        agrees = all(is_same_value(value, result.arguments.get(name, value)) for name, value in given.items())
        if result.name == action.name and agrees:
            return parse_arguments(action, {**result.arguments, **given})
    return arguments


async def _answer(action: Action, _context: ActionContext, arguments: BaseModel) -> BaseModel:
    trial = _current()
    given = dump_arguments(arguments)
    found = trial.find_result(action.name, given)
    if found is None:
        trial.not_recorded.append(action.name)
        trial.calls.append(ActionCall(action.name, given, "failed"))
        raise ActionFailed(NOT_RECORDED)
    outcome = "refused" if found.refused else "failed" if found.failed else "succeeded"
    trial.calls.append(ActionCall(action.name, given, outcome))
    if found.refused:
        raise ActionRefused(found.refused)
    if found.failed:
        raise ActionFailed(found.failed)
    return read_result(action, found)


def read_result(action: Action, given: ActionResult) -> BaseModel:
    """The result as the action returns it. Raises ValidationError."""
    return (action.answer or _ResultModel).model_validate(given.result)


def describe_problem(action: Action, given: ActionResult) -> str:
    """What is wrong with a result, empty if nothing is."""
    if given.refused or given.failed:
        return ""
    try:
        read_result(action, given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in details)
    return ""
