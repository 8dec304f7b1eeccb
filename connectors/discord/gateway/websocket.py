"""One connection to Discord's gateway: frames, heartbeats, and the meaning of its end.

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

from connectors.discord.events import INTENT_FIX
from connectors.discord.models import DiscordModel
from schemas.errors import CredentialsRevoked, ParleyError, RetryLater, SetupError

log = structlog.get_logger("parley.discord")

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
INTENTS = 1 << 0 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 15
"""Servers and threads; messages and reactions in servers and in direct messages; message content."""
HELLO_TIMEOUT = 20.0
CLOSE_TIMEOUT = 0.5
MAX_FRAME = 64 * 1024 * 1024
CLOSE_CODE = 4000
"""Our close code: 1000 and 1001 would end the session."""
SESSION_LOST = frozenset({4007, 4009})
"""The session is no longer valid; the next connection begins a new one."""
SETUP_ERRORS = {
    4010: "the shard is invalid",
    4011: "the bot is in too many servers for so few connections",
    4012: "this version of the gateway is gone",
    4013: "the intents are invalid",
    4014: "the bot may not have the intents it needs",
}


class Frame(DiscordModel):
    op: int
    t: str | None = None
    s: int | None = None
    d: Any = None


class GatewaySocket:
    """``heard`` returns the sequence number for heartbeats."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, heard: Callable[[], int]) -> None:
        self._socket = socket
        self._get_seq = heard
        self._interval = 0.0
        self._acked = True

    @classmethod
    async def connect(cls, http: aiohttp.ClientSession, url: str, heard: Callable[[], int]) -> GatewaySocket:
        """Return once the gateway has said hello. Raises RetryLater."""
        address = f"{url.rstrip('/')}/?v=10&encoding=json"
        try:
            timeouts = aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT)
            gateway = cls(await http.ws_connect(address, timeout=timeouts, max_msg_size=MAX_FRAME), heard)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RetryLater("the gateway cannot be reached") from error
        try:
            await gateway._wait_for_hello()
        except BaseException:
            await gateway.close()
            raise
        return gateway

    async def identify(self, token: str, shard: tuple[int, int]) -> None:
        """``shard``: its number and the number of shards."""
        properties = {"os": "linux", "browser": "parley", "device": "parley"}
        await self._send(IDENTIFY, {"token": token, "intents": INTENTS, "properties": properties, "shard": shard})

    async def resume(self, token: str, session: str, seq: int) -> None:
        await self._send(RESUME, {"token": token, "session_id": session, "seq": seq})

    async def send_heartbeats(self) -> None:
        """Send heartbeats until one is not acknowledged: then the connection is dead."""
        await asyncio.sleep(self._interval * random.random())
        while self._acked:
            self._acked = False
            await self._send(HEARTBEAT, self._get_seq() or None)
            await asyncio.sleep(self._interval)
        log.info("gateway_silent", channel="discord")

    async def receive(self) -> Frame | None:
        """Return the next frame for the shard; None at the end, see ``explain_close``."""
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None
            frame = _parse_frame(message.data)
            if frame is None:
                continue
            if frame.op == ACK:
                self._acked = True
            elif frame.op == HEARTBEAT:
                await self._send(HEARTBEAT, self._get_seq() or None)
            else:
                return frame

    def explain_close(self) -> ParleyError | None:
        """Return what the end means for the account; None if it can simply reconnect."""
        code = self._socket.close_code or 0
        if code == 4004:
            return CredentialsRevoked("the bot's token is not accepted")
        if code in SETUP_ERRORS:
            return SetupError(
                f"Discord closed with {code}: {SETUP_ERRORS[code]}", fix=INTENT_FIX if code == 4014 else ""
            )
        return None

    @property
    def is_session_lost(self) -> bool:
        return self._socket.close_code in SESSION_LOST or self.explain_close() is not None

    async def close(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await self._socket.close(code=CLOSE_CODE)

    async def _wait_for_hello(self) -> None:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                frame = await self.receive()
        except TimeoutError as error:
            raise RetryLater("the gateway says nothing") from error
        interval = frame.d.get("heartbeat_interval") if frame and isinstance(frame.d, Mapping) else None
        if frame is None or frame.op != HELLO or not isinstance(interval, int | float) or interval <= 0:
            raise self.explain_close() or RetryLater("the gateway does not greet")
        self._interval = interval / 1000

    async def _send(self, op: int, data: Any) -> None:
        """Send a frame. On a closed connection nothing happens: the reader notices the end."""
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self._socket.send_json({"op": op, "d": data})


def _parse_frame(text: str) -> Frame | None:
    try:
        return Frame.model_validate(json.loads(text))
    except (ValueError, RecursionError, ValidationError):
        log.warning("frame_malformed", channel="discord")
        return None
