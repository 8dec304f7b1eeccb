"""A chat socket by hand, so that its frames can be wrong at every level."""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
from typing import Any, Literal

from tests.fuzz.hostile_values import bend, corrupt_bytes, encode_hostile_json
from tests.fuzz.raw_http import CONNECTING, LARGEST, PATIENCE, ConnectionEnded, NoAnswer

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PER_SOCKET = 30
"""Frames; the server closes on who sends many more in a burst."""
INTERNAL_ERROR = 1011


def frame(data: bytes, opcode: int = TEXT, *, first: int | None = None, masked: bool = True) -> bytes:
    """One frame of a client; ``first`` overrides its first byte (FIN, RSV and opcode)."""
    head = bytearray([0x80 | opcode if first is None else first])
    mask_bit = 0x80 if masked else 0
    if len(data) < 126:
        head.append(mask_bit | len(data))
    elif len(data) < 65536:
        head += struct.pack(">BH", mask_bit | 126, len(data))
    else:
        head += struct.pack(">BQ", mask_bit | 127, len(data))
    if not masked:
        return bytes(head) + data
    mask = os.urandom(4)
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    mixed = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(len(data), "big")
    return bytes(head) + mask + mixed


def handshake(tenant: str) -> bytes:
    """The request that opens a chat socket."""
    lines = (
        f"GET /v1/chat/{tenant}/socket HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def documents(rng: random.Random, message_id: str) -> Any:
    """A valid frame of any kind."""
    mine = f"w{rng.getrandbits(60):x}"
    return rng.choice(
        (
            {"type": "message", "client_msg_id": mine, "text": "hello", "attachments": []},
            {"type": "choice", "client_msg_id": mine, "in_reply_to": message_id, "id": "person"},
            {"type": "typing"},
            {"type": "read", "seq": rng.randint(0, 5)},
            {"type": "feedback", "message_id": message_id, "value": "up", "comment": "thanks"},
        )
    )


Ending = Literal["goes on", "closes", "waits"]


def hostile_frame(rng: random.Random, message_id: str) -> tuple[bytes, Ending]:
    """The bytes, and what the server may do with them: go on, close, or wait for the rest of the frame."""
    data = encode_hostile_json(rng, bend(rng, documents(rng, message_id)))
    deed = rng.random()
    if deed < 0.8:
        return frame(data[:60_000]), "goes on" if _is_text(data) else "closes"
    if deed < 0.85:
        return frame(data[:1000], BINARY), "goes on"
    if deed < 0.9:
        return frame(b"x" * rng.choice((66_000, 200_000))), "closes"
    if deed < 0.94:
        return frame(data[:100], first=rng.choice((0x01, 0x00, 0x80, 0xF1, 0xC1, 0x83, 0x8B, 0x8F, 0x09))), "closes"
    if deed < 0.96:
        return frame(data[:100], masked=False), "closes"
    if deed < 0.98:
        return frame(rng.choice((b"", b"\x03", b"\x03\xe8", b"\x00\x00bad", b"\x03\xe8\xff\xff")), CLOSE), "closes"
    return corrupt_bytes(rng, frame(data[:200])), "waits"


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class ChatSocket:
    """Opened and greeted; ``close_code`` once the server has closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.close_code: int | None = None

    @classmethod
    async def open(cls, port: int, tenant: str = "plantstore") -> ChatSocket:
        opening = asyncio.open_connection("127.0.0.1", port, limit=LARGEST)
        reader, writer = await asyncio.wait_for(opening, CONNECTING)
        writer.write(handshake(tenant))
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CONNECTING)
        assert b" 101 " in answer, answer
        return cls(reader, writer)

    async def greet(self, token: str) -> None:
        self.send(frame(json.dumps({"type": "hello", "token": token}).encode()))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answered(self) -> bool:
        """Whether the server answers a ping; False when it has closed. Raises Hung."""
        self.send(frame(b"there?", PING))
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    opcode, data = await self._next()
                    if opcode == PONG and data == b"there?":
                        return True
                    if opcode == CLOSE:
                        self.close_code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
                        return False
        except TimeoutError:
            raise NoAnswer from None
        except ConnectionEnded:
            return False

    async def _next(self) -> tuple[int, bytes]:
        try:
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self._reader.readexactly(8), "big")
            return first & 0x0F, await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ConnectionEnded from error

    def close(self) -> None:
        self._writer.transport.abort()
