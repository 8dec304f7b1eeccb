"""Client for Discord's REST API: each call is one request. Why not discord.py: docs/adr/0016-discord-rest-client.md"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import aiohttp

from connectors.discord import errors
from connectors.http import CONNECTION_ERRORS, NOT_SENT_ERRORS, decode_json
from schemas.errors import RetryLater, SendUnknown
from schemas.ports import Account, VendorResponse

USER_AGENT = "DiscordBot (parley-gateway, 1)"
"""Discord blocks clients with another kind of user agent."""
TIMEOUT = aiohttp.ClientTimeout(total=60, connect=4)


class RestClient:
    """Client of one bot. The session is opened by the first request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.base = account.settings.api_base.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._refusals = RefusalCounter()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, headers={"User-Agent": USER_AGENT})
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(self, method: str, path: str, **more: Any) -> VendorResponse:
        """Make one request, never repeated. Raises RetryLater (never sent), SendUnknown."""
        self._refusals.check_limit()
        token = self._account.settings.token.get_secret_value()
        more |= {"headers": {"Authorization": f"Bot {token}"}, "allow_redirects": False}
        try:
            async with self.session.request(method, self.base + path, **more) as response:
                reply = await _read_reply(response)
        except NOT_SENT_ERRORS as error:
            raise RetryLater("Discord cannot be reached") from error
        except CONNECTION_ERRORS as error:
            slow = isinstance(error, TimeoutError)
            raise SendUnknown(f"no answer: {type(error).__name__}", slow=slow) from error
        self._refusals.record(reply)
        return reply

    async def read(self, path: str, kind: type[Any]) -> Any:
        """Raises a DeliveryError."""
        reply = await self.request("GET", path)
        errors.raise_for_error(reply)
        if not isinstance(reply.body, kind):
            raise SendUnknown("the answer cannot be read")
        return reply.body


async def _read_reply(response: aiohttp.ClientResponse) -> VendorResponse:
    text = await response.text(encoding="utf-8", errors="replace")
    return VendorResponse(
        response.status, decode_json(text), {name.lower(): value for name, value in response.headers.items()}
    )


# Refused requests are counted, because Discord blocks an IP address after ten thousand in ten minutes.
#
# https://docs.discord.com/developers/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
COUNTED_STATUSES = (401, 403, 429)
SPAN_SECONDS = 600.0
MAX_REFUSALS = 2000
"""Per connection; several may share an address."""


class RefusalCounter:
    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MAX_REFUSALS)

    def record(self, reply: VendorResponse) -> None:
        """Count a refusal, except for shared limits, which others may have caused."""
        if reply.status in COUNTED_STATUSES and reply.headers.get("x-ratelimit-scope") != "shared":
            self._times.append(time.monotonic())

    def check_limit(self) -> None:
        """Raises RetryLater while there were too many."""
        left = self._times[0] + SPAN_SECONDS - time.monotonic() if len(self._times) == MAX_REFUSALS else 0.0
        if left > 0:
            words = "too many requests were refused lately"
            raise RetryLater(words, retry_after_ms=int(left * 1000) + 1, of_account=True)
