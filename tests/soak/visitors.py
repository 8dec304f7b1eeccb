"""Visitors who come at a constant rate, ask, wait for each answer, and count how often they were answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp

from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS

QUESTIONS_EACH = 2
PATIENCE = 60.0
"""Seconds until an answer counts as lost."""


@dataclass
class Visitors:
    """``rate``: messages a second. ``lost`` and ``repeated`` name messages without an answer, and with several."""

    base: str
    http: aiohttp.ClientSession
    rate: float
    seconds: float
    accepted: int = 0
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    async def run(self) -> None:
        pause, begun, number = QUESTIONS_EACH / self.rate, time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < begun + self.seconds:
                group.create_task(self._visit(f"v{number}"))
                number += 1
                await asyncio.sleep(max(0.0, begun + number * pause - time.monotonic()))

    async def _visit(self, name: str) -> None:
        contact = Contact(self.base, self.http, name)
        await contact.open()
        for number in range(QUESTIONS_EACH):
            said = await contact.say(QUESTIONS[number % len(QUESTIONS)])
            self.accepted += 1
            try:
                await contact.answered(said.message_id, deadline=PATIENCE)
            except TimeoutError:
                self.lost.append(f"{name} {said.message_id}")
                return
        replies = [line for line in await contact.transcript() if line["author"]["kind"] == "agent"]
        for said in contact.sent:
            count = sum(line["in_reply_to"] == said.message_id for line in replies)
            self.answered += count > 0
            if count != 1:
                (self.repeated if count else self.lost).append(f"{name} {said.message_id}")
