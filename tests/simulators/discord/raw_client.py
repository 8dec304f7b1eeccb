"""Helpers for the tests of the simulated Discord itself: a clock to move, and requests without a library."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.harness.websockets import cut
from tests.simulators.discord.sdk import Bot, connect_bot
from tests.simulators.discord.vendor import Discord

AGENT = "DiscordBot (https://example.com, 1)"


class Clock:
    """Runs like the real one, and can be put forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def forward(self, seconds: float) -> None:
        self._ahead += seconds


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> int:
        return int(self.json["code"])


class RawClient:
    """The REST API by hand."""

    def __init__(self, server: Discord, session: aiohttp.ClientSession) -> None:
        self._server = server
        self.session = session

    async def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any) -> Answer:
        """``token`` "" sends none. ``more`` goes to aiohttp as it is."""
        headers = {"User-Agent": AGENT}
        if token != "":
            headers["Authorization"] = f"Bot {token or self._server.world.token}"
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body
        address = self._server.api_base + path
        async with self.session.request(method, address, headers=headers, **more) as response:
            return Answer(response.status, response.headers.copy(), await response.text())

    async def send(self, channel: str, **body: Any) -> Answer:
        return await self.ask("POST", f"/channels/{channel}/messages", body)


class Line:
    """A WebSocket at the gateway by hand; reads text and zlib frames."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.inflate = zlib.decompressobj()

    async def next(self) -> dict[str, Any]:
        """The next frame. Fails when the gateway has hung up; then ``socket.close_code`` says how."""
        frame = await self.socket.receive(timeout=30)
        if frame.type is aiohttp.WSMsgType.BINARY:
            return dict(json.loads(self.inflate.decompress(frame.data)))
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"closed with {self.socket.close_code}")
        return dict(json.loads(frame.data))

    async def until(self, name: str) -> dict[str, Any]:
        """The next event of this name; what comes before it is dropped."""
        while (frame := await self.next())["t"] != name:
            pass
        return frame

    async def op(self, op: int) -> dict[str, Any]:
        while (frame := await self.next())["op"] != op:
            pass
        return frame

    async def closed(self) -> int | None:
        """The code with which the gateway hangs up, whatever it says before that."""
        while (await self.socket.receive(timeout=30)).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            pass
        return self.socket.close_code

    def die(self, *, hard: bool) -> None:
        """End like a killed process: no close frame; ``hard``: the other side is reset."""
        cut(self.socket, reset=hard)

    async def say(self, op: int, data: Any) -> None:
        await self.socket.send_json({"op": op, "d": data})

    async def identify(self, token: str, intents: int = 1 << 0 | 1 << 9 | 1 << 12 | 1 << 15, **more: Any) -> None:
        await self.say(2, {"token": token, "intents": intents, "properties": {"os": "linux"}, **more})


@asynccontextmanager
async def open_raw_client(server: Discord) -> AsyncIterator[RawClient]:
    async with aiohttp.ClientSession() as session:
        yield RawClient(server, session)


@asynccontextmanager
async def line(server: Discord, query: str = "v=10&encoding=json", path: str = "/") -> AsyncIterator[Line]:
    """A fresh connection; the first frame is still to be read."""
    async with (
        aiohttp.ClientSession() as session,
        # Without autoclose, as the library has it: the code stays the one that came.
        session.ws_connect(f"{server.gateway.base}{path}?{query}", autoclose=False) as socket,
    ):
        yield Line(socket)


@asynccontextmanager
async def bot_at(server: Discord, bot: Bot | None = None) -> AsyncIterator[Bot]:
    """The server up, and a bot on Discord's library connected to it."""
    async with server.serving(), connect_bot(server, bot) as there:
        yield there


async def hello(there: Line) -> None:
    """The first thing that a gateway says."""
    assert (await there.next())["op"] == 10


async def identify_and_wait(there: Line, server: Discord, **more: Any) -> dict[str, Any]:
    """Identified, up to the guild; what READY said."""
    await hello(there)
    await there.identify(server.world.token, **more)
    frame = await there.until("READY")
    await there.until("GUILD_CREATE")
    return frame
