"""The web chat over HTTP: sessions, messages and files (contract §2, Chat)."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

from aiohttp import hdrs, web

from gateway.http.client_address import ClientAddresses
from gateway.http.overload import Crowding
from gateway.http.rate_limits import Allowance
from gateway.http.responses import read_json, reply
from gateway.webchat.attachments import AttachmentDesk
from gateway.webchat.open_connections import OpenConnections
from gateway.webchat.origins import PREFLIGHT, Origins
from gateway.webchat.serialize import instant
from gateway.webchat.service import Exchange, Posted
from gateway.webchat.sessions import SessionRequest, Sessions, Visit
from gateway.webchat.watch import Doors
from schemas.errors import Forbidden, InvalidRequest, NotFound, Unauthorized
from schemas.ports import Clock, Signals

PREFIX = "/v1/chat/{tenant}"
LONGEST_WAIT = 25.0
LOOK_AGAIN = 2.0
"""Seconds: signals may be lost, so a reader looks for itself."""
MAX_SEQ = 2**53
_DECIMAL = re.compile(r"[0-9]{1,16}(\.[0-9]{1,6})?")


class Chat:
    """The HTTP routes."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        exchange: Exchange,
        attachments: AttachmentDesk,
        origins: Origins,
        signals: Signals,
        clock: Clock,
        doors: Doors,
        allowance: Allowance,
        addresses: ClientAddresses,
        connections: OpenConnections,
        crowding: Crowding,
    ) -> None:
        self._sessions = sessions
        self._exchange = exchange
        self._attachments = attachments
        self._origins = origins
        self._signals = signals
        self._clock = clock
        self._doors = doors
        self._allowance = allowance
        self._addresses = addresses
        self._connections = connections
        self._crowding = crowding

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post(f"{PREFIX}/sessions", self.start)
        app.router.add_delete(f"{PREFIX}/sessions", self.end)
        app.router.add_post(f"{PREFIX}/messages", self.post)
        app.router.add_get(f"{PREFIX}/messages", self.read, allow_head=False)
        app.router.add_post(f"{PREFIX}/attachments", self.upload)
        app.router.add_get(f"{PREFIX}/attachments/{{id}}", self._attachments.fetch, allow_head=False)
        for name in ("sessions", "messages", "attachments"):
            app.router.add_options(f"{PREFIX}/{name}", self.preflight)
        app.on_response_prepare.append(self._cors)

    async def start(self, request: web.Request) -> web.Response:
        tenant = self._tenant(request)
        asked = await read_json(request, SessionRequest)
        address = self._addresses.of(request)
        started = await self._sessions.start(
            tenant,
            asked,
            check=lambda settings: self._origins.check(request, settings),
            # Sessions are free for anybody, so they have a budget of their own beside that of messages.
            admit=lambda account, place, assurance: self._allowance.admit_session(account, place, address, assurance),
        )
        body = {
            "visitor_token": started.visitor_token,
            "conversation_id": started.visit.conversation,
            "expires_at": instant(started.visit.expires_at),
            "seq": started.seq,
        }
        return reply(body, 200 if started.resumed else 201)

    async def end(self, request: web.Request) -> web.Response:
        """Sign out."""
        tenant = self._tenant(request)
        await self._sessions.end(_bearer(request), check=lambda visit: self._of_tenant(request, tenant, visit))
        return web.Response(status=204)

    async def post(self, request: web.Request) -> web.Response:
        with self._crowding.checking():
            visit = await self._visit(request)
        accepted = await self._exchange.post(visit, await read_json(request, Posted))
        return reply({"message_id": accepted.event_id, "seq": accepted.seq}, 202)

    async def read(self, request: web.Request) -> web.Response:
        visit = await self._visit(request)
        after = _number(request, "after", MAX_SEQ)
        wait = _number(request, "wait", LONGEST_WAIT)
        if after != int(after):
            raise InvalidRequest("after: must be a whole number")
        messages = await self._wait_for_messages(visit, int(after), wait)
        return reply({"messages": messages, "seq": await self._exchange.head(visit)})

    async def upload(self, request: web.Request) -> web.Response:
        visit = await self._visit(request)
        await self._allowance.admit_visit(visit)
        stored = await self._attachments.store(
            visit.tenant, request, conversation=visit.conversation, uploader=visit.contact_id
        )
        body = {"attachment_id": stored.id, "name": stored.name, "type": stored.type, "size": stored.size}
        return reply(body, 201)

    async def preflight(self, request: web.Request) -> web.Response:
        if not self._origins.allows_any(request.headers.get("Origin", ""), self._tenant(request)):
            raise Forbidden("this site may not use the chat: its origin is not listed")
        return web.Response(status=204, headers=PREFLIGHT)

    async def _wait_for_messages(self, visit: Visit, after: int, wait: float) -> list[dict[str, Any]]:
        # A wait that began in time must not show what comes after the token has expired.
        valid = (visit.expires_at - self._clock()).total_seconds()
        ends = time.monotonic() + min(wait, valid)
        messages = await self._messages(visit, after)
        if messages or not wait:
            return messages
        with self._connections.hold(visit):
            return await self._next_messages(visit, after, ends)

    async def _next_messages(self, visit: Visit, after: int, ends: float) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        async with self._doors.watch(self._signals, visit.conversation) as watch:
            while not (messages := await self._messages(visit, after)) and not watch.ended:
                left = ends - time.monotonic()
                if left <= 0:
                    break
                await watch.next(min(left, LOOK_AGAIN))
        if await self._sessions.is_over(visit):
            raise Unauthorized("the visitor has signed out")
        return messages

    async def _messages(self, visit: Visit, after: int) -> list[dict[str, Any]]:
        while True:
            lines, reached = await self._exchange.lines(visit, after)
            if lines or reached == after:
                return await self._exchange.shown(visit, lines)
            after = reached

    def _tenant(self, request: web.Request) -> str:
        tenant = request.match_info["tenant"]
        if not self._origins.knows(tenant):
            raise NotFound("no such tenant")
        return tenant

    async def _visit(self, request: web.Request) -> Visit:
        tenant = self._tenant(request)
        return self._of_tenant(request, tenant, await self._sessions.read(_bearer(request)))

    def _of_tenant(self, request: web.Request, tenant: str, visit: Visit) -> Visit:
        if visit.tenant != tenant:
            raise Unauthorized("the visitor token belongs elsewhere")
        self._origins.check(request, visit.settings)
        return replace(visit, address=self._addresses.of(request))

    async def _cors(self, request: web.Request, response: web.StreamResponse) -> None:
        tenant = request.match_info.get("tenant")
        if tenant is not None and request.path.startswith("/v1/chat/"):
            response.headers.update(self._origins.headers(request.headers.get(hdrs.ORIGIN, ""), tenant))


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("send the visitor token: Authorization: Bearer <visitor_token>")
    return token.strip()


def _number(request: web.Request, name: str, most: float) -> float:
    text = request.query.get(name, "0")
    # What Python reads as a number besides (` 1`, `1_0`, `inf`) nobody means.
    if not _DECIMAL.fullmatch(text) or float(text) > most:
        raise InvalidRequest(f"{name}: must be a number from 0 to {most:g}")
    return float(text)
