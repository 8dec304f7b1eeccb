"""Applies scripted faults to the requests of a simulated vendor that speaks HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from tests.simulators.vendor import Fault, Faults, Request

PROXY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


@dataclass(frozen=True, slots=True)
class FaultResponses:
    """The vendor's own words for a fault."""

    refusal: Callable[[Fault], web.Response]
    limit: Callable[[Fault], web.Response]


async def carried_out(
    request: web.Request,
    noted: Request,
    faults: Faults,
    fault_responses: FaultResponses,
    do: Callable[[], Awaitable[web.Response]],
) -> web.Response:
    """The answer to a request, with the fault that it meets. ``do`` sets ``noted.did`` when it did what was asked."""
    fault = faults.meet(noted)
    if fault is None:
        response = await do()
    elif fault.kind in ("refuse", "limit", "drop", "lose"):
        response = _instead(request, fault, fault_responses)
    else:
        response = await _beside(request, fault, fault_responses, await do())
    noted.status = response.status
    return response


def _instead(request: web.Request, fault: Fault, fault_responses: FaultResponses) -> web.Response:
    if fault.kind == "drop":
        return _cut(request)
    if fault.kind == "lose":
        return web.Response(status=fault.status, text=PROXY_PAGE.format(fault.status), content_type="text/html")
    return fault_responses.limit(fault) if fault.kind == "limit" else fault_responses.refusal(fault)


async def _beside(
    request: web.Request, fault: Fault, fault_responses: FaultResponses, response: web.Response
) -> web.Response:
    if fault.kind == "drop_after":
        return _cut(request)
    if fault.kind == "fail_after":
        return fault_responses.refusal(fault)
    if fault.kind == "garbage":
        return web.Response(status=response.status, text='{"half": ', content_type="application/json")
    await asyncio.sleep(fault.seconds)
    return response


def _cut(request: web.Request) -> web.Response:
    """The client sees a connection that broke; the answer goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)
