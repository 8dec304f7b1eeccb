"""A socket's pump reads no more often than there may be something."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from gateway.webchat.chat_service import PAGE_SIZE, ChatService
from gateway.webchat.sessions import Visit
from gateway.webchat.socket_sender import SocketSender, TokenGuard
from gateway.webchat.watch import Watch
from schemas.messages import Author, TranscriptMessage

SIGNAL = b'{"type": "message"}'


class FakeExchange:
    """A transcript of numbered lines."""

    def __init__(self) -> None:
        self.lines_written = 0
        self.reads = 0

    async def read_lines(self, _visit: Visit, after: int) -> tuple[list[TranscriptMessage], int]:
        self.reads += 1
        found = [line(seq) for seq in range(after + 1, min(after + PAGE_SIZE, self.lines_written) + 1)]
        return found, found[-1].seq if found else after

    async def serialize(self, _visit: Visit, lines: list[TranscriptMessage]) -> list[int]:
        return [line.seq for line in lines]


class FakeWatch:
    """Hands out one signal, then ends."""

    def __init__(self, exchange: FakeExchange, lines: int) -> None:
        self._exchange = exchange
        self._lines = lines
        self.ended = False

    async def wait(self, _patience: float) -> list[bytes]:
        self.ended = True
        self._exchange.lines_written = self._lines
        self._exchange.reads = 0
        return [SIGNAL]


class ValidToken:
    seconds_left = 3600.0

    async def find_close_reason(self, _signals: list[bytes]) -> str:
        return ""


def line(seq: int) -> TranscriptMessage:
    author = Author(kind="agent", name="Fern")
    return TranscriptMessage(seq=seq, id=f"m{seq}", author=author, text="Yes.", created_at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("lines", "reads"), [(0, 1), (1, 1), (PAGE_SIZE - 1, 1), (PAGE_SIZE, 2), (PAGE_SIZE + 1, 2), (2 * PAGE_SIZE + 1, 3)]
)
async def test_after_a_signal_all_is_shown_with_no_look_that_must_find_nothing(lines: int, reads: int) -> None:
    exchange, shown = FakeExchange(), list[int]()

    async def send(frame: dict[str, Any]) -> None:
        shown.append(frame["message"])

    pump = SocketSender(
        cast(ChatService, exchange),
        cast(Visit, None),
        send,
        cast(TokenGuard, ValidToken()),
        after=0,
        send_lock=asyncio.Lock(),
    )
    await pump.run(cast(Watch, FakeWatch(exchange, lines)))
    assert shown == list(range(1, lines + 1))
    assert exchange.reads == reads
