"""What the contact sees while a turn runs: typing and deltas, as frames of contract §2. Ephemeral, so failures are
only logged."""

from __future__ import annotations

from functools import lru_cache

import orjson
import structlog

from schemas.errors import ParleyError
from schemas.ports import Signals

log = structlog.get_logger("parley.worker")


@lru_cache(maxsize=1024)
def _typing(name: str) -> bytes:
    return orjson.dumps({"type": "typing", "author": {"kind": "agent", "name": name}})


class Stream:
    """Frames of one attempt at one turn. ``silent`` for channels that do not stream."""

    def __init__(self, signals: Signals, conversation: str, turn: str, epoch: int, *, silent: bool) -> None:
        self._signals = signals
        self._topic = f"conversation:{conversation}"
        self._turn = turn
        self._epoch = epoch
        self._silent = silent
        self._next = 0

    def typing(self, name: str) -> None:
        """The turn does not wait for it: what is left to do comes later anyhow."""
        if not self._silent:
            self._signals.tell(self._topic, _typing(name))

    async def delta(self, text: str) -> None:
        """One sentence that is safe to show."""
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
