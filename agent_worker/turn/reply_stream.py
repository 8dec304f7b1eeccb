"""Signals to the contact while a turn runs: typing and deltas on the web, and a typing indicator where
vendors can show one. They are lossy: nothing depends on them, and failures are only logged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import lru_cache

import orjson
import structlog

from schemas.conversation import Conversation
from schemas.conversation_activity import TypingSignal, typing_topic
from schemas.errors import ParleyError
from schemas.ports import Clock, Signals

log = structlog.get_logger("parley.worker")
SLOW_S = 0.05
"""Seconds after which a reply is worth announcing. Those of the built-in model are usually complete by then."""
TYPING_EVERY = 8.0
"""Seconds between typing signals; vendors show one for 10 to 25."""
_NOTHING = nullcontext()


@lru_cache(maxsize=1024)
def _typing_frame(name: str) -> bytes:
    return orjson.dumps({"type": "typing", "author": {"kind": "agent", "name": name}})


@asynccontextmanager
async def run_if_slow(act: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call ``act`` beside the block, unless the block is done within ``SLOW_S``. Once called, it ends before the block
    does."""
    running: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()
    timer = loop.call_later(SLOW_S, lambda: running.append(asyncio.ensure_future(act())))
    try:
        yield
    finally:
        timer.cancel()
        for each in running:
            await each


class ReplyStream:
    """The frames of one attempt at a turn. ``silent`` for channels that do not stream. ``is_cancelled``: returns
    whether the attempt is about to be cancelled, and must show nothing new."""

    def __init__(
        self,
        signals: Signals,
        conversation: str,
        turn: str,
        epoch: int,
        *,
        silent: bool,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._signals = signals
        self._topic = f"conversation:{conversation}"
        self._turn = turn
        self._epoch = epoch
        self._silent = silent
        self._is_cancelled = is_cancelled
        self._next = 0

    def show_typing(self, name: str) -> None:
        """Send the typing frame without waiting; all other frames come later."""
        if not self._silent:
            self._signals.publish_nowait(self._topic, _typing_frame(name))

    async def send_delta(self, text: str) -> None:
        """Show one sentence that has passed the gate."""
        if self._is_cancelled():
            return
        index, self._next = self._next, self._next + 1
        frame = {"type": "delta", "turn_id": self._turn, "index": index, "text": text, "epoch": self._epoch}
        await self._publish(frame)

    async def abort(self) -> None:
        """Withdraw the streamed text, if there is any. The next text begins at index 0 again, so that even a reader who
        missed the abort can tell it from the rest of the old one."""
        if self._next:
            self._next = 0
            await self._publish({"type": "abort", "turn_id": self._turn})

    async def _publish(self, frame: dict[str, object]) -> None:
        if not self._silent:
            await _publish(self._signals, self._topic, orjson.dumps(frame))


class TypingSignals:
    """Tells connectors that a reply is being written. ``channels``: those whose vendors can show it."""

    def __init__(self, signals: Signals, channels: frozenset[str], clock: Clock) -> None:
        self._signals = signals
        self._channels = channels
        self._clock = clock

    def while_writing(self, conversation: Conversation, answers: str) -> AbstractContextManager[None]:
        """Show typing while the block runs. ``answers``: the vendor's id of the message that is being answered."""
        return self._repeat(conversation, answers) if conversation.origin.channel in self._channels else _NOTHING

    @contextmanager
    def _repeat(self, conversation: Conversation, answers: str) -> Iterator[None]:
        task = asyncio.create_task(self._send(conversation, answers))
        try:
            yield
        finally:
            task.cancel()

    async def _send(self, conversation: Conversation, answers: str) -> None:
        origin = conversation.origin
        while True:
            writing = TypingSignal(
                tenant=origin.tenant, account=origin.account, place=origin.place, answers=answers, at=self._clock()
            )
            await _publish(self._signals, typing_topic(origin.channel), writing.model_dump_json().encode())
            await asyncio.sleep(TYPING_EVERY)


async def _publish(signals: Signals, typing_topic: str, frame: bytes) -> None:
    try:
        await signals.publish(typing_topic, frame)
    except ParleyError as error:
        log.debug("signal_lost", code=error.code)
