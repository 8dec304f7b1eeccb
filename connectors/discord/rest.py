"""Discord's REST API, by hand: a call is one request. Why not by discord.py: docs/adr/0016-discord-rest-by-hand.md"""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

import aiohttp

from connectors.discord import errors
from connectors.http import BROKEN, NEVER_LEFT
from schemas.errors import SendDelayed, SendUnknown
from schemas.ports import Account, Reply

AGENT = "DiscordBot (parley-gateway, 1)"
"""Discord shuts out clients whose agent does not begin so."""
TIMEOUT = aiohttp.ClientTimeout(total=60, connect=4)


class Rest:
    """For one bot. The session is opened by the first request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._base = account.settings.api_base.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._refusals = Refusals()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, headers={"User-Agent": AGENT})
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, method: str, path: str, **more: Any) -> Reply:
        """One request, without a repeat. Raises SendDelayed (it never left), SendUnknown."""
        self._refusals.admit()
        token = self._account.settings.token.get_secret_value()
        more |= {"headers": {"Authorization": f"Bot {token}"}, "allow_redirects": False}
        try:
            async with self.session.request(method, self._base + path, **more) as response:
                reply = await _reply(response)
        except NEVER_LEFT as error:
            raise SendDelayed("Discord cannot be reached") from error
        except BROKEN as error:
            slow = isinstance(error, TimeoutError)
            raise SendUnknown(f"no answer: {type(error).__name__}", slow=slow) from error
        self._refusals.note(reply)
        return reply

    async def read(self, path: str, kind: type[Any]) -> Any:
        """Raises a DeliveryError."""
        reply = await self.ask("GET", path)
        errors.check(reply)
        if not isinstance(reply.body, kind):
            raise SendUnknown("the answer cannot be read")
        return reply.body


async def _reply(response: aiohttp.ClientResponse) -> Reply:
    text = await response.text(encoding="utf-8", errors="replace")
    return Reply(response.status, _decoded(text), {name.lower(): value for name, value in response.headers.items()})


def _decoded(text: str) -> Any:
    """As JSON, whatever type it is said to be; else as it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


# Refused requests are counted, because Discord shuts out a whole address after ten thousand in ten minutes.
#
# https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
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
