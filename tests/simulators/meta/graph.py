"""The Graph API's front door: hosts, versions, tokens, usage, media; what stands behind a node is its surface's trade.

An address may begin with the vendor's host name (``/graph.instagram.com/v26.0/me/messages``), because a host cannot be
told apart on loopback; then the rules of that host are held. The version may be left out, as with the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiohttp import web

from tests.simulators.http_faults import FaultResponses, carried_out
from tests.simulators.meta.calls import Call, Token, read_call
from tests.simulators.meta.errors import GraphError, make_missing_error, unknown_object
from tests.simulators.meta.ids import MetaIds
from tests.simulators.meta.media import MediaStore
from tests.simulators.meta.usage import Usage
from tests.simulators.meta.webhooks import App, Webhooks
from tests.simulators.vendor import Fault, Faults, Ledger, Request
from tests.simulators.vendor_clock import VendorClock


class Surface(Protocol):
    """A product behind Graph: it owns nodes, and answers for them."""

    ledger: Ledger
    faults: Faults
    limit_code: int

    def owns(self, node: str) -> bool: ...
    def operation(self, call: Call) -> str: ...
    async def handle(self, call: Call, noted: Request) -> dict[str, Any] | web.Response:
        """Raises GraphError."""


class Graph:
    """One server for all surfaces that a test puts on it; it listens while any of them is serving."""

    def __init__(self, *, pace: VendorClock | None = None, seed: int = 1) -> None:
        self.pace = pace or VendorClock(scale=0.01)
        self.ids = MetaIds(seed)
        self.media = MediaStore(self.pace, self.ids)
        self.webhooks = Webhooks(self.pace, self.ids)
        self.usage = Usage(self.pace.now)
        self.apps: list[App] = []
        self.tokens: dict[str, Token] = {}
        self.surfaces: list[Surface] = []
        self.port = 0
        self._users = 0
        self._door = asyncio.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> App:
        """A new app with secrets of its own."""
        app = App(self.ids.digits(16, "9"), self.ids.letters(32).lower(), self.ids.letters(24, "verify-"))
        self.apps.append(app)
        return app

    def token(self, app: App, kind: str, *accounts: str, scopes: tuple[str, ...]) -> Token:
        prefix = "IGAA" if kind == "instagram" else "EAAJ"
        token = Token(self.ids.letters(64, prefix), app, kind, accounts[0], set(accounts), set(scopes))
        self.tokens[token.value] = token
        return token

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Graph]:
        async with self._door:
            self._users += 1
            if self._users == 1:
                await self._open(port)
        try:
            yield self
        finally:
            async with self._door:
                self._users -= 1
                if not self._users:
                    await self._close()

    async def _open(self, port: int) -> None:
        app = web.Application(client_max_size=128 * 1024**2)
        app.router.add_get("/lookaside/{name:.*}", self._lookaside)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = int(self._runner.addresses[0][1])
        await self.webhooks.webhook_sender.open()

    async def _close(self) -> None:
        await self.webhooks.webhook_sender.close()
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        try:
            call = await read_call(request)
            if call.node == "debug_token":
                return self._answer(self._debugged(call))
            surface = self._find(call)
        except GraphError as error:
            return self._refused(error)
        return await self._meet(request, surface, call)

    async def _meet(self, request: web.Request, surface: Surface, call: Call) -> web.Response:
        noted = surface.ledger.note(Request(surface.operation(call), call.node, call.params))

        async def do() -> web.Response:
            try:
                self._admit(call)
                answer = await surface.handle(call, noted)
            except GraphError as error:
                return self._refused(error, host=call.host)
            return answer if isinstance(answer, web.Response) else self._answer(answer, host=call.host)

        try:
            return await carried_out(request, noted, surface.faults, self._manners(surface, host=call.host), do)
        finally:
            surface.ledger.changed()

    def _find(self, call: Call) -> Surface:
        """Who answers for the node; ``me`` is the account of the token."""
        call.token = self.tokens.get(call.key)
        if call.node == "me" and call.token is not None:
            call.node = call.token.me
        for surface in self.surfaces:
            if surface.owns(call.node):
                return surface
        # Who may not come in learns nothing about what is inside.
        self._admit(call)
        raise unknown_object(call.node, call.method)

    def _admit(self, call: Call) -> None:
        """Raises GraphError unless the token is good for this host; whether it may see the node, the surface says."""
        token = call.token
        if not call.key:
            raise GraphError(104, "An access token is required to request this resource.")
        if token is None or ((token.kind == "instagram") != (call.host == "graph.instagram.com") and call.host):
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token")
        if token.revoked:
            reason = "The session has been invalidated because the user changed their password"
            raise GraphError(190, f"Error validating access token: {reason}", subcode=460)
        if token.expires_at and token.expires_at <= self.pace.now():
            raise GraphError(190, "Error validating access token: Session has expired", subcode=463)
        self.usage.count(token.app.id)

    def _debugged(self, call: Call) -> dict[str, Any]:
        """What ``debug_token`` says of another token. Asked with the app's own id and secret, or a good token."""
        asked = self.tokens.get(call.key)
        owners = [app for app in self.apps if call.key == f"{app.id}|{app.secret}"]
        if asked is None and not owners:
            raise GraphError(190, "Invalid OAuth access token.")
        if "input_token" not in call.params:
            raise make_missing_error("input_token")
        token = self.tokens.get(str(call.params["input_token"]))
        if token is None:
            error = {"code": 190, "message": "Invalid OAuth access token."}
            return {"data": {"error": error, "is_valid": False, "scopes": []}}
        return {"data": token.debugged(self.pace.now())}

    async def _lookaside(self, request: web.Request) -> web.Response:
        """The bytes of a medium. WhatsApp's need the token once more, Instagram's are open to who knows the address."""
        id_, key = request.query.get("mid", ""), request.query.get("hash", "")
        medium = self.media.get(id_)
        owner = next((each for each in self.surfaces if medium is not None and each.owns(medium.owner)), None)
        if medium is None or owner is None:
            return web.Response(status=404, text="URL signature expired")
        noted = owner.ledger.note(Request("media.download", medium.owner, id_))

        async def do() -> web.Response:
            token = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
            is_open = not request.match_info["name"].startswith("whatsapp")
            if not is_open and (token is None or medium.owner not in token.accounts):
                return web.Response(status=401, text="Unauthorized")
            if self.media.fetched(id_, key) is None:
                return web.Response(status=404, text="URL signature expired")
            noted.did = True
            data = medium.file.data + b"?" if medium.tampered else medium.file.data
            return web.Response(body=data, headers={"Content-Type": medium.file.type})

        return await carried_out(request, noted, owner.faults, self._manners(owner), do)

    def _answer(self, body: dict[str, Any], status: int = 200, *, host: str = "") -> web.Response:
        return web.json_response(body, status=status, headers=self.usage.headers(host))

    def _refused(self, error: GraphError, *, host: str = "") -> web.Response:
        type_ = "IGApiException" if host == "graph.instagram.com" else "OAuthException"
        return self._answer(error.body(self.ids.trace(), type_), error.status, host=host)

    def _manners(self, surface: Surface, *, host: str = "") -> FaultResponses:
        def refusal(fault: Fault) -> web.Response:
            code = int(fault.code or (131000 if surface.limit_code == 130429 else 2))
            return self._refused(GraphError(code, status=fault.status), host=host)

        def limit(fault: Fault) -> web.Response:
            self.usage.regain_after = fault.retry_after
            # Graph sends no Retry-After: what is known of the wait stands in the usage header, in minutes.
            return self._refused(GraphError(int(fault.code or surface.limit_code)), host=host)

        return FaultResponses(refusal, limit)
