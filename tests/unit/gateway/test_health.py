"""Liveness asks nobody; readiness asks everybody and says who is missing; metrics are the promised ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
from aiohttp import web

from gateway.http import health
from gateway.http.app import run_server
from gateway.wiring.process_services import ProcessServices
from schemas.errors import StateUnavailable
from tests.unit.gateway.conftest import Instance


async def get_page(services: ProcessServices, path: str) -> tuple[int, Any, Any]:
    app = web.Application()
    health.add_routes(app, services)
    async with (
        run_server(app, "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.json(), response.headers


async def test_a_whole_instance_is_alive_and_ready(instance: Instance) -> None:
    alive = await instance.call("GET", "/healthz", token=None)
    ready = await instance.call("GET", "/readyz", token=None)
    assert (alive.status, alive.body) == (200, {"status": "ok"})
    assert (ready.status, ready.body) == (
        200,
        {"ready": True, "parts": {"bus": "ok", "state": "ok", "knowledge": "ok"}},
    )


async def test_a_missing_part_is_named_while_the_process_stays_alive(instance: Instance) -> None:
    async def wrong() -> dict[str, str]:
        return {"bus": "cannot be reached"}

    services = replace(instance.services, check_readiness=wrong)
    status, body, headers = await get_page(services, "/readyz")
    assert status == 503
    assert (body["ready"], body["parts"]["bus"], body["parts"]["state"]) == (False, "cannot be reached", "ok")
    assert (body["error"]["code"], headers["Retry-After"]) == ("unavailable", "1")
    assert (await get_page(services, "/healthz"))[0] == 200


async def test_lost_state_is_not_ready(instance: Instance) -> None:
    status, body, _ = await get_page(replace(instance.services, is_state_lost=lambda: True), "/readyz")
    assert (status, body["parts"]["state"]) == (503, "being rebuilt")


async def test_a_part_that_fails_or_hangs_is_not_ready(instance: Instance, monkeypatch: Any) -> None:
    async def fails() -> dict[str, str]:
        raise StateUnavailable("the state store cannot be reached")

    async def hangs() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(health, "READINESS_TIMEOUT", 0.05)
    status, body, _ = await get_page(replace(instance.services, check_readiness=fails), "/readyz")
    assert (status, body["parts"]["process"]) == (503, "the state store cannot be reached")
    status, body, _ = await get_page(replace(instance.services, check_readiness=hangs), "/readyz")
    assert (status, body["parts"]["process"]) == (503, "no answer within 0.05 s")


async def test_metrics_are_served_as_text(instance: Instance) -> None:
    instance.services.metrics.count("parley_inbound_total", 3, tenant="shop", channel="web")
    answer = await instance.call("GET", "/metrics", token=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert 'parley_inbound_total{channel="web",tenant="shop"} 3.0' in answer.body
