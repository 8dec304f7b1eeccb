"""What the contact sees while a turn runs: typing and deltas, as frames of contract §2. Ephemeral, so failures are
only logged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache

import orjson
import structlog

from schemas.conversation import Conversation
from schemas.errors import ParleyError
from schemas.facts import Writing, topic
from schemas.ports import Clock, Signals

# Telling the connectors that an answer is being written, for channels whose vendors can show that. Lossy: nothing
# depends on it, and nothing waits for it.

AGAIN = 8.0
"""Seconds: vendors show it for 10 to 25."""
_NOTHING = nullcontext()


class Hints:
    """``channels``: those where somebody listens."""

    def __init__(self, signals: Signals, channels: frozenset[str], clock: Clock) -> None:
        self._signals = signals
        self._channels = channels
        self._clock = clock

    def writing(self, conversation: Conversation, answers: str) -> AbstractContextManager[None]:
        """For as long as the block runs. ``answers``: the vendor's id of the message that is being answered."""
        return self._telling(conversation, answers) if conversation.origin.channel in self._channels else _NOTHING

    @contextmanager
    def _telling(self, conversation: Conversation, answers: str) -> Iterator[None]:
        telling = asyncio.create_task(self._tell(conversation, answers))
        try:
            yield
        finally:
            telling.cancel()

    async def _tell(self, conversation: Conversation, answers: str) -> None:
        origin = conversation.origin
        while True:
            about = Writing(
                tenant=origin.tenant, account=origin.account, place=origin.place, answers=answers, at=self._clock()
            )
            try:
                await self._signals.publish(topic(origin.channel), about.model_dump_json().encode())
            except ParleyError as error:
                log.debug("signal_lost", code=error.code)
            await asyncio.sleep(AGAIN)


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
