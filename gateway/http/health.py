"""Liveness, readiness and metrics endpoints, served by processes of every role."""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.http.responses import json_response
from gateway.wiring.process_services import ProcessServices
from infra.metrics import CONTENT_TYPE, PrometheusMetrics
from schemas.errors import NotFound, ParleyError, Unavailable

CHECKED_PARTS = ("bus", "state", "knowledge")
READINESS_TIMEOUT = 5.0
"""Seconds that a part may take to report; probes time out soon after."""


def add_routes(app: web.Application, services: ProcessServices, *, metrics: bool = True) -> None:
    health = Health(services)
    app.router.add_get("/healthz", health.check_liveness)
    app.router.add_get("/readyz", health.check_readiness)
    if metrics:
        app.router.add_get("/metrics", health.render_metrics)


class Health:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services

    async def check_liveness(self, request: web.Request) -> web.Response:
        """Report that the event loop runs. Nothing outside the process is checked: a restart would not repair it."""
        return json_response({"status": "ok"})

    async def check_readiness(self, request: web.Request) -> web.Response:
        failures = await self._find_failures()
        body: dict[str, object] = {"ready": not failures, "parts": dict.fromkeys(CHECKED_PARTS, "ok") | failures}
        if not failures:
            return json_response(body)
        error = Unavailable(f"not ready: {', '.join(sorted(failures))}")
        response = json_response(body | {"error": error.body()}, 503)
        response.headers["Retry-After"] = "1"
        return response

    async def render_metrics(self, request: web.Request) -> web.Response:
        if not isinstance(self._services.metrics, PrometheusMetrics):
            raise NotFound("this process keeps no metrics")
        return web.Response(body=self._services.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _find_failures(self) -> dict[str, str]:
        failures = {"state": "being rebuilt"} if self._services.is_state_lost() else {}
        try:
            async with asyncio.timeout(READINESS_TIMEOUT):
                return failures | await self._services.check_readiness()
        except TimeoutError:
            return failures | {"process": f"no answer within {READINESS_TIMEOUT:g} s"}
        except ParleyError as error:
            return failures | {"process": error.message}
