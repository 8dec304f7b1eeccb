"""A load generator that costs little: prepared requests over connections that stay open, one at a time on each."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

DEADLINE = 60.0


@dataclass(slots=True)
class Result:
    """Of one run. ``latencies`` in seconds; ``statuses`` counts answers by status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


class _Wire(asyncio.Protocol):
    """One connection: sends the next request as soon as the answer is there."""

    def __init__(self, waiting: deque[bytes], result: Result) -> None:
        self._waiting = waiting
        self._result = result
        self._buffer = bytearray()
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def next(self) -> None:
        if not self._waiting:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(self._waiting.popleft())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, _ = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._buffer) < len(head) + 4 + length:
            return
        self._result.latencies.append(time.perf_counter() - self._sent_at)
        self._result.statuses[int(head[9:12])] += 1
        self._buffer.clear()
        self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def drive(port: int, requests: Iterable[bytes], *, connections: int = 64) -> Result:
    """Send all requests, at most ``connections`` at once. Raises TimeoutError, or AssertionError when an answer is
    missing."""
    waiting, result = deque(requests), Result()
    count = len(waiting)
    loop = asyncio.get_running_loop()
    wires = [
        (await loop.create_connection(lambda: _Wire(waiting, result), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    begun = time.perf_counter()
    for wire in wires:
        wire.next()
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*(wire.done for wire in wires))
    result.seconds = time.perf_counter() - begun
    assert len(result.latencies) == count, f"{len(result.latencies)} answers to {count} requests"
    return result


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One HTTP/1.1 request, ready to be sent."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
