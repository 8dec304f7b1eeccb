"""One connection to Discord's gateway: frames, signs of life, and what its end means.

https://docs.discord.com/developers/events/gateway
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import structlog
from pydantic import ValidationError

from connectors.discord.events import INTENT
from connectors.discord.models import Shape
from schemas.errors import CredentialsRevoked, ParleyError, SendDelayed, SetupError

log = structlog.get_logger("parley.discord")

DISPATCH, BEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
INTENTS = 1 << 0 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 15
"""Servers and threads; messages and reactions in servers and in direct messages; and what messages say."""
GREETING = 20.0
CLOSING = 0.5
LARGEST = 64 * 1024 * 1024
KEEP = 4000
"""How we close: 1000 and 1001 would end the session."""
FORGOTTEN = frozenset({4007, 4009})
"""The session is no longer good; the next connection begins a new one."""
UNFIT = {
    4010: "the shard is invalid",
    4011: "the bot is in too many servers for so few connections",
    4012: "this version of the gateway is gone",
    4013: "the intents are invalid",
    4014: "the bot may not have the intents it needs",
}


class Frame(Shape):
    op: int
    t: str | None = None
    s: int | None = None
    d: Any = None


class Gateway:
    """``heard`` gives the number that signs of life name."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, heard: Callable[[], int]) -> None:
        self._socket = socket
        self._heard = heard
        self._interval = 0.0
        self._acked = True

    @classmethod
    async def opened(cls, http: aiohttp.ClientSession, url: str, heard: Callable[[], int]) -> Gateway:
        """Once it has said hello. Raises SendDelayed."""
        address = f"{url.rstrip('/')}/?v=10&encoding=json"
        try:
            how = aiohttp.ClientWSTimeout(ws_close=CLOSING)
            gateway = cls(await http.ws_connect(address, timeout=how, max_msg_size=LARGEST), heard)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SendDelayed("the gateway cannot be reached") from error
        try:
            await gateway._greeting()
        except BaseException:
            await gateway.close()
            raise
        return gateway

    async def identify(self, token: str, shard: tuple[int, int]) -> None:
        """``shard``: which one of how many."""
        about = {"os": "linux", "browser": "parley", "device": "parley"}
        await self._say(IDENTIFY, {"token": token, "intents": INTENTS, "properties": about, "shard": shard})

    async def resume(self, token: str, session: str, seq: int) -> None:
        await self._say(RESUME, {"token": token, "session_id": session, "seq": seq})

    async def beat(self) -> None:
        """Signs of life, until one finds no answer: then the connection is dead, whatever it looks like."""
        await asyncio.sleep(self._interval * random.random())
        while self._acked:
            self._acked = False
            await self._say(BEAT, self._heard() or None)
            await asyncio.sleep(self._interval)
        log.info("gateway_silent", channel="discord")

    async def next(self) -> Frame | None:
        """The next frame that matters; None at the end, see ``explain``."""
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None
            frame = _frame(message.data)
            if frame is None:
                continue
            if frame.op == ACK:
                self._acked = True
            elif frame.op == BEAT:
                await self._say(BEAT, self._heard() or None)
            else:
                return frame

    def explain(self) -> ParleyError | None:
        """What an end means for the account; None where another try is all there is to do."""
        code = self._socket.close_code or 0
        if code == 4004:
            return CredentialsRevoked("the bot's token is not accepted")
        if code in UNFIT:
            return SetupError(f"Discord closed with {code}: {UNFIT[code]}", fix=INTENT if code == 4014 else "")
        return None

    @property
    def is_forgotten(self) -> bool:
        return self._socket.close_code in FORGOTTEN or self.explain() is not None

    async def close(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await self._socket.close(code=KEEP)

    async def _greeting(self) -> None:
        try:
            async with asyncio.timeout(GREETING):
                frame = await self.next()
        except TimeoutError as error:
            raise SendDelayed("the gateway says nothing") from error
        interval = frame.d.get("heartbeat_interval") if frame and isinstance(frame.d, Mapping) else None
        if frame is None or frame.op != HELLO or not isinstance(interval, int | float) or interval <= 0:
            raise self.explain() or SendDelayed("the gateway does not greet")
        self._interval = interval / 1000

    async def _say(self, op: int, data: Any) -> None:
        """On a connection that ended nothing happens: its end is heard by reading."""
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self._socket.send_json({"op": op, "d": data})


def _frame(text: str) -> Frame | None:
    try:
        return Frame.model_validate(json.loads(text))
    except (ValueError, RecursionError, ValidationError):
        log.warning("frame_malformed", channel="discord")
        return None
