"""Webhooks of every channel: verify the raw bytes, parse, append durably, and only then say 200."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from aiohttp import web

from connectors.inbound import Inbound
from gateway.exchange import Exchange
from gateway.parts import Parts
from gateway.responses import http_error, read_body
from schemas.errors import NotFound, Unavailable
from schemas.ports import Account, Channel, RawRequest

ROUTE = "/v1/webhooks/{channel}/{tenant}/{account}"
MAX_BODY = 4 * 1024 * 1024
KINDS = frozenset({"application/json", "application/x-www-form-urlencoded"})
WITHOUT = frozenset({"web"})
"""Channels that nobody calls."""


@runtime_checkable
class Challenged(Protocol):
    """A channel whose vendor first asks whether the address is really ours."""

    def answer(self, request: RawRequest, account: Account) -> str | None:
        """What to send back as plain text, or None when this request is no such question. Raises Unauthorized."""


class Webhooks:
    """The one route, for all channels."""

    def __init__(self, parts: Parts, inbound: Inbound, exchange: Exchange) -> None:
        self._parts = parts
        self._inbound = inbound
        self._exchange = exchange
        # Asked once: whether an object fits a protocol takes longer than all else that is done with a request.
        self._challenged = {name: each for name, each in parts.channels.items() if isinstance(each, Challenged)}

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post(ROUTE, self.receive)
        app.router.add_get(ROUTE, self.question, allow_head=False)

    async def receive(self, request: web.Request) -> web.Response:
        channel, account = self._find(request)
        raw = self._raw(request, await read_body(request, MAX_BODY, KINDS))
        channel.verify(raw, account)
        asked = self._challenged.get(channel.name)
        if asked is not None and (answer := asked.answer(raw, account)) is not None:
            return _plain(answer)
        events = channel.parse(raw, account)
        if events:
            if self._parts.lost():
                raise Unavailable("state is being rebuilt", retry_after_ms=2000)
            await self._exchange.admit_tenant(account.tenant)
            await self._inbound.accept(account, events)
        return web.Response()

    async def question(self, request: web.Request) -> web.Response:
        channel, account = self._find(request)
        asked = self._challenged.get(channel.name)
        if asked is not None:
            answer = asked.answer(self._raw(request, b""), account)
            if answer is not None:
                return _plain(answer)
        return http_error(405)

    def _find(self, request: web.Request) -> tuple[Channel, Account]:
        name = request.match_info["channel"]
        channel = None if name in WITHOUT else self._parts.channels.get(name)
        account = self._parts.accounts(request.match_info["tenant"], name, request.match_info["account"])
        if channel is None or account is None:
            raise NotFound("no such webhook")
        return channel, account

    def _raw(self, request: web.Request, body: bytes) -> RawRequest:
        base = self._parts.config.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
        return RawRequest(
            method=request.method,
            url=base + request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=dict(request.query),
            body=body,
        )


def _plain(text: str) -> web.Response:
    return web.Response(text=text[:1000], content_type="text/plain")
