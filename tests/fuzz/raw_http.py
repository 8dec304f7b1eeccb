"""HTTP over a raw socket: many requests in one write where they are whole, one a connection where they may not be."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

PATIENCE = 20.0
"""Seconds that any answer may take. A busy machine stands still for several; the slowest batch is printed."""
CONNECTING = 10.0
LARGEST = 1 << 20
NO_BODY = frozenset({204, 304})


class NoAnswer(Exception):
    """No answer, and no end of the connection either, within the patience."""


class ConnectionEnded(Exception):
    """The server has ended the connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    @property
    def retry_after(self) -> bool:
        return b"\r\nretry-after:" in self.head.lower()


class Line:
    """One connection, opened when it is first needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            opening = asyncio.open_connection("127.0.0.1", self._port, limit=LARGEST)
            self._streams = await asyncio.wait_for(opening, CONNECTING)
        return self._streams

    async def pipelined(self, requests: Sequence[bytes], rightly: float = 0.0) -> list[Answer]:
        """Answers in order; fewer when the server ended the connection. Each may take the patience and ``rightly``
        seconds more. Raises Hung."""
        reader, writer = await self._open()
        answers: list[Answer] = []
        try:
            writer.write(b"".join(requests))
            while len(answers) < len(requests):
                answers.append(await _patiently(_answer(reader), rightly))
                if b"\r\nconnection: close" in answers[-1].head.lower():
                    self.close()
                    break
        except (ConnectionEnded, OSError):
            self.close()
        except NoAnswer:
            self.close()
            raise
        return answers

    async def alone(self, request: bytes, rightly: float = 0.0, *, whole: bool) -> list[Answer]:
        """Send one request on a connection of its own. What is not whole cannot be answered, only ended: then say that
        nothing follows. Raises Hung."""
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self._port, limit=LARGEST), CONNECTING
        )
        answers: list[Answer] = []
        try:
            writer.write(request)
            if not whole:
                writer.write_eof()
            answers.append(await _patiently(_answer(reader, request[:5] == b"HEAD "), rightly))
        except (ConnectionEnded, OSError):
            pass
        finally:
            writer.transport.abort()
        return answers

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def _patiently(answer: Coroutine[None, None, Answer], rightly: float) -> Answer:
    try:
        return await asyncio.wait_for(answer, PATIENCE + rightly)
    except TimeoutError:
        raise NoAnswer from None


async def _answer(reader: asyncio.StreamReader, without_body: bool = False) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        if status == 100:
            return await _answer(reader, without_body)
        body = b""
        if not without_body and status not in NO_BODY and status >= 200:
            body = await _body(reader, head.lower())
        return Answer(status, head, body)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
        raise ConnectionEnded from error


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if found:
        return await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    if b"\r\ntransfer-encoding: chunked" not in head:
        return await reader.read(LARGEST)
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body
