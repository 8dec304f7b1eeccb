"""Telling the connectors that an answer is being written, for channels whose vendors can show that. Lossy: nothing
depends on it, and nothing waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import structlog

from schemas.conversation import Conversation
from schemas.errors import ParleyError
from schemas.hints import Writing, topic
from schemas.ports import Clock, Signals

log = structlog.get_logger("parley.worker")
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
