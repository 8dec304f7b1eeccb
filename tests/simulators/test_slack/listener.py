"""The app's side of the Events API: a server that checks signatures with Slack's own verifier and answers by script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from slack_sdk.signature import SignatureVerifier


@dataclass
class ReceivedRequest:
    body: bytes
    headers: dict[str, str]
    is_signed: bool

    @property
    def payload(self) -> Any:
        """JSON, the JSON in a form, or a form's own fields."""
        if self.headers["Content-Type"] == "application/json":
            return json.loads(self.body)
        form = {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}
        return json.loads(form["payload"]) if "payload" in form else form

    @property
    def event(self) -> Any:
        return self.payload["event"]


@dataclass
class Listener:
    """``answers`` are used up one by one: a status, what to answer as JSON, or a whole response. Then it is 200. While
    ``gate`` is closed no answer leaves."""

    secret: str
    url: str = ""
    received: list[ReceivedRequest] = field(default_factory=list)
    answers: list[int | dict[str, Any] | web.Response] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def events(self) -> list[Any]:
        return [each.event for each in self.received]

    def of_type(self, kind: str) -> list[Any]:
        return [event for event in self.events if kind in (event["type"], event.get("subtype"))]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Listener]:
        self.gate.set()
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        try:
            yield self
        finally:
            self.gate.set()
            await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        signed = SignatureVerifier(self.secret).is_valid_request(body, headers)
        self.received.append(ReceivedRequest(body, dict(request.headers), signed))
        answer = self.answers.pop(0) if self.answers else 200
        await self.gate.wait()
        if isinstance(answer, web.Response):
            return answer
        return web.Response(status=answer) if isinstance(answer, int) else web.json_response(answer)
