"""A contact with a journal: what was accepted, by their own word, to be held against what was delivered."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass
class AcceptedMessage:
    """One accepted message. ``tried`` and ``acked`` are ticks of its sender's own clock, before the first try and after
    the acknowledgement: of two messages whose times overlap either may come first."""

    client_msg_id: str
    text: str
    message_id: str
    seq: int
    tried: int = 0
    acked: int = 0


@dataclass(frozen=True)
class Attempt:
    """One request as its sender saw it. ``at`` is monotonic seconds at its end; ``status`` 0: no answer came at all."""

    what: str
    status: int
    seconds: float
    at: float
    retry_after: str = ""


@dataclass
class Contact:
    """Writes over HTTP, insists until it is accepted, and reads the transcript. One at a time, as a person does."""

    base: str
    http: aiohttp.ClientSession
    name: str
    tenant: str = "plantstore"
    token: str = ""
    conversation: str = ""
    sent: list[AcceptedMessage] = field(default_factory=list)
    refusals: dict[int, int] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    ticks: int = 0

    def tick(self) -> int:
        self.ticks += 1
        return self.ticks

    @property
    def chat(self) -> str:
        return f"{self.base}/v1/chat/{self.tenant}"

    @property
    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def insist(self, method: str, path: str, *, deadline: float = 60, **request: Any) -> dict[str, Any]:
        """Repeat through refused connections, resets and 503s until an answer below 300 comes."""
        async with asyncio.timeout(deadline):
            while True:
                begun, what = time.monotonic(), f"{method} {path.partition('?')[0]}"
                try:
                    async with self.http.request(method, f"{self.chat}/{path}", **request) as answer:
                        body: dict[str, Any] = await answer.json(content_type=None)
                        self._note(what, begun, answer.status, answer.headers.get("Retry-After", ""))
                        if answer.status < 300:
                            return body
                        self.refusals[answer.status] = self.refusals.get(answer.status, 0) + 1
                        assert answer.status in (429, 503), (answer.status, body)
                except (aiohttp.ClientError, ConnectionError, TimeoutError):
                    self._note(what, begun, 0)
                await asyncio.sleep(random.uniform(0.02, 0.1))

    def _note(self, what: str, begun: float, status: int, retry_after: str = "") -> None:
        now = time.monotonic()
        self.attempts.append(Attempt(what, status, now - begun, now, retry_after))

    async def open(self) -> None:
        body = await self.insist("POST", "sessions", json={})
        self.token, self.conversation = body["visitor_token"], body["conversation_id"]

    async def say(self, text: str, client_msg_id: str = "", **more: Any) -> AcceptedMessage:
        """Send until accepted; the same id each time."""
        mine = client_msg_id or f"{self.name}-{len(self.sent)}"
        request = {"client_msg_id": mine, "text": text, **more}
        tried = self.tick()
        body = await self.insist("POST", "messages", json=request, headers=self._bearer)
        said = AcceptedMessage(mine, text, body["message_id"], body["seq"], tried, self.tick())
        self.sent.append(said)
        return said

    async def transcript(self, after: int = 0, wait: int = 0) -> list[dict[str, Any]]:
        """All messages above ``after``, page by page; ``wait`` seconds for the first when there is none."""
        lines: list[dict[str, Any]] = []
        while True:
            query = f"messages?after={after}&wait={wait}"
            page = await self.insist("GET", query, headers=self._bearer)
            lines += page["messages"]
            if len(page["messages"]) < 200:
                return lines
            after, wait = lines[-1]["seq"], 0

    async def answered(self, message_id: str, *, deadline: float = 60) -> dict[str, Any]:
        """The first line of the agent (or the system) after this message."""
        async with asyncio.timeout(deadline):
            after = 0
            seen = False
            while True:
                for line in await self.transcript(after, wait=5 if after else 0):
                    after = line["seq"]
                    if line["id"] == message_id:
                        seen = True
                    elif seen and line["author"]["kind"] != "contact":
                        return line
