"""Conversations exist from their first accepted message on, so that people can see and claim them without a worker."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from schemas.conversation import Origin
from schemas.ports import Clock, Conversations

REMEMBERED = 20_000
REMEMBER_FOR = timedelta(seconds=60)
"""A state store that was lost knows no conversation that had no snapshot; this is how long it may stay so."""


class OpenConversations:
    """Opens each conversation once a process, and once more a minute later. A repeat changes nothing."""

    def __init__(self, conversations: Conversations, clock: Clock) -> None:
        self._conversations = conversations
        self._clock = clock
        self._opened: OrderedDict[str, datetime] = OrderedDict()

    async def ensure(self, conversation: str, origin: Callable[[], Origin]) -> None:
        """Return once the conversation exists. Raises StateLost or StateUnavailable, and then asks again next time."""
        now = self._clock()
        if self.is_recent(conversation, now):
            return
        await self._conversations.open(conversation, origin(), now=now)
        self._opened[conversation] = now
        self._opened.move_to_end(conversation)
        while len(self._opened) > REMEMBERED:
            self._opened.popitem(last=False)

    def is_recent(self, conversation: str, now: datetime) -> bool:
        """True when it was opened so lately that ``ensure`` would do nothing."""
        opened = self._opened.get(conversation)
        # A clock that went back must not keep an entry for longer.
        if opened is None or not opened <= now < opened + REMEMBER_FOR:
            return False
        self._opened.move_to_end(conversation)
        return True
