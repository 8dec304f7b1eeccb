"""The Web API's door: token, limits, faults, the method, and Slack's kind of answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.simulators.slack import chat, conversations, directory, files, streams, views
from tests.simulators.slack.calls import Call, Method
from tests.simulators.slack.core import Slack
from tests.simulators.slack.encoding import Refusal, answer, arguments
from tests.simulators.slack.limits import Limited
from tests.simulators.slack.workspace import Json
from tests.simulators.vendor import Fault, Request

HTML = "<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"


def open_connection(call: Call) -> Json:
    return {"ok": True, "url": call.slack.sockets.ticket()}


METHODS: dict[str, Method] = {
    **chat.METHODS,
    **streams.METHODS,
    **conversations.METHODS,
    **directory.METHODS,
    **files.METHODS,
    **views.METHODS,
    "apps.connections.open": Method(open_connection, "", 3, token="app"),
    "api.test": Method(lambda call: {"ok": True, "args": call.args}, "", 4),
}


class Api:
    def __init__(self, slack: Slack) -> None:
        self._slack = slack

    async def handle(self, http: web.Request) -> web.StreamResponse:
        name = http.match_info["method"]
        args: Json = {}
        early: Refusal | None = None
        try:
            args = await arguments(http)
        except Refusal as refusal:
            early = refusal
        token = _token(http, args)
        request = Request(name, self._slack.bot.id if token == self._slack.bot_token else "", args)
        self._slack.ledger.note(request)

        async def carry_out() -> web.StreamResponse:
            if early is not None:
                return answer(early.body)
            return self._call(request, name, args, token, http.content_type == "application/json")

        return await carry_out_with_faults(self._slack, request, http, carry_out)

    def _call(self, request: Request, name: str, args: Json, token: str, is_json: bool) -> web.StreamResponse:
        headers = {"X-OAuth-Scopes": ",".join(sorted(self._slack.scopes))}
        try:
            method = self._admit(name, args, token, is_json)
            self._slack.limits.method(name, method.tier)
            body = method.run(Call(self._slack, name, args))
        except Refusal as refusal:
            return answer(refusal.body, headers=headers)
        except Limited as limited:
            return rate_limited(limited.retry_after)
        request.did = True
        return answer(body, headers=headers)

    def _admit(self, name: str, args: Json, token: str, is_json: bool) -> Method:
        """The method, if this token may call it so. Raises Refusal."""
        slack = self._slack
        method = METHODS.get(name)
        if method is None:
            raise Refusal("unknown_method", req_method=name)
        if not token:
            raise Refusal("not_authed")
        if token not in (slack.bot_token, slack.app_token):
            raise Refusal("invalid_auth")
        if slack.revoked and token == slack.bot_token:
            raise Refusal(slack.revoked)
        if token != (slack.app_token if method.token == "app" else slack.bot_token):
            raise Refusal("not_allowed_token_type")
        if method.scope and method.scope not in slack.scopes:
            raise Refusal("missing_scope", needed=method.scope, provided=",".join(sorted(slack.scopes)))
        if is_json and not method.json and args:
            raise Refusal("invalid_arguments", "missing required field: this method reads no JSON")
        return method


def _token(http: web.Request, args: Json) -> str:
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    sent = str(args.pop("token", "") or "")
    return token.strip() if scheme.casefold() == "bearer" else sent


def rate_limited(retry_after: float, code: str = "") -> web.Response:
    headers = {"Retry-After": str(math.ceil(retry_after))} if retry_after else {}
    return answer({"ok": False, "error": code or "ratelimited"}, status=429, headers=headers)


async def carry_out_with_faults(
    slack: Slack, request: Request, http: web.Request, carry_out: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Carry out a request, unless or until the script has something else for it."""
    fault = slack.faults.meet(request)
    instead = _instead(fault, http) if fault else None
    response = instead if instead is not None else await carry_out()
    if fault and instead is None:
        response = await _afterwards(fault, http, response)
    request.status = response.status
    slack.ledger.changed()
    return response


def _instead(fault: Fault, http: web.Request) -> web.StreamResponse | None:
    """The answer where nothing is done; None where it is. ``limit`` with status 200 is the variant that some methods
    have, without the status and the header; with ``retry_after`` 0 the header is missing."""
    if fault.kind == "refuse":
        return _error(fault)
    if fault.kind == "limit" and fault.status == 200:
        return answer({"ok": False, "error": fault.code or "ratelimited"})
    if fault.kind == "limit":
        return rate_limited(fault.retry_after, fault.code)
    if fault.kind == "drop":
        return cut_connection(http)
    if fault.kind == "lose":
        return web.Response(status=fault.status, text=HTML, content_type="text/html")
    return None


async def _afterwards(fault: Fault, http: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    if fault.kind == "fail_after":
        return _error(fault)
    if fault.kind == "drop_after":
        return cut_connection(http)
    if fault.kind == "garbage":
        return web.Response(text='{"ok": tru', content_type="application/json")
    await asyncio.sleep(fault.seconds)
    return response


def _error(fault: Fault) -> web.Response:
    code = fault.code or ("internal_error" if fault.status >= 500 else "fatal_error")
    return answer({"ok": False, "error": code}, status=fault.status)


def cut_connection(http: web.Request) -> web.StreamResponse:
    assert http.transport is not None
    http.transport.abort()
    return web.Response(status=499)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def wrap_other_handler(slack: Slack, operation: str, run: Callable[[web.Request, Request], Any]) -> Handler:
    """A door beside the Web API, with the same ledger and the same faults."""

    async def handle(http: web.Request) -> web.StreamResponse:
        request = slack.ledger.note(Request(operation, slack.bot.id, {"path": http.path}))

        async def carry_out() -> web.StreamResponse:
            result = run(http, request)
            response: web.StreamResponse = await result if asyncio.iscoroutine(result) else result
            return response

        return await carry_out_with_faults(slack, request, http, carry_out)

    return handle
