"""Events, interactions and commands as signed HTTP requests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.simulators.slack.encoding import encode
from tests.simulators.slack.event_delivery import Delivery, Outcome

ROBOT = "Slackbot 1.0 (+https://api.slack.com/robots)"
REDIRECTS = 2


def signature(secret: str, timestamp: str, body: bytes) -> str:
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class HttpTransport:
    """``url`` is the app's request URL for everything. ``secret`` signs; set another to sign wrongly."""

    def __init__(self, now: Callable[[], float], secret: str, ack_seconds: float) -> None:
        self._now = now
        self.secret = secret
        self.ack_seconds = ack_seconds
        self.url = ""
        self.session: aiohttp.ClientSession | None = None

    @property
    def is_ready(self) -> bool:
        return bool(self.url)

    def request(self, delivery: Delivery, attempt: int = 0, reason: str = "") -> tuple[bytes, dict[str, str]]:
        """The exact bytes and headers."""
        form = delivery.what != "events_api"
        body = _form(delivery) if form else encode(delivery.payload)
        timestamp = str(int(self._now()))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
            "User-Agent": ROBOT,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self.secret, timestamp, body),
        }
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason or "unknown_error"}
        return body, headers

    async def carry(self, delivery: Delivery, attempt: int, reason: str) -> Outcome:
        body, headers = self.request(delivery, attempt, reason)
        return await self.post(body, headers)

    async def post(self, body: bytes, headers: dict[str, str]) -> Outcome:
        assert self.session is not None
        timeout = aiohttp.ClientTimeout(total=self.ack_seconds)
        try:
            async with self.session.post(
                self.url, data=body, headers=headers, timeout=timeout, max_redirects=REDIRECTS + 1
            ) as response:
                return _outcome(response, await response.read())
        except TimeoutError:
            return Outcome(False, "http_timeout")
        except aiohttp.TooManyRedirects:
            return Outcome(False, "too_many_redirects")
        except aiohttp.ClientSSLError:
            return Outcome(False, "ssl_error")
        except (aiohttp.ClientConnectionError, aiohttp.InvalidURL, asyncio.IncompleteReadError):
            return Outcome(False, "connection_failed")
        except aiohttp.ClientError:
            return Outcome(False, "unknown_error")


def _form(delivery: Delivery) -> bytes:
    """A command's fields stand in the form; an interaction's are JSON in one field."""
    if delivery.what == "slash_commands":
        return urlencode(delivery.payload).encode()
    return urlencode({"payload": encode(delivery.payload).decode()}).encode()


def _outcome(response: aiohttp.ClientResponse, body: bytes) -> Outcome:
    if not 200 <= response.status < 300:
        return Outcome(False, "http_error", body, final=response.headers.get("X-Slack-No-Retry") == "1")
    return Outcome(True, payload=_payload(body))


def _payload(body: bytes) -> Any:
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text
