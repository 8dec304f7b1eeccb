"""The shop's HTTP interface.

    GET  /orders/{number}                                  an order, and why it allows some of the following no more
    POST /orders/{number}/cancel | refunds | delivery | discounts | payment-links
    POST /appointments
    POST …?check=1                                         whether the same request would be refused; nothing is done
    GET  /effects/{key}                                    what was done under an idempotency key, 404 when nothing was
    GET  /orders/{number}/address                          where the shop writes to about it
    POST /outbox                                           sends a mail
    GET  /healthz                                          whether the shop is open

Requests for orders say for whom, in the header ``Customer``: ``email:…`` or ``id:…``, several with commas. Every POST
that does something needs an ``Idempotency-Key``; a repeat of the same request gets the first answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from aiohttp import web

from .faults import Faults, Handler
from .outbox import Outbox
from .rules import Refused
from .store import Store

STORE = web.AppKey("store", Store)
OUTBOX = web.AppKey("outbox", Outbox)
FAULTS = web.AppKey("faults", Faults)


def build_app(folder: Path, today: Callable[[], date]) -> web.Application:
    """``folder`` holds the database and the outbox; both are made when they are not there."""
    app = web.Application(middlewares=[_errors, _faults], client_max_size=64 * 1024)
    app[STORE] = store = Store(folder / "shop.db", today)
    app[OUTBOX] = Outbox(folder / "outbox.jsonl")
    app[FAULTS] = Faults(store)
    app.router.add_get("/orders/{number}", _order)
    app.router.add_get("/orders/{number}/address", _address)
    app.router.add_post("/orders/{number}/{deed:cancel|refunds|delivery|discounts|payment-links}", _deed)
    app.router.add_post("/{deed:appointments}", _deed)
    app.router.add_get("/effects/{key}", _effect)
    app.router.add_post("/outbox", _mail)
    app.router.add_get("/healthz", _health)
    app.on_cleanup.append(lambda closing: closing[STORE].close())
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as error:
        return web.json_response({"error": {"code": error.code, "message": str(error)}}, status=error.status)


@web.middleware
async def _faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await request.app[FAULTS].around(request, handler)


async def _order(request: web.Request) -> web.Response:
    return web.json_response(await request.app[STORE].order(request.match_info["number"], _customer(request)))


async def _address(request: web.Request) -> web.Response:
    return web.json_response({"email": await request.app[STORE].address_of(request.match_info["number"])})


async def _deed(request: web.Request) -> web.Response:
    deed, number = request.match_info["deed"], request.match_info.get("number", "")
    if request.query.get("check"):
        body = {**await _body(request), "key": ""}
        return web.json_response(await request.app[STORE].may(deed, number, _customer(request), body))
    key, body = _key(request), await _body(request)
    if deed == "payment-links":
        body["key"] = key
    return web.json_response(await request.app[STORE].do(key, deed, number, _customer(request), body))


async def _effect(request: web.Request) -> web.Response:
    answer = await request.app[STORE].effect(request.match_info["key"])
    if answer is None:
        raise Refused("not_found", "nothing was done under this key", 404)
    return web.json_response(answer)


async def _mail(request: web.Request) -> web.Response:
    key, body = _key(request), await _body(request)
    request.app[OUTBOX].put(key, str(body.get("to", "")), str(body.get("text", "")))
    return web.json_response({"sent": True})


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "open"})


def _customer(request: web.Request) -> frozenset[str]:
    who = frozenset(part.strip() for part in request.headers.get("Customer", "").split(",") if part.strip())
    if not who:
        raise Refused("unauthorized", "the header Customer is missing", 401)
    return who


def _key(request: web.Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not 8 <= len(key) <= 255:
        raise Refused("no_key", "the header Idempotency-Key is missing", 400)
    return key


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        raise Refused("invalid_request", "the body must be a JSON object", 400)
    return body
