"""Very many people who write at once, and do not wait for each other: more than an installation can take."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.installation import QUESTIONS, Installation

PATIENCE = 60.0
"""Seconds that somebody waits for an answer."""


@dataclass
class AnswerCounts:
    """What was answered. ``wrong`` are answers that no refusal may have, ``late`` those that came after a second."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    late: int = 0
    unsent: int = 0

    @property
    def accepted(self) -> int:
        return self.statuses[202]

    def __str__(self) -> str:
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        rate = self.accepted / self.seconds if self.seconds else 0.0
        return (
            f"{rate:.0f} accepted a second ({statuses}; {self.late} later than 1 s, {self.unsent} had nobody to send "
            f"them, {len(self.wrong)} wrong)"
        )


class Writer:
    """One visitor on one connection, one message after the other. Status 0: no answer at all."""

    def __init__(self, port: int, name: str, tenant: str) -> None:
        self._port, self._name, self._path = port, name, f"/v1/chat/{tenant}"
        self._token = ""
        self._count = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.waits = False
        """What was written last is with the system, and not answered yet."""

    async def open(self) -> None:
        while not self._token:
            status, _, body = await self._post("sessions", {})
            if status == 201:
                self._token = json.loads(body)["visitor_token"]
            else:
                await asyncio.sleep(0.1)

    async def say(self, tally: AnswerCounts) -> None:
        """A new message, told to ``tally``."""
        self._count += 1
        begun = time.monotonic()
        text = QUESTIONS[self._count % len(QUESTIONS)]
        try:
            async with asyncio.timeout(PATIENCE):
                status, headers, body = await self._post("messages", {"client_msg_id": str(self._count), "text": text})
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            self.close()
            status, headers, body = 0, b"", repr(error).encode()
        tally.statuses[status] += 1
        tally.late += time.monotonic() - begun > 1
        if status not in (202, 429, 503) or (status != 202 and b"retry-after:" not in headers.lower()):
            tally.wrong.append(f"{status} {body[:200]!r}")

    async def _post(self, what: str, message: dict[str, str]) -> tuple[int, bytes, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = json.dumps(message).encode()
        bearer = f"Authorization: Bearer {self._token}\r\n" if self._token else ""
        writer.write(
            f"POST {self._path}/{what} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"{bearer}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        self.waits = True
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        answer = await reader.readexactly(length)
        self.waits = False
        return int(head.split(b" ", 2)[1]), head, answer

    def close(self) -> None:
        self.waits = False
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Visitors:
    """``people`` visitors of one tenant, each with a session."""

    def __init__(self, parley: Installation, people: int, tenant: str = "plantstore") -> None:
        port = parley.port("edge" if parley.scaled else "dev")
        self._writers = [Writer(port, f"p{n}", tenant) for n in range(people)]

    async def __aenter__(self) -> Self:
        for at in range(0, len(self._writers), 50):
            await asyncio.gather(*(writer.open() for writer in self._writers[at : at + 50]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers:
            writer.close()

    async def all_at_once(self, seconds: float, *, people: int) -> AnswerCounts:
        """``people`` of them, each as soon as its last message was answered."""
        tally, ends = AnswerCounts(), time.monotonic() + seconds

        async def keep_on(writer: Writer) -> None:
            while time.monotonic() < ends:
                await writer.say(tally)

        begun = time.monotonic()
        await asyncio.gather(*(keep_on(writer) for writer in self._writers[:people]))
        tally.seconds = time.monotonic() - begun
        return tally

    async def once(self, tally: AnswerCounts) -> None:
        """Everybody says one thing, told to ``tally``."""
        await asyncio.gather(*(writer.say(tally) for writer in self._writers))

    @property
    def waiting(self) -> int:
        """So many have written and are not answered yet."""
        return sum(writer.waits for writer in self._writers)

    async def at_a_rate(self, per_second: float, seconds: float) -> AnswerCounts:
        """So many a second, whether the ones before were answered or not, for as long as somebody is free to write."""
        tally, idle, begun, sent = AnswerCounts(), list(self._writers), time.monotonic(), 0
        busy: set[asyncio.Task[None]] = set()

        async def one(writer: Writer) -> None:
            await writer.say(tally)
            idle.append(writer)

        while (passed := time.monotonic() - begun) < seconds:
            while sent < per_second * passed:
                sent += 1
                if idle:
                    task = asyncio.create_task(one(idle.pop(0)))
                    busy.add(task)
                    task.add_done_callback(busy.discard)
                else:
                    tally.unsent += 1
            await asyncio.sleep(0.005)
        tally.seconds = time.monotonic() - begun
        await asyncio.gather(*busy)
        return tally


def memory(parley: Installation) -> dict[str, int]:
    """MiB that each process keeps resident, by role."""
    found = {}
    for role, process in parley.roles.items():
        if process.alive:
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            found[role] = pages * resource.getpagesize() >> 20
    return found
