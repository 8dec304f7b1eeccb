"""Conversations with the shop: customers write and rate over the chat's WebSocket, and colleagues answer over the admin
API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import BaseModel, ConfigDict

REPLY_TIMEOUT_S = 120


class PlayedConversation(BaseModel):
    """``says``: what the customer writes, each after the answer to the one before. ``thumb``: on the last answer, with
    a ``comment``. ``colleague``: what a person writes at the end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    says: list[str]
    thumb: str = ""
    comment: str = ""
    colleague: str = ""


Correct = Callable[[dict[str, Any]], str]
"""What a colleague writes after this answer; empty: nothing."""


@dataclass(frozen=True, slots=True)
class ShopTraffic:
    """Plays conversations against a running instance. ``token``: for the admin API."""

    http: aiohttp.ClientSession
    url: str
    token: str
    tenant: str = "plantstore"

    async def play_all(self, conversations: Sequence[PlayedConversation], at_once: int = 4) -> None:
        """Play all of them, some at once."""
        room = asyncio.Semaphore(at_once)

        async def play(conversation: PlayedConversation) -> None:
            async with room:
                await self.play(conversation, lambda _: conversation.colleague)

        async with asyncio.TaskGroup() as tasks:
            for conversation in conversations:
                tasks.create_task(play(conversation))

    async def play(self, conversation: PlayedConversation, correct: Correct) -> str:
        """Play one. Returns what the colleague wrote."""
        session = await self._post(f"chat/{self.tenant}/sessions", {})
        async with self.http.ws_connect(f"{self.url}/v1/chat/{self.tenant}/socket") as socket:
            await socket.send_json({"type": "hello", "token": session["visitor_token"]})
            reply: dict[str, Any] = {}
            for number, text in enumerate(conversation.says):
                await socket.send_json({"type": "message", "client_msg_id": f"m{number}", "text": text})
                reply = await _receive_reply(socket)
            if conversation.thumb:
                comment = {"comment": conversation.comment} if conversation.comment else {}
                frame = {"type": "feedback", "message_id": reply["id"], "value": conversation.thumb}
                await socket.send_json(frame | comment)
            written = correct(reply)
            if written:
                place = f"admin/{self.tenant}/conversations/{session['conversation_id']}/messages"
                await self._post(place, {"client_msg_id": "colleague", "text": written})
                await _receive_reply(socket, "person")
        return written

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if path.startswith("admin/") else {}
        async with self.http.post(f"{self.url}/v1/{path}", json=body, headers=headers) as response:
            response.raise_for_status()
            answer: dict[str, Any] = await response.json()
            return answer


async def _receive_reply(socket: aiohttp.ClientWebSocketResponse, author: str = "agent") -> dict[str, Any]:
    async with asyncio.timeout(REPLY_TIMEOUT_S):
        while True:
            frame = await socket.receive_json()
            if frame["type"] == "message" and frame["message"]["author"]["kind"] in (author, "system"):
                message: dict[str, Any] = frame["message"]
                return message
