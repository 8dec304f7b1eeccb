"""A bunch of calls that travel together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from redis import exceptions as said

from infra.state.redis.call import Call

ATTEMPTS = 3


class Trip:
    """See ``link.Exchange``. ``give_up_at`` is on the loop's clock."""

    __slots__ = ("_on_answer", "_on_failure", "attempt", "calls", "count", "give_up_at", "message")

    def __init__(
        self,
        on_answer: Callable[[Trip, list[Any]], None],
        on_failure: Callable[[Trip, Exception], None],
        calls: Sequence[Call],
    ) -> None:
        self._on_answer = on_answer
        self._on_failure = on_failure
        self.calls = calls
        self.count = len(calls)
        self.message = b"".join([call.packed for call in calls])
        self.attempt = 1
        self.give_up_at = 0.0
        for call in calls:
            call.has_left = True

    def answered(self, replies: list[Any]) -> None:
        self._on_answer(self, replies)

    def failed(self, error: Exception) -> None:
        self._on_failure(self, error)

    def settle(self, replies: list[Any]) -> list[Call]:
        """Tell the callers; the calls that are to be made once more, with their source."""
        unknown = []
        for call, reply in zip(self.calls, replies, strict=True):
            if not isinstance(reply, Exception):
                call.answered(reply)
            elif isinstance(reply, said.NoScriptError):
                call.explain()
                unknown.append(call)
            else:
                call.refused(reply)
        return unknown

    def refuse(self, error: Exception) -> None:
        """Tell all callers who have no answer."""
        for call in self.calls:
            call.refused(error)

    def may_repeat_after(self, error: Exception) -> bool:
        """Whether another connection may do better. Counts the attempts."""
        lost = isinstance(error, said.ConnectionError | OSError)
        if not lost or isinstance(error, said.AuthenticationError | said.BusyLoadingError) or self.attempt == ATTEMPTS:
            return False
        self.attempt += 1
        return True
