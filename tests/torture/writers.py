"""People who write through the worst: in bursts, over sockets and HTTP, in two tabs, again after every doubt.

Each keeps a journal (tests/harness/chat_client.py) of what was accepted, and of what its screens showed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.harness.chat_client import AcceptedMessage, Contact

PATIENCE = 240.0
"""Seconds until a person stops insisting: by then everything should have healed by itself."""


@dataclass
class Words:
    """One message on its way. ``tries`` counts how often it was sent."""

    client_msg_id: str
    text: str
    tried: int = 0
    tries: int = 0
    sent: AcceptedMessage | None = None

    @property
    def body(self) -> dict[str, str]:
        return {"client_msg_id": self.client_msg_id, "text": self.text}


@dataclass
class Person(Contact):
    """``chains``: bursts that one socket took in order without a doubt. ``wrong``: what no screen may ever show.
    ``stats`` is shared by all."""

    rng: random.Random = field(default_factory=random.Random)
    stats: Counter[str] = field(default_factory=Counter)
    words: dict[str, Words] = field(default_factory=dict)
    chains: list[list[str]] = field(default_factory=list)
    shown: dict[int, str] = field(default_factory=dict)
    replies: dict[int, str] = field(default_factory=dict)
    """Number of a reply → the message that it names."""
    wrong: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def compose(self, question: str) -> Words:
        number = len(self.words)
        words = Words(f"{self.name}-{number}", f"{question} ({self.name} {number})")
        self.words[words.client_msg_id] = words
        return words

    def trying(self, words: Words) -> None:
        words.tried = words.tried or self.tick()
        words.tries += 1
        self.stats["resends" if words.tries > 1 else "sends"] += 1

    def accepted(self, words: Words, message_id: str, seq: int) -> None:
        """An acknowledgement came; a repeat must get the first one's answer."""
        if words.sent is None:
            words.sent = AcceptedMessage(words.client_msg_id, words.text, message_id, seq, words.tried, self.tick())
            self.sent.append(words.sent)
            self.stats["accepted"] += 1
        elif (words.sent.message_id, words.sent.seq) != (message_id, seq):
            self.wrong.append(f"doubled: {words.client_msg_id} was {words.sent.seq}, now {seq} {message_id}")

    def show(self, line: dict[str, Any]) -> None:
        """A line on one of the screens."""
        seq, kind = line["seq"], line["author"]["kind"]
        if self.shown.setdefault(seq, line["id"]) != line["id"]:
            self.wrong.append(f"doubled: number {seq} is {self.shown[seq]} and {line['id']}")
        if kind != "contact" and line["in_reply_to"]:
            self.replies[seq] = line["in_reply_to"]
            self.news.set()

    @property
    def waits(self) -> bool:
        """Whether something that was accepted has no answer on the screens. A reply answers the message that it names,
        all before that, and of what was under way at the same time all that stands before the reply itself. It may be
        here before the acknowledgement is."""
        known = {sent.message_id: sent for sent in self.sent}
        named = [(seq, known[id]) for seq, id in self.replies.items() if id in known]
        return any(not any(_covers(seq, one, sent) for seq, one in reversed(named)) for sent in reversed(self.sent))

    async def post(self, words: Words) -> None:
        """Over HTTP until accepted."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.trying(words)
                body = await self.once("POST", "messages", json=words.body, headers=self._bearer)
                if body is not None:
                    return self.accepted(words, body["message_id"], body["seq"])
                await asyncio.sleep(self.rng.uniform(0.02, 0.4))

    async def once(self, method: str, path: str, **request: Any) -> dict[str, Any] | None:
        """One request; None for refused, reset, timed out or 503."""
        import aiohttp

        try:
            async with self.http.request(method, f"{self.chat}/{path}", **request) as answer:
                body: dict[str, Any] = await answer.json(content_type=None)
        except (aiohttp.ClientError, ConnectionError, TimeoutError, ValueError):
            self.stats["no answer"] += 1
            return None
        if answer.status < 300:
            return body
        self.stats[f"status {answer.status}"] += 1
        if answer.status not in (429, 503):
            self.wrong.append(f"lost: {method} {path} got {answer.status}: {body}")
        elif "Retry-After" not in answer.headers:
            self.wrong.append(f"lost: {answer.status} without Retry-After")
        return None

    async def look(self, wait: int) -> None:
        """Read what is new, as a page without a socket does."""
        after = max(self.shown, default=0)
        page = await self.once("GET", f"messages?after={after}&wait={wait}", headers=self._bearer)
        for line in (page or {}).get("messages", []):
            self.show(line)
        if page is None:
            await asyncio.sleep(self.rng.uniform(0.05, 0.3))


def _covers(reply: int, named: AcceptedMessage, sent: AcceptedMessage) -> bool:
    at_once = sent.tried < named.acked and named.tried < sent.acked
    return sent.seq <= named.seq or (at_once and sent.seq < reply)
