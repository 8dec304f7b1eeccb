"""One WebSocket at the gateway: frames out in order, and the rules for frames in."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

from tests.simulators.discord.sessions import Session
from tests.simulators.discord.streams import Stream

FRAME_BYTES = 4096
FRAMES_PER_MINUTE = 120


class Close(Exception):
    """The gateway hangs up with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Connection:
    def __init__(
        self, socket: web.WebSocketResponse, request: web.Request, stream: Stream, now: Callable[[], float]
    ) -> None:
        self.session: Session | None = None
        self._socket = socket
        self._request = request
        self._stream = stream
        self._now = now
        self._out: asyncio.Queue[str | Close] = asyncio.Queue()
        self._minute: deque[float] = deque()
        self._ended: int | None = None

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """While inside, what is written is sent, in order."""
        task = asyncio.create_task(self._send())
        try:
            yield
        finally:
            if self._ended is None:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def write(self, text: str) -> None:
        self._out.put_nowait(text)

    def say(self, op: int, data: Any = None) -> None:
        self.write(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def close(self, code: int, reason: str = "") -> None:
        """After what is written already."""
        self._out.put_nowait(Close(code, reason))

    def cut(self) -> None:
        """No close frame, no code: the network went away."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def end(self, close: Close) -> None:
        """Hang up now."""
        self._ended = close.code
        await self._socket.close(code=close.code, message=close.reason.encode())

    @property
    def said_goodbye(self) -> bool:
        """The client ended it with a code that means that it will not be back."""
        return self._ended is None and self._socket.close_code in (1000, 1001)

    @property
    def close_code(self) -> int | None:
        """Of whoever hung up. The socket itself takes an end of ours for a goodbye of the client."""
        return self._ended or self._socket.close_code

    async def next(self, wait: float) -> dict[str, Any] | None:
        """The next frame; None when the other side is gone. Raises Close, and TimeoutError after ``wait`` seconds."""
        frame = await self._socket.receive(timeout=wait)
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        raw = frame.data.encode() if isinstance(frame.data, str) else frame.data
        if len(raw) > FRAME_BYTES:
            raise Close(4002, "Error while decoding payload.")
        self._count()
        try:
            payload = json.loads(raw)
        except ValueError:
            raise Close(4002, "Error while decoding payload.") from None
        if not isinstance(payload, dict) or not isinstance(payload.get("op"), int):
            raise Close(4002, "Error while decoding payload.")
        return payload

    def _count(self) -> None:
        self._minute.append(self._now())
        while self._minute[0] <= self._now() - 60:
            self._minute.popleft()
        if len(self._minute) > FRAMES_PER_MINUTE:
            raise Close(4008, "Rate limited.")

    async def _send(self) -> None:
        while True:
            item = await self._out.get()
            if isinstance(item, Close):
                return await self.end(item)
            frame = self._stream.frame(item)
            try:
                await (self._socket.send_str(frame) if isinstance(frame, str) else self._socket.send_bytes(frame))
            except ConnectionError:
                return
