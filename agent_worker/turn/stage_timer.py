"""How long each stage of a turn took."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from schemas import tracing


class Stage:
    """A block whose time is added to ``stages[name]`` (milliseconds), and which is a span of the turn's trace."""

    __slots__ = ("_name", "_now", "_span", "_stages", "_started")

    def __init__(self, stages: dict[str, float], name: str, now: Callable[[], float]) -> None:
        self._stages = stages
        self._name = name
        self._now = now
        self._span = tracing.span(name) if tracing.active() else None
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
