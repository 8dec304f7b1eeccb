"""Where the shop's mails go: a file, and nowhere else."""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path

from .rules import Refused

PER_HOUR = 5
"""Mails to one address: nobody's letter box is to be filled by whoever knows an order number."""


class Outbox:
    """One JSON object a line. A key that was used is not written again. ``seconds`` is a clock that only moves on."""

    def __init__(self, path: Path, seconds: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._seconds = seconds
        self._sent: defaultdict[str, deque[float]] = defaultdict(deque)

    def put(self, key: str, to: str, text: str) -> None:
        """Raises Refused when the address has had enough for now."""
        if any(mail["key"] == key for mail in self.mails()):
            return
        self._count(to)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "to": to, "text": text}, ensure_ascii=False) + "\n")

    def mails(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def _count(self, to: str) -> None:
        sent, now = self._sent[to], self._seconds()
        while sent and now - sent[0] > 3600:
            sent.popleft()
        if len(sent) >= PER_HOUR:
            raise Refused("too_many_mails", "This address has had enough mails for now. Please try later.", 429)
        sent.append(now)
