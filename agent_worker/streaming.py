"""What the contact sees while a turn runs: typing and deltas, as frames of contract §2. Ephemeral, so failures are
only logged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType

import orjson
import structlog

from schemas.errors import ParleyError
from schemas.ports import Signals

log = structlog.get_logger("parley.worker")
TYPING_AFTER_S = 0.05
"""An answer that is there sooner needs no word that it is being written, and most of a busy worker's are."""


class Stream:
    """Frames of one attempt at one turn. ``silent`` for channels that do not stream."""

    def __init__(self, signals: Signals, conversation: str, turn: str, epoch: int, *, silent: bool) -> None:
        self._signals = signals
        self._topic = f"conversation:{conversation}"
        self._turn = turn
        self._epoch = epoch
        self._silent = silent
        self._next = 0
        self._typing: Typing | None = None

    def typing(self, name: str) -> Typing:
        """Inside the block ``name`` types. The contact sees it unless the block ends or something is shown at once."""
        frame: dict[str, object] = {"type": "typing", "author": {"kind": "agent", "name": name}}
        self._typing = Typing(lambda: self._publish(frame), silent=self._silent)
        return self._typing

    async def delta(self, text: str) -> None:
        """One sentence that is safe to show."""
        if self._typing is not None:
            self._typing.cancel()
        index, self._next = self._next, self._next + 1
        frame = {"type": "delta", "turn_id": self._turn, "index": index, "text": text, "epoch": self._epoch}
        await self._publish(frame)

    async def abort(self) -> None:
        """Take back what was shown, if anything was. What comes after it begins at index 0 again: that tells a new
        text from the rest of the old one, even to a reader who missed the abort."""
        if self._next:
            self._next = 0
            await self._publish({"type": "abort", "turn_id": self._turn})

    async def _publish(self, frame: dict[str, object]) -> None:
        if self._silent:
            return
        try:
            await self._signals.publish(self._topic, orjson.dumps(frame))
        except ParleyError as error:
            log.debug("signal_lost", code=error.code)


class Typing:
    """Says once that somebody types, if nothing ends it sooner."""

    __slots__ = ("_say", "_silent", "_task", "_timer")

    def __init__(self, say: Callable[[], Coroutine[object, object, None]], *, silent: bool) -> None:
        self._say = say
        self._silent = silent
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """What has been said stays said, and what is being said is not cut off."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        if not self._silent:
            self._timer = asyncio.get_running_loop().call_later(TYPING_AFTER_S, self._begin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _begin(self) -> None:
        # The stream holds this object, and it the task, which the loop alone would not keep.
        self._task = asyncio.get_running_loop().create_task(self._say())
