"""Tracing: spans for requests, turns and sends, joined to one trace by the ``traceparent`` of the envelopes.

Nothing is recorded until ``install`` was called, and until then a span costs one comparison. Names and attributes carry
ids and kinds, never message text."""

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
        """A span that is current inside the block. ``parent`` is a W3C traceparent from another process; empty means
        the current span, or a new trace. An unreadable one counts as empty."""

    def link(self, traceparents: Iterable[str]) -> None:
        """Link the current span to these."""

    def traceparent(self) -> str:
        """The traceparent of the current span, empty when there is none."""


class _NullSpan:
    def set(self, name: str, value: Value) -> None:
        return None


_NULL_SPAN: AbstractContextManager[Span] = nullcontext(_NullSpan())
_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Record the spans of this process from now on; None ends that."""
    global _tracer
    _tracer = tracer


def is_active() -> bool:
    return _tracer is not None


def span(
    name: str, *, parent: str = "", kind: Kind = "internal", attributes: Mapping[str, Value] | None = None
) -> AbstractContextManager[Span]:
    """See ``Tracer.span``. An exception that leaves the block marks the span as failed."""
    return _NULL_SPAN if _tracer is None else _tracer.span(name, parent, kind, attributes or {})


def link(traceparents: Iterable[str]) -> None:
    if _tracer is not None:
        _tracer.link(traceparents)


def traceparent(otherwise: str = "") -> str:
    """The traceparent to send along, so that the next part joins this trace; ``otherwise`` when nothing is recorded
    here."""
    return otherwise if _tracer is None else _tracer.traceparent() or otherwise


# The log context: ids that every log line of a piece of work carries.
_fields: ContextVar[Mapping[str, str]] = ContextVar("parley_log_fields", default=MappingProxyType({}))


class LogContext:
    """Log lines written inside the block, and by tasks started there, carry these fields instead of the outer ones."""

    __slots__ = ("_context_fields", "_token")

    def __init__(self, **about: str) -> None:
        self._context_fields = about
        self._token: Token[Mapping[str, str]] | None = None

    def __enter__(self) -> None:
        self._token = _fields.set(self._context_fields)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _fields.reset(self._token)


def log_fields() -> Mapping[str, str]:
    """The fields of the innermost block."""
    return _fields.get()
