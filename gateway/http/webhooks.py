"""Webhooks of every channel: verify the raw bytes, parse, append durably, and only then respond with 200."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog
from aiohttp import web

from connectors.inbound.pipeline import InboundPipeline
from connectors.registry import explain_missing_library
from gateway.http.rate_limits import RateLimits
from gateway.http.responses import http_error_response, read_body
from gateway.wiring.process_services import ProcessServices, list_accounts
from schemas.errors import NotFound, Unauthorized, Unavailable
from schemas.ports import (
    Account,
    Channel,
    ChannelEvent,
    RawRequest,
    WebhookAnswer,
    WebhookHandshake,
    WebhookParser,
    WebhookReceiver,
)

log = structlog.get_logger("parley.gateway")

PREFIX = "/v1/webhooks/"
ROUTE = PREFIX + "{channel}/{tenant}/{account}"
MAX_BODY_SIZE = 4 * 1024 * 1024
MAX_ANSWER = 1000
REFUSALS_LOGGED_EVERY = timedelta(minutes=1)
"""For each account: a wrong secret or address must be noticed, but anybody can send any number of wrong signatures."""
CONTENT_TYPES = frozenset({"application/json", "application/x-www-form-urlencoded"})


def build_path(account: Account) -> str:
    return f"{PREFIX}{account.channel}/{account.tenant}/{account.name}"


class Webhooks:
    """The webhook endpoint of all channels."""

    def __init__(self, services: ProcessServices, inbound: InboundPipeline, rate_limits: RateLimits) -> None:
        self._services = services
        self._inbound = inbound
        self._rate_limits = rate_limits
        self._public_url = services.config.public_url.rstrip("/")
        self._refusal_logged_at: dict[str, datetime] = {}
        # Computed once: an isinstance check of a protocol takes longer than the rest of a request.
        channels = services.channels
        self._handshakes = {name: each for name, each in channels.items() if isinstance(each, WebhookHandshake)}
        self._receivers = {name: each for name, each in channels.items() if isinstance(each, WebhookReceiver)}
        self._parsers = {name: each for name, each in channels.items() if isinstance(each, WebhookParser)}

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post(ROUTE, self.receive)
        app.router.add_get(ROUTE, self.answer_handshake, allow_head=False)
        app.on_startup.append(self._prepare)

    async def _prepare(self, _app: web.Application) -> None:
        for account in list_accounts(self._services.config):
            receiver = self._receivers.get(account.channel)
            if receiver is not None:
                with explain_missing_library():
                    receiver.prepare_webhooks(account)

    async def receive(self, request: web.Request) -> web.Response:
        channel, account = self._find(request)
        raw = self._build_raw_request(request, await read_body(request, MAX_BODY_SIZE, CONTENT_TYPES))
        try:
            answer = await self._accept(channel, account, raw)
        except Unauthorized as error:
            self._log_refusal(account, raw, error)
            raise
        return web.Response() if answer is None else build_response(answer)

    async def _accept(self, channel: Channel, account: Account, raw: RawRequest) -> WebhookAnswer | None:
        """Accept a webhook. Returns the body of the response; None for an empty 200."""
        channel.verify(raw, account)
        receiver = self._receivers.get(channel.name)
        if receiver is not None:
            return await receiver.receive(raw, account, partial(self._append, account))
        handshake = self._handshakes.get(channel.name)
        if handshake is not None and (text := handshake.answer_handshake(raw, account)) is not None:
            return WebhookAnswer(text)
        await self._append(account, self._parsers[channel.name].parse(raw, account))
        return None

    async def _append(self, called: Account, events: Sequence[ChannelEvent]) -> None:
        if not events:
            return
        if self._services.is_state_lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        owners = group_by_account(called, events)
        for owner, _events in owners:
            await self._rate_limits.admit_account(owner)
        for owner, owned in owners:
            await self._inbound.accept(owner, owned)

    async def answer_handshake(self, request: web.Request) -> web.Response:
        channel, account = self._find(request)
        handshake = self._handshakes.get(channel.name)
        if handshake is not None:
            raw = self._build_raw_request(request, b"")
            try:
                answer = handshake.answer_handshake(raw, account)
            except Unauthorized as error:
                self._log_refusal(account, raw, error)
                raise
            if answer is not None:
                return build_response(WebhookAnswer(answer))
        response = http_error_response(405)
        response.headers["Allow"] = "POST"
        return response

    def _log_refusal(self, account: Account, raw: RawRequest, error: Unauthorized) -> None:
        path, now = build_path(account), self._services.clock()
        logged_at = self._refusal_logged_at.get(path)
        if logged_at is None or now - logged_at >= REFUSALS_LOGGED_EVERY:
            self._refusal_logged_at[path] = now
            address = raw.url.partition("?")[0]
            log.warning(
                "webhook_refused",
                tenant=account.tenant,
                channel=account.channel,
                account=account.name,
                reason=error.message,
                address=address,
            )

    def _find(self, request: web.Request) -> tuple[Channel, Account]:
        path = request.match_info
        channel = self._services.channels.get(path["channel"])
        account = self._services.accounts(path["tenant"], path["channel"], path["account"])
        if channel is None or account is None or not channel.capabilities.has_vendor:
            raise NotFound("no such webhook")
        return channel, account

    def _build_raw_request(self, request: web.Request, body: bytes) -> RawRequest:
        base_url = self._public_url or f"{request.scheme}://{request.host}"  # as the vendor called it
        return RawRequest(
            method=request.method,
            url=base_url + request.raw_path,
            headers=normalize_headers(request.headers),
            query=dict(request.query),
            body=body,
        )


def normalize_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with lower-case names. Repeated ones are joined, which makes a repeated signature invalid."""
    normalized = {name.lower(): value for name, value in headers.items()}
    if len(normalized) != len(headers):
        values: dict[str, list[str]] = {}
        for name, value in headers.items():
            values.setdefault(name.lower(), []).append(value)
        return {name: ", ".join(repeated) for name, repeated in values.items()}
    return normalized


def group_by_account(called: Account, events: Sequence[ChannelEvent]) -> Collection[tuple[Account, list[ChannelEvent]]]:
    """Group events by account, since a vendor may put events for several of our accounts into one request."""
    owners: dict[tuple[str, str], tuple[Account, list[ChannelEvent]]] = {}
    for event in events:
        owner = event.account or called
        owners.setdefault((owner.tenant, owner.name), (owner, []))[1].append(event)
    return owners.values()


def build_response(answer: WebhookAnswer) -> web.Response:
    return web.Response(text=answer.text[:MAX_ANSWER], content_type=answer.content_type)
