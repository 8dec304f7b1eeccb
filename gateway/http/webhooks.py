"""Webhooks of every channel: verify the raw bytes, parse, append durably, and only then say 200."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aiohttp import web

from connectors.inbound.pipeline import InboundPipeline
from gateway.http.rate_limits import Allowance
from gateway.http.responses import http_error, read_body
from gateway.wiring.parts import Parts
from schemas.errors import NotFound, Unavailable
from schemas.ports import Account, Channel, Event, RawRequest, WebhookHandshake

PREFIX = "/v1/webhooks/"
ROUTE = PREFIX + "{channel}/{tenant}/{account}"
MAX_BODY = 4 * 1024 * 1024
KINDS = frozenset({"application/json", "application/x-www-form-urlencoded"})


def path_of(account: Account) -> str:
    return f"{PREFIX}{account.channel}/{account.tenant}/{account.name}"


class Webhooks:
    """The one route, for all channels."""

    def __init__(self, parts: Parts, inbound: InboundPipeline, allowance: Allowance) -> None:
        self._parts = parts
        self._inbound = inbound
        self._allowance = allowance
        self._public_url = parts.config.public_url.rstrip("/")
        # Asked once: whether an object fits a protocol takes longer than all else that is done with a request.
        self._challenged = {name: each for name, each in parts.channels.items() if isinstance(each, WebhookHandshake)}

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post(ROUTE, self.receive)
        app.router.add_get(ROUTE, self.question, allow_head=False)

    async def receive(self, request: web.Request) -> web.Response:
        channel, account = self._find(request)
        raw = self._raw(request, await read_body(request, MAX_BODY, KINDS))
        answer = await self.take(channel, account, raw)
        return web.Response() if answer is None else plain(answer)

    async def take(self, channel: Channel, account: Account, raw: RawRequest) -> str | None:
        """Accept what the vendor sent; returns what it wants to hear, where that is more than "yes"."""
        channel.verify(raw, account)
        asked = self._challenged.get(channel.name)
        if asked is not None and (answer := asked.answer_handshake(raw, account)) is not None:
            return answer
        events = channel.parse(raw, account)
        if events:
            if self._parts.is_state_lost():
                raise Unavailable("state is being rebuilt", retry_after_ms=2000)
            owners = by_account(account, events)
            for owner, _theirs in owners:
                await self._allowance.admit_account(owner)
            for owner, theirs in owners:
                await self._inbound.accept(owner, theirs)
        return None

    async def question(self, request: web.Request) -> web.Response:
        channel, account = self._find(request)
        asked = self._challenged.get(channel.name)
        if asked is not None:
            answer = asked.answer_handshake(self._raw(request, b""), account)
            if answer is not None:
                return plain(answer)
        return http_error(405)

    def _find(self, request: web.Request) -> tuple[Channel, Account]:
        about = request.match_info
        found = self.known(about["channel"], about["tenant"], about["account"])
        if found is None:
            raise NotFound("no such webhook")
        return found

    def known(self, channel: str, tenant: str, account: str) -> tuple[Channel, Account] | None:
        """Who is called at this address, if anybody is."""
        called = self._parts.channels.get(channel)
        ours = self._parts.accounts(tenant, channel, account)
        if called is None or ours is None or not called.capabilities.has_vendor:
            return None
        return called, ours

    def base(self, scheme: str, host: str) -> str:
        """What stands before the path in the address that the vendor called."""
        return self._public_url or f"{scheme}://{host}"

    def _raw(self, request: web.Request, body: bytes) -> RawRequest:
        return RawRequest(
            method=request.method,
            url=self.base(request.scheme, request.host) + request.raw_path,
            headers=by_name(request.headers),
            query=dict(request.query),
            body=body,
        )


def by_name(headers: Mapping[str, str]) -> dict[str, str]:
    """By lower-case name. What is there twice is joined: a signature that is there twice is none."""
    found = {name.lower(): value for name, value in headers.items()}
    if len(found) != len(headers):
        values: dict[str, list[str]] = {}
        for name, value in headers.items():
            values.setdefault(name.lower(), []).append(value)
        return {name: ", ".join(said) for name, said in values.items()}
    return found


def by_account(called: Account, events: Sequence[Event]) -> Collection[tuple[Account, list[Event]]]:
    """A vendor may put what belongs to several of our accounts into one request."""
    owners: dict[tuple[str, str], tuple[Account, list[Event]]] = {}
    for event in events:
        owner = event.account or called
        owners.setdefault((owner.tenant, owner.name), (owner, []))[1].append(event)
    return owners.values()


def plain(text: str) -> web.Response:
    return web.Response(text=text[:1000], content_type="text/plain")
