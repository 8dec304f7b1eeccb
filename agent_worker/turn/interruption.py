"""Giving up what is under way because something else has happened, as ``asyncio.timeout`` does because of time."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Interruption:
    """A block that ``ring`` ends early. It costs no task: what runs inside runs in the caller's own.

    ``rung`` tells afterwards whether that happened; what the block returned or raised then does not count.
    """

    __slots__ = ("_before", "_task", "rung")

    def __init__(self) -> None:
        self.rung = False
        self._task: asyncio.Task[object] | None = None
        self._before = 0

    def ring(self) -> None:
        """End the block where it waits; to be called by another task, while the block runs. Nothing the second time."""
        if not self.rung and self._task is not None:
            self.rung = True
            self._task.cancel()

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task is not None else 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        if not self.rung or task is None:
            return False
        if task.uncancel() > self._before:
            return False  # somebody else wants the task to end as well, and that comes first
        return isinstance(error, Exception | asyncio.CancelledError)
