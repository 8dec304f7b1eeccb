"""Spans: what a request, a turn or a send took, joined to one trace by the ``traceparent`` of the envelopes.

Parts say what they do; nothing is recorded until ``install`` was called, and until then a span costs one comparison.
Names and attributes carry ids and kinds, never what people wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Literal, Protocol

Kind = Literal["server", "producer", "consumer", "client", "internal"]
Value = str | int | float | bool


class Span(Protocol):
    def set(self, name: str, value: Value) -> None:
        """Add an attribute."""


class Tracer(Protocol):
    def span(self, name: str, parent: str, kind: Kind, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]:
        """A span that is the running one inside the block. ``parent`` is a W3C traceparent from another process; empty
        means the running span, or a new trace. One that cannot be read counts as empty."""

    def link(self, traceparents: Iterable[str]) -> None:
        """Say that the running span also has to do with these."""

    def traceparent(self) -> str:
        """Of the running span, empty when there is none."""


class _Silence:
    def set(self, name: str, value: Value) -> None:
        return None


_NOTHING: AbstractContextManager[Span] = nullcontext(_Silence())
_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """From now on this process records its spans; None ends that."""
    global _tracer
    _tracer = tracer


def active() -> bool:
    return _tracer is not None


def span(
    name: str, *, parent: str = "", kind: Kind = "internal", attributes: Mapping[str, Value] | None = None
) -> AbstractContextManager[Span]:
    """See ``Tracer.span``. What leaves the block by an exception marks the span as failed."""
    return _NOTHING if _tracer is None else _tracer.span(name, parent, kind, attributes or {})


def link(traceparents: Iterable[str]) -> None:
    if _tracer is not None:
        _tracer.link(traceparents)


def traceparent(otherwise: str = "") -> str:
    """What to send along, so that the next part joins this trace; ``otherwise`` when nothing is recorded here."""
    return otherwise if _tracer is None else _tracer.traceparent() or otherwise


# What log lines are about: the ids that every line of a piece of work carries, whoever writes it.
_fields: ContextVar[Mapping[str, str]] = ContextVar("parley_log_fields", default=MappingProxyType({}))


class LogContext:
    """Lines written inside the block, and by the tasks begun there, carry these fields instead of those outside."""

    __slots__ = ("_about", "_token")

    def __init__(self, **about: str) -> None:
        self._about = about
        self._token: Token[Mapping[str, str]] | None = None

    def __enter__(self) -> None:
        self._token = _fields.set(self._about)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _fields.reset(self._token)


def log_fields() -> Mapping[str, str]:
    """Of the innermost block."""
    return _fields.get()
