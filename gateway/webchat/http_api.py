"""The HTTP API of the web chat: sessions, messages and files."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

from aiohttp import hdrs, web

from gateway.http.client_address import ClientAddressResolver
from gateway.http.overload import OverloadGuard
from gateway.http.rate_limits import RateLimits
from gateway.http.responses import json_response, read_json
from gateway.storage.attachments import AttachmentService
from gateway.webchat.chat_service import ChatService, VisitorMessage
from gateway.webchat.connection_limits import ConnectionLimiter
from gateway.webchat.origins import PREFLIGHT_HEADERS, OriginPolicy
from gateway.webchat.serialization import format_instant
from gateway.webchat.sessions import SessionRequest, Visit, VisitorSessions
from gateway.webchat.watch import WatchRegistry
from schemas.errors import Forbidden, InvalidRequest, NotFound, Unauthorized
from schemas.ports import Clock, Signals

PREFIX = "/v1/chat/{tenant}"
MAX_WAIT = 25.0
POLL_EVERY = 2.0
"""Seconds after which a waiting reader looks for messages itself, since signals may be lost."""
MAX_SEQ = 2**53
_DECIMAL = re.compile(r"[0-9]{1,16}(\.[0-9]{1,6})?")


class ChatApi:
    """The endpoints of the chat, other than the socket."""

    def __init__(
        self,
        *,
        sessions: VisitorSessions,
        service: ChatService,
        attachments: AttachmentService,
        origins: OriginPolicy,
        signals: Signals,
        clock: Clock,
        watches: WatchRegistry,
        rate_limits: RateLimits,
        addresses: ClientAddressResolver,
        connections: ConnectionLimiter,
        overload: OverloadGuard,
    ) -> None:
        self._sessions = sessions
        self._service = service
        self._attachments = attachments
        self._origins = origins
        self._signals = signals
        self._clock = clock
        self._watches = watches
        self._rate_limits = rate_limits
        self._addresses = addresses
        self._connections = connections
        self._overload = overload

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post(f"{PREFIX}/sessions", self.start_session)
        app.router.add_delete(f"{PREFIX}/sessions", self.end_session)
        app.router.add_post(f"{PREFIX}/messages", self.post_message)
        app.router.add_get(f"{PREFIX}/messages", self.read_messages, allow_head=False)
        app.router.add_post(f"{PREFIX}/attachments", self.upload)
        app.router.add_get(f"{PREFIX}/attachments/{{id}}", self._attachments.serve, allow_head=False)
        for name in ("sessions", "messages", "attachments"):
            app.router.add_options(f"{PREFIX}/{name}", self.preflight)
        app.on_response_prepare.append(self._add_cors_headers)

    async def start_session(self, request: web.Request) -> web.Response:
        tenant = self._get_tenant(request)
        body = await read_json(request, SessionRequest)
        address = self._addresses.resolve(request)
        started = await self._sessions.start(
            tenant,
            body,
            check=lambda settings: self._origins.check(request, settings),
            # Anybody can start a session, so sessions have a budget apart from that of messages.
            admit=lambda account, place, assurance: self._rate_limits.admit_session(account, place, address, assurance),
        )
        answer = {
            "visitor_token": started.visitor_token,
            "conversation_id": started.visit.conversation,
            "expires_at": format_instant(started.visit.expires_at),
            "seq": started.seq,
        }
        return json_response(answer, 200 if started.resumed else 201)

    async def end_session(self, request: web.Request) -> web.Response:
        tenant = self._get_tenant(request)
        await self._sessions.end(
            _read_bearer_token(request), check=lambda visit: self._check_tenant(request, tenant, visit)
        )
        return web.Response(status=204)

    async def post_message(self, request: web.Request) -> web.Response:
        with self._overload.count_as_pending():
            visit = await self._authenticate(request)
        accepted = await self._service.post(visit, await read_json(request, VisitorMessage))
        return json_response({"message_id": accepted.event_id, "seq": accepted.seq}, 202)

    async def read_messages(self, request: web.Request) -> web.Response:
        visit = await self._authenticate(request)
        after = _read_number(request, "after", MAX_SEQ)
        wait = _read_number(request, "wait", MAX_WAIT)
        if after != int(after):
            raise InvalidRequest(f"after: must be a whole number from 0 to {MAX_SEQ}")
        messages = await self._wait_for_messages(visit, int(after), wait)
        return json_response({"messages": messages, "seq": await self._service.read_head(visit)})

    async def upload(self, request: web.Request) -> web.Response:
        visit = await self._authenticate(request)
        await self._rate_limits.admit_visit(visit)
        stored = await self._attachments.store_upload(
            visit.tenant,
            request,
            conversation=visit.conversation,
            uploader=visit.contact_id,
            address=visit.counted_address,
        )
        body = {"attachment_id": stored.id, "name": stored.name, "type": stored.type, "size": stored.size}
        return json_response(body, 201)

    async def preflight(self, request: web.Request) -> web.Response:
        if not self._origins.allows_for_tenant(request.headers.get("Origin", ""), self._get_tenant(request)):
            raise Forbidden("this site may not use the chat: its origin is not listed")
        return web.Response(status=204, headers=PREFLIGHT_HEADERS)

    async def _wait_for_messages(self, visit: Visit, after: int, wait: float) -> list[dict[str, Any]]:
        # The wait ends with the token, which must not show later messages.
        token_lifetime = (visit.expires_at - self._clock()).total_seconds()
        deadline = time.monotonic() + min(wait, token_lifetime)
        messages = await self._read_messages(visit, after)
        if messages or not wait:
            return messages
        with self._connections.hold(visit):
            return await self._wait_for_next(visit, after, deadline)

    async def _wait_for_next(self, visit: Visit, after: int, deadline: float) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        async with self._watches.open(self._signals, visit.conversation) as watch:
            while not (messages := await self._read_messages(visit, after)) and not watch.ended:
                seconds_left = deadline - time.monotonic()
                if seconds_left <= 0:
                    break
                await watch.wait(min(seconds_left, POLL_EVERY))
        if await self._sessions.is_ended(visit):
            raise Unauthorized("the visitor has signed out")
        return messages

    async def _read_messages(self, visit: Visit, after: int) -> list[dict[str, Any]]:
        while True:
            lines, reached = await self._service.read_lines(visit, after)
            if lines or reached == after:
                return await self._service.serialize(visit, lines)
            after = reached

    def _get_tenant(self, request: web.Request) -> str:
        tenant = request.match_info["tenant"]
        if not self._origins.has_web_account(tenant):
            raise NotFound("no such tenant")
        return tenant

    async def _authenticate(self, request: web.Request) -> Visit:
        tenant = self._get_tenant(request)
        return self._check_tenant(request, tenant, await self._sessions.authenticate(_read_bearer_token(request)))

    def _check_tenant(self, request: web.Request, tenant: str, visit: Visit) -> Visit:
        if visit.tenant != tenant:
            raise Unauthorized("the visitor token belongs to another tenant")
        self._origins.check(request, visit.settings)
        return replace(visit, address=self._addresses.resolve(request))

    async def _add_cors_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        tenant = request.match_info.get("tenant")
        if tenant is not None and request.path.startswith("/v1/chat/"):
            response.headers.update(self._origins.build_headers(request.headers.get(hdrs.ORIGIN, ""), tenant))


def _read_bearer_token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("send the visitor token: Authorization: Bearer <visitor_token>")
    return token.strip()


def _read_number(request: web.Request, name: str, maximum: float) -> float:
    text = request.query.get(name, "0")
    # Python accepts more as a number (` 1`, `1_0`, `inf`).
    if not _DECIMAL.fullmatch(text) or float(text) > maximum:
        kind = "whole number" if isinstance(maximum, int) else "number of seconds"
        raise InvalidRequest(f"{name}: must be a {kind} from 0 to {maximum:.0f}")
    return float(text)
