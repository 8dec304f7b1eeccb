"""The metrics of a turn: the duration of its stages, and its outcome."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType

from agent_worker.handoff.handoff_period import HandoffPeriod
from agent_worker.turn.inbound_events import seconds_since_append
from agent_worker.turn.result import TurnResult
from agent_worker.turn.values import Response, TurnInput
from schemas.ports import Metrics, Record
from schemas.runtime import tracing


class StageTimer:
    """Measures the stages of a turn, all its attempts together: ``with stage("load"): …``. ``milliseconds`` by the name
    of the stage."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.milliseconds: dict[str, float] = {}
        self._now = monotonic

    def __call__(self, name: str) -> AbstractContextManager[None]:
        """A block that counts as this stage, and is a span of the turn's trace."""
        return _Stage(self.milliseconds, name, self._now)


class _Stage:
    __slots__ = ("_name", "_now", "_span", "_stages", "_started")

    def __init__(self, stages: dict[str, float], name: str, now: Callable[[], float]) -> None:
        self._stages = stages
        self._name = name
        self._now = now
        self._span = tracing.span(name) if tracing.is_active() else None
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = self._now()
        if self._span is not None:
            self._span.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        name, stages = self._name, self._stages
        stages[name] = round(stages.get(name, 0.0) + (self._now() - self._started) * 1000, 3)
        if self._span is not None:
            self._span.__exit__(kind, error, trace)


def count_turn(metrics: Metrics, turn: TurnInput, response: Response, result: TurnResult, stage: StageTimer) -> None:
    """Count the time of each stage, the route and outcome of the turn, and its actions."""
    origin, reply = turn.conversation.origin, response.reply
    seconds = {name: milliseconds / 1000 for name, milliseconds in stage.milliseconds.items()}
    metrics.observe_many("parley_turn_seconds", "stage", seconds, channel=origin.channel)
    if reply.draft is not None and result.record is not None:
        route, outcome, model = result.record.route, result.record.outcome, reply.draft.model
        metrics.count("parley_turns_total", channel=origin.channel, route=route, outcome=outcome, model=model)
    if turn.handoff is not None:
        _count_handoffs(metrics, turn.handoff.period)
    for record in [] if response.effects is None else response.effects.records:
        metrics.count("parley_actions_total", tenant=origin.tenant, action=record.name, outcome=record.outcome)


def observe_wait(metrics: Metrics, turn: TurnInput, response: Response, first: Record, now: datetime) -> None:
    """Observe how long the contact waited, the time in the log before the first stage included."""
    if response.reply.draft is not None:
        channel = turn.conversation.origin.channel
        metrics.observe("parley_turn_seconds", seconds_since_append(first, now), channel=channel, stage="total")


def _count_handoffs(metrics: Metrics, period: HandoffPeriod) -> None:
    """Count the handoffs that ended in this turn, first replies of people, and ratings."""
    origin = period.conversation.origin
    for ended in period.ended:
        metrics.count("parley_handoffs_total", tenant=origin.tenant, channel=origin.channel, ended=ended.ended)
        metrics.observe("parley_handoff_seconds", (ended.at - ended.opened_at).total_seconds(), tenant=origin.tenant)
    first = period.first_reply
    if first is not None and first.first_reply_at is not None:
        waited = (first.first_reply_at - first.opened_at).total_seconds()
        metrics.observe("parley_handoff_first_reply_seconds", waited, tenant=origin.tenant)
    for rating in period.ratings:
        metrics.count("parley_ratings_total", tenant=origin.tenant, score=str(rating.score))
