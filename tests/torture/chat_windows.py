"""The windows through which a person writes and reads: a page over HTTP, or a page with a socket."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

import aiohttp

from tests.torture.writers import PATIENCE, Person, Words

ACK_WAIT = 6.0
"""Seconds without an acknowledgement until a person doubts, and sends again."""

GONE = aiohttp.ClientWSTimeout(ws_close=0.1)
"""Who closes a window does not wait for anybody's farewell."""
PAUSE = (0.05, 0.5)
"""Seconds between two tries."""


class ChatWindow(Protocol):
    async def deliver(self, burst: list[Words]) -> None:
        """Returns when all are accepted."""

    async def wait_for_answers(self) -> None:
        """Until everything said so far is answered on this screen, or something is new."""

    async def close(self) -> None: ...


class Page:
    """No socket: posts one after the other or all at once, and asks for news."""

    def __init__(self, person: Person) -> None:
        self._person = person

    async def deliver(self, burst: list[Words]) -> None:
        if self._person.rng.random() < 0.3:
            await asyncio.gather(*(self._person.post(words) for words in burst))
            return
        for words in burst:
            await self._person.post(words)

    async def wait_for_answers(self) -> None:
        await self._person.look(wait=5)

    async def close(self) -> None:
        return


class Live:
    """A socket, opened again whenever it breaks. Nothing may be shown on it twice, or out of order, or left out."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._seen = 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._doubts: dict[str, Words] = {}
        self._news = asyncio.Event()

    async def deliver(self, burst: list[Words]) -> None:
        async with asyncio.timeout(PATIENCE):
            first = True
            while waiting := [words for words in burst if words.sent is None]:
                socket = await self._open()
                if socket is not None and await self._write(socket, waiting) and first:
                    self._person.chains.append([words.sent.message_id for words in waiting if words.sent])
                first = False
                if any(words.sent is None for words in burst):
                    await asyncio.sleep(self._person.rng.uniform(*PAUSE))

    async def wait_for_answers(self) -> None:
        if await self._open() is None:
            await asyncio.sleep(self._person.rng.uniform(*PAUSE))
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._person.news.wait(), 1.0)

    async def close(self) -> None:
        """As a closed window does: without a word."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        self._socket = self._reader = None

    async def read(self) -> None:
        """Say how far the person has read."""
        socket = await self._open()
        if socket is not None and self._seen:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await socket.send_json({"type": "read", "seq": self._seen})

    async def _write(self, socket: aiohttp.ClientWebSocketResponse, burst: list[Words]) -> bool:
        """All at once, then wait. True when every one was acknowledged on this socket without a doubt, and sent nowhere
        else: of what two windows send at the same time either may be the first."""
        self._doubts = {words.client_msg_id: words for words in burst}
        try:
            for words in burst:
                self._person.trying(words)
                await socket.send_json({"type": "message", **words.body})
            async with asyncio.timeout(ACK_WAIT):
                while self._doubts and self._socket is socket:
                    self._news.clear()
                    await self._news.wait()
        except (ConnectionError, aiohttp.ClientError, TimeoutError):
            self._person.stats["socket doubts"] += 1
            await self.close()
            return False
        return all(words.sent is not None and words.tries == 1 for words in burst)

    async def _open(self) -> aiohttp.ClientWebSocketResponse | None:
        if self._socket is not None and not self._socket.closed:
            return self._socket
        await self.close()
        person = self._person
        socket = await self._greeted()
        if socket is None:
            person.stats["socket refused"] += 1
            return None
        person.stats["sockets opened"] += 1
        self._socket = socket
        self._reader = asyncio.create_task(self._read(socket))
        return socket

    async def _greeted(self) -> aiohttp.ClientWebSocketResponse | None:
        """A socket that has been welcomed, or None."""
        person, socket = self._person, None
        try:
            async with asyncio.timeout(ACK_WAIT):
                socket = await person.http.ws_connect(f"{person.chat}/socket", max_msg_size=0, timeout=GONE)
                await socket.send_json({"type": "hello", "token": person.token, "last_seq": self._seen})
                welcome = await socket.receive_json()
            if welcome["type"] == "welcome":
                if welcome["conversation_id"] != person.conversation:
                    person.wrong.append(f"crossed: the socket belongs to {welcome['conversation_id']}")
                return socket
        except (aiohttp.ClientError, ConnectionError, TimeoutError, TypeError, ValueError):
            pass
        if socket is not None:
            await socket.close()
        return None

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.json())
        except (aiohttp.ClientError, ConnectionError):
            self._person.stats["sockets broken"] += 1
        finally:
            if self._socket is socket:
                self._socket = None
            self._news.set()

    def _take(self, frame: dict[str, Any]) -> None:
        kind, mine = frame["type"], frame.get("client_msg_id", "")
        if kind == "message":
            self._line(frame["message"])
        elif kind == "ack":
            # The acknowledgement of an earlier try counts too.
            self._person.accepted(self._person.words[mine], frame["message_id"], frame["seq"])
            self._doubts.pop(mine, None)
        elif kind == "error":
            self._person.stats[f"error {frame['error']['code']}"] += 1
            if not frame["error"]["retryable"]:
                self._person.wrong.append(f"lost: {mine} refused with {frame['error']['code']}")
            self._doubts.pop(mine, None)
        self._news.set()

    def _line(self, line: dict[str, Any]) -> None:
        seq = line["seq"]
        if seq <= self._seen:
            self._person.wrong.append(f"doubled: the socket shows number {seq} after {self._seen}")
        elif seq != self._seen + 1:
            self._person.wrong.append(f"lost: the socket shows number {seq} after {self._seen}")
        self._seen = max(self._seen, seq)
        self._person.show(line)
