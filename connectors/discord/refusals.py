"""Refused requests are counted, because Discord shuts out a whole address after ten thousand in ten minutes.

https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
"""

from __future__ import annotations

import time
from collections import deque

from schemas.errors import SendDelayed
from schemas.ports import Reply

COUNTED = (401, 403, 429)
SPAN = 600.0
MOST = 2000
"""Of one connection; several of them may share an address."""


class Refusals:
    def __init__(self) -> None:
        self._at: deque[float] = deque(maxlen=MOST)

    def note(self, reply: Reply) -> None:
        """A limit that is shared with others is nobody's fault and does not count."""
        if reply.status in COUNTED and reply.headers.get("x-ratelimit-scope") != "shared":
            self._at.append(time.monotonic())

    def admit(self) -> None:
        """Raises SendDelayed while there were too many."""
        left = self._at[0] + SPAN - time.monotonic() if len(self._at) == MOST else 0.0
        if left > 0:
            words = "too many requests were refused lately"
            raise SendDelayed(words, retry_after_ms=int(left * 1000) + 1, of_account=True)
