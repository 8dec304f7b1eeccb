"""The fast path for webhooks: from the parsed request head to the channel, and one write back.

For each request aiohttp creates a request object, a task, a route match, middlewares and a response, which together
take as long as handling a webhook. Only requests that are certainly webhooks take the fast path; all others (with an
unusual content type or length, a query, an unknown account) take the normal path and get their response there. Both
paths refuse requests with the same functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from gateway.http.overload import OverloadGuard
from gateway.http.responses import handle_error, read_rest, serialize_response
from gateway.http.webhooks import (
    CONTENT_TYPES,
    MAX_BODY_SIZE,
    PREFIX,
    ROUTE,
    Webhooks,
    normalize_headers,
    text_response,
)
from schemas.ports import Account, Channel, RawRequest

_SEGMENTS = ROUTE.count("/") + 1


@dataclass(slots=True)
class WebhookRequest:
    """A webhook that takes the fast path. The names of ``headers`` are in lower case."""

    channel: Channel
    account: Account
    message: RawRequestMessage
    headers: dict[str, str]


class FastWebhooks:
    """Recognizes webhooks and responds to them. ``count_response`` is called with each response other than a plain
    200."""

    def __init__(
        self, webhooks: Webhooks, overload: OverloadGuard, count_response: Callable[[web.StreamResponse], None]
    ) -> None:
        self._webhooks = webhooks
        self._overload = overload
        self._count_response = count_response
        self._targets: dict[str, tuple[Channel, Account]] = {}
        """Configured accounts that were called at least once, by path."""
        self._ok_response = b""
        self._ok_response_at = 0

    def match(self, message: RawRequestMessage) -> WebhookRequest | None:
        """Return the webhook, or None if the request has to take the normal path."""
        if message.method != "POST":
            return None
        target = self._targets.get(message.path) or self._find_target(message.path)
        if target is None:
            return None
        headers = normalize_headers(message.headers)
        return WebhookRequest(*target, message, headers) if _is_simple(message, headers) else None

    def _find_target(self, path: str) -> tuple[Channel, Account] | None:
        segments = path.split("/")
        if not path.startswith(PREFIX) or len(segments) != _SEGMENTS or "%" in path or "?" in path:
            return None
        target = self._webhooks.find_account(*segments[3:])
        if target is not None:
            self._targets[path] = target
        return target

    async def respond(self, webhook: WebhookRequest, content: StreamReader, scheme: str) -> bytes:
        """Handle the webhook and return the serialized response. Raises ConnectionError when the client disconnects."""
        try:
            # A complete body is taken from the buffer: reading it would first ask the connection for more.
            body = b"".join(content._buffer) if content.is_eof() else await read_rest(content, MAX_BODY_SIZE)
            response = self._overload.refuse_if_full()
            if response is None:
                raw = self._build_raw_request(webhook, body, scheme)
                text = await self._webhooks.accept(webhook.channel, webhook.account, raw)
                if text is None:
                    return self._get_ok_response()
                response = text_response(text)
        except ConnectionError:
            raise
        except Exception as error:
            response = handle_error(error, ROUTE)
        self._count_response(response)
        return serialize_response(response)

    def _build_raw_request(self, webhook: WebhookRequest, body: bytes, scheme: str) -> RawRequest:
        message, headers = webhook.message, webhook.headers
        url = self._webhooks.build_base_url(scheme, headers.get("host", "")) + message.path
        return RawRequest(message.method, url, headers, {}, body)

    def _get_ok_response(self) -> bytes:
        """Return the serialized 200, which is reused for a second because it holds the date."""
        now = int(time.time())
        if now != self._ok_response_at:
            self._ok_response, self._ok_response_at = serialize_response(web.Response()), now
        return self._ok_response


def _is_simple(message: RawRequestMessage, headers: dict[str, str]) -> bool:
    length = headers.get("content-length", "")
    return (
        not (message.should_close or message.upgrade or message.chunked or message.compression)
        and message.version == HttpVersion11
        and headers.get("content-type", "").partition(";")[0] in CONTENT_TYPES
        and length.isdecimal()
        and 0 < int(length[:20]) <= MAX_BODY_SIZE
        and "content-encoding" not in headers
        and "expect" not in headers
    )
