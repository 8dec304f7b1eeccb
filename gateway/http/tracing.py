"""A span for each request that changes something; its trace goes on in every process that takes part."""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from gateway.http.responses import Handler
from schemas import tracing

QUIET = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
"""Reads, probes and long polls: many, and nothing follows from them."""


def traced(*, join: bool) -> list[Middleware]:
    """The middleware, in a list that is empty while nothing is recorded. ``join`` accepts the caller's traceparent:
    only where a proxy of ours sets it, since who sends one decides what is recorded."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method in QUIET:
            return await handler(request)
        resource = request.match_info.route.resource
        route = "" if resource is None else resource.canonical
        with tracing.span(
            f"{request.method} {route}",
            parent=request.headers.get("traceparent", "") if join else "",
            kind="server",
            attributes={"http.request.method": request.method, "http.route": route},
        ) as span:
            response = await handler(request)
            span.set("http.response.status_code", response.status)
            return response

    return [around] if tracing.is_active() else []
