"""Many chat sockets from one client process, each with a journal of what it was shown.

Runs as processes of its own (``python -m tests.bench.socket_clients``): commands and answers are JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.bench.machine import raise_file_limit
from tests.fuzz.socket_frames import CLOSE, PING, PONG, frame, handshake

OPENING = 200
"""Handshakes at once in one process."""


@dataclass(slots=True)
class SocketClient:
    """One contact. ``shown`` counts each sequence number it got; ``jumps`` those that came out of order."""

    token: str
    source: str
    last: int = 0
    shown: Counter[int] = field(default_factory=Counter)
    jumps: int = 0
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    reading: asyncio.Task[None] | None = None
    welcomed: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def reach(self, seq: int) -> None:
        """Wait until it was shown this number."""
        while self.last < seq:
            self.news.clear()
            await self.news.wait()

    async def join(self, port: int) -> None:
        """Connect and greet with the last number seen."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(self.source, 0), limit=1 << 17)
        self.streams = reader, writer
        writer.write(handshake("plantstore"))
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        hello = {"type": "hello", "token": self.token, "last_seq": self.last}
        writer.write(frame(json.dumps(hello).encode()))
        opcode, data = await _next(reader)
        assert (opcode, json.loads(data)["type"]) == (1, "welcome"), data
        self.welcomed = True
        self.reading = asyncio.create_task(self._read(reader, writer))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                opcode, data = await _next(reader)
                if opcode == PING:
                    writer.write(frame(data, PONG))
                elif opcode == CLOSE:
                    return
                elif opcode == 1 and data.startswith(b'{"type":"message"'):
                    seq = json.loads(data)["message"]["seq"]
                    self.jumps += seq <= self.last
                    self.shown[seq] += 1
                    self.last = max(self.last, seq)
                    self.news.set()
        except (asyncio.IncompleteReadError, OSError):
            return

    def say(self, number: int) -> None:
        assert self.streams is not None
        message = {"type": "message", "client_msg_id": f"m{number}", "text": f"message {number}"}
        self.streams[1].write(frame(json.dumps(message).encode()))

    def leave(self) -> None:
        """Without a word, as a phone in a tunnel does."""
        if self.reading is not None:
            self.reading.cancel()
        if self.streams is not None:
            self.streams[1].transport.abort()
        self.streams, self.welcomed = None, False


async def _next(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    return first & 0x0F, await reader.readexactly(size)


class SocketClients:
    """The seats of one process."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._seats: list[SocketClient] = []

    async def sessions(self, count: int, source: str) -> dict[str, Any]:
        """Make visitors over one connection each bunch."""
        import aiohttp

        base = f"http://127.0.0.1:{self._port}/v1/chat/plantstore/sessions"
        gate = asyncio.Semaphore(32)
        async with aiohttp.ClientSession() as http:

            async def one() -> SocketClient:
                async with gate, http.post(base, json={}) as answer:
                    assert answer.status == 201, await answer.text()
                    return SocketClient((await answer.json())["visitor_token"], source)

            self._seats = list(await asyncio.gather(*(one() for _ in range(count))))
        return {"seats": len(self._seats)}

    async def join(self) -> dict[str, Any]:
        """All sockets, as fast as they go. ``slowest``: seconds until the last was welcomed."""
        begun, gate = time.monotonic(), asyncio.Semaphore(OPENING)

        async def one(seat: SocketClient) -> None:
            async with gate:
                for _ in range(50):
                    try:
                        await asyncio.wait_for(seat.join(self._port), 60)
                        break
                    except (OSError, asyncio.IncompleteReadError):
                        await asyncio.sleep(0.2)

        await asyncio.gather(*(one(seat) for seat in self._seats))
        return {"seconds": time.monotonic() - begun, "joined": sum(seat.welcomed for seat in self._seats)}

    async def say(self, number: int, per_second: float) -> dict[str, Any]:
        """One message from everybody, spread evenly over time."""
        begun = time.monotonic()
        for index, seat in enumerate(self._seats):
            ahead = begun + index / per_second - time.monotonic()
            if ahead > 0.005:
                await asyncio.sleep(ahead)
            seat.say(number)
        return {"seconds": time.monotonic() - begun}

    async def leave(self) -> dict[str, Any]:
        for seat in self._seats:
            seat.leave()
        return {}

    async def until(self, lines: int, deadline: float) -> dict[str, Any]:
        """Until everybody has been shown every number up to ``lines``; then what is missing, doubled, out of order."""
        wanted = set(range(1, lines + 1))
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                for seat in self._seats:
                    await seat.reach(lines)
        return {
            "missing": sum(len(wanted - seat.shown.keys()) for seat in self._seats),
            "doubled": sum(sum(times - 1 for times in seat.shown.values()) for seat in self._seats),
            "jumps": sum(seat.jumps for seat in self._seats),
            "beyond": sum(seat.last > lines for seat in self._seats),
        }


async def serve(port: int) -> None:
    crowd = SocketClients(port)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        name, arguments = json.loads(line)
        answer = await getattr(crowd, name)(**arguments)
        os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    raise_file_limit()
    asyncio.run(serve(int(sys.argv[1])))
