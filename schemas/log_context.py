"""What log lines are about: the ids that every line of a piece of work carries, whoever writes it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType

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
