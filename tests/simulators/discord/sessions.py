"""One session of a bot at the gateway: what it asked for, what it was told, and how much of it can be told again."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.discord import intents
from tests.simulators.discord.server_state import Event

if TYPE_CHECKING:
    from tests.simulators.discord.connections import Connection

REPLAY = 1000
"""Events that are kept for a session that comes back."""
_WITH_CONTENT = ("MESSAGE_CREATE", "MESSAGE_UPDATE")


@dataclass(slots=True)
class Session:
    """``heard`` is the highest number that the client itself has named. ``left_at`` is when its connection was lost."""

    id: str
    intents: int
    seq: int = 0
    heard: int = 0
    shard: tuple[int, int] = (0, 1)
    connection: Connection | None = None
    left_at: float = 0.0
    log: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REPLAY))

    def covers(self, event: Event) -> bool:
        """Its shard's part of the servers; the first one's also what happens in none."""
        number, count = self.shard
        return number == (0 if event.guild is None else (int(event.guild) >> 22) % count)

    def tell(self, event: Event, bot: str) -> None:
        """Number the event, keep it, and send it if somebody is there; nothing if it was not asked for."""
        needed = intents.needed(event)
        if needed and not self.intents & needed:
            return
        data: dict[str, Any] = event.data
        if event.name in _WITH_CONTENT and not self.intents & intents.MESSAGE_CONTENT:
            data = intents.visible(data, bot)
        self.seq += 1
        text = json.dumps({"op": 0, "t": event.name, "s": self.seq, "d": data})
        self.log.append((self.seq, text))
        if self.connection is not None:
            self.connection.write(text)

    def acknowledge(self, seq: int) -> None:
        """Keep nothing that the client says it has received. Discord's documentation does not say that it does."""
        self.heard = max(self.heard, seq)
        while self.log and self.log[0][0] <= seq:
            self.log.popleft()

    def since(self, seq: int) -> list[str] | None:
        """Everything after a number; None when some of it is no longer there."""
        if seq < self.seq and (not self.log or self.log[0][0] > seq + 1):
            return None
        return [text for number, text in self.log if number > seq]

    @property
    def is_heard(self) -> bool:
        return self.heard >= self.seq
