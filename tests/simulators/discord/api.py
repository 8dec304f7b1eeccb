"""The front door of the REST API: what a request passes before it is carried out, and how answers look on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.simulators.discord.limits import Allowance, Limits, whole_seconds
from tests.simulators.discord.message_validation import REQUEST_BYTES
from tests.simulators.discord.reading import read
from tests.simulators.discord.refusals import KNOWN, Refusal, make_plain_refusal, refusal
from tests.simulators.discord.server_state import ServerState
from tests.simulators.vendor import Fault, Faults, File, Ledger, Request

MAJOR = ("channel", "guild", "webhook", "token")
"""Parts of a path that make buckets of their own."""
PLENTY = Allowance("plenty", 40, 1.0)
BANNED_PAGE = """<!DOCTYPE html>
<html><head><title>Access denied</title></head><body>Cloudflare restricts access. Error 1015.</body></html>"""
PROXY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>cloudflare</body></html>"


@dataclass(slots=True)
class Call:
    """One request on its way through: ``path`` are the named parts of its address, ``body`` what its form says."""

    operation: str
    request: web.Request
    record: Request
    path: dict[str, str]
    body: Any = field(default_factory=dict)
    uploads: dict[int, File] = field(default_factory=dict)

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)


@dataclass(slots=True)
class Reply:
    """``body`` None: no content. ``raw``: sent as it is, with ``kind`` as its type."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: str | None = None
    kind: str = "application/json"
    via: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """``operation`` is the title of the endpoint in Discord's documentation. ``token_in_path``: no bot token is asked
    for, and the bot's global limit does not apply."""

    method: str
    path: str
    operation: str
    handle: Callable[[Call], Reply]
    allowance: Allowance = PLENTY
    token_in_path: bool = False
    takes_list: bool = False


class ApiDispatcher:
    def __init__(self, world: ServerState, limits: Limits, faults: Faults, ledger: Ledger) -> None:
        self._world = world
        self._limits = limits
        self._faults = faults
        self._ledger = ledger
        self._closed = asyncio.Event()

    def close(self) -> None:
        """Let go of the answers that are held back; their askers may be gone already."""
        self._closed.set()

    def add_to(self, app: web.Application, routes: Iterable[Route]) -> None:
        for route in routes:
            app.router.add_route(route.method, f"/api/v10{route.path}", self._handler(route))
        app.router.add_route("*", "/api/{rest:.*}", self._handler(Route("*", "", "", _unknown)))

    def _handler(self, route: Route) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            call = Call(route.operation, request, Request(route.operation, self._world.application, None), {})
            call.path = dict(request.match_info)
            reply = await self._answer(route, call)
            call.record.status = reply.status
            shared = reply.headers.get("X-RateLimit-Scope") == "shared"
            self._limits.answered(reply.status, shared=shared)
            self._ledger.changed()
            return _on_the_wire(reply)

        return handle

    async def _answer(self, route: Route, call: Call) -> Reply:
        failed = await _read(call)
        self._ledger.note(call.record)
        if self._limits.banned:
            return Reply(429, raw=BANNED_PAGE, kind="text/html", via=False)
        fault = self._faults.meet(call.record)
        if fault is not None and (instead := self._instead(fault, call)) is not None:
            return instead
        reply = self._carry_out(route, call, failed)
        call.record.did = reply.status < 400
        return reply if fault is None else await self._afterwards(fault, call, reply)

    def _carry_out(self, route: Route, call: Call, failed: Refusal | None) -> Reply:
        headers: dict[str, str] = {}
        try:
            self._admit(route, call)
            resource = "/".join(call.path.get(name, "") for name in MAJOR)
            standing = self._limits.take(route.allowance, resource)
            headers = standing.headers
            if standing.wait:
                return _limited(standing.wait, headers)
            if failed is not None:
                raise failed
            if not isinstance(call.body, list if route.takes_list else dict) and call.body != {}:
                raise Refusal(400, 50035, "Invalid Form Body")
            reply = route.handle(call)
        except Refusal as error:
            reply = _refused(error)
        except NotImplementedError as error:
            # Honest about the edge of the simulation: no status that Discord would send.
            return Reply(501, {"message": f"not simulated: {error}", "code": 0})
        reply.headers = {**headers, **reply.headers}
        return reply

    def _admit(self, route: Route, call: Call) -> None:
        headers = call.request.headers
        if not headers.get("User-Agent"):
            raise refusal(40333)
        if not call.request.path.startswith("/api/v10/"):
            raise Refusal(400, 50041, "Invalid API version")
        if route.token_in_path:
            return
        if headers.get("Authorization") != f"Bot {self._world.token}":
            raise make_plain_refusal(401, "Unauthorized")
        wait = self._limits.take_global()
        if wait:
            more = {"retry_after": round(wait, 3), "global": True}
            raise Refusal(429, 0, "You are being rate limited.", **more)

    def _instead(self, fault: Fault, call: Call) -> Reply | None:
        """The answer of a fault that keeps the request from being carried out."""
        if fault.kind == "refuse":
            code = int(fault.code or 0)
            words = KNOWN[code][1] if code in KNOWN else f"{fault.status}: scripted"
            return Reply(fault.status, {"message": words, "code": code})
        if fault.kind == "limit":
            return _scripted_limit(fault)
        if fault.kind == "lose":
            page = PROXY_PAGE.format(f"{fault.status} error")
            return Reply(fault.status, raw=page, kind="text/html", via=False)
        if fault.kind == "drop":
            return _cut(call)
        return None

    async def _afterwards(self, fault: Fault, call: Call, reply: Reply) -> Reply:
        """The request was carried out; what the asker gets to know of it is another matter."""
        if fault.kind == "fail_after":
            return Reply(fault.status, {"message": f"{fault.status}: scripted", "code": int(fault.code or 0)})
        if fault.kind == "drop_after":
            return _cut(call)
        if fault.kind == "garbage":
            return Reply(reply.status, headers=reply.headers, raw='{"id": "12')
        if fault.kind == "slow":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), fault.seconds)
        return reply


async def _read(call: Call) -> Refusal | None:
    """Take in the body. What is wrong with it is told only after the door was passed."""
    try:
        call.body, call.uploads = await read(call.request)
        call.record.body = call.body
    except Refusal as error:
        return error
    except web.HTTPRequestEntityTooLarge:
        return refusal(40005)
    return None


def _cut(call: Call) -> Reply:
    if call.request.transport is not None:
        call.request.transport.abort()
    return Reply(500)


def _limited(wait: float, headers: dict[str, str]) -> Reply:
    body = {"message": "You are being rate limited.", "retry_after": round(wait, 3), "global": False}
    return Reply(429, body, {**headers, "Retry-After": whole_seconds(wait), "X-RateLimit-Scope": "user"})


def _refused(error: Refusal) -> Reply:
    if error.status != 429:
        return Reply(error.status, error.body)
    body = {key: value for key, value in error.body.items() if key != "code" or value}
    is_global = bool(error.more.get("global"))
    headers = {"Retry-After": whole_seconds(error.more.get("retry_after", 1)), "X-RateLimit-Scope": "user"}
    if is_global:
        headers |= {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
    return Reply(429, body, headers)


def _scripted_limit(fault: Fault) -> Reply:
    """``code``: "" the bucket, "global", "shared", "no_via" (JSON, but no sign of a proxy), "cloudflare" (the page of
    a ban), or one of Discord's numbers."""
    if fault.code == "cloudflare":
        headers = {"Retry-After": whole_seconds(fault.retry_after)}
        return Reply(429, headers=headers, raw=BANNED_PAGE, kind="text/html", via=False)
    scope = fault.code if fault.code in ("global", "shared") else "user"
    words = "The resource is being rate limited." if scope == "shared" else "You are being rate limited."
    body = {"message": words, "retry_after": fault.retry_after, "global": scope == "global"}
    headers = {"Retry-After": whole_seconds(fault.retry_after), "X-RateLimit-Scope": scope}
    if scope == "global":
        headers["X-RateLimit-Global"] = "true"
    if fault.code.isdigit():
        body |= {"code": int(fault.code), "message": KNOWN[int(fault.code)][1]}
    return Reply(429, body, headers, via=fault.code != "no_via")


def _on_the_wire(reply: Reply) -> web.Response:
    headers = dict(reply.headers)
    if reply.via:
        headers["Via"] = "1.1 google"
    if reply.raw is not None:
        return web.Response(
            status=reply.status, body=reply.raw.encode(), headers={**headers, "Content-Type": reply.kind}
        )
    if reply.body is None:
        return web.Response(status=204 if reply.status == 200 else reply.status, headers=headers)
    # Exactly this type: a client that compares it finds no charset behind it at Discord either.
    headers["Content-Type"] = "application/json"
    return web.Response(status=reply.status, body=json.dumps(reply.body).encode(), headers=headers)


def _unknown(call: Call) -> Reply:
    raise make_plain_refusal(404, "Not Found")


def application() -> web.Application:
    return web.Application(client_max_size=REQUEST_BYTES)
