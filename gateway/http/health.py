"""Whether this process lives, whether it can work, and how it is doing. Served by every role."""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.http.responses import reply
from gateway.wiring.parts import Parts
from infra.metrics import CONTENT_TYPE, PrometheusMetrics
from schemas.errors import NotFound, ParleyError, Unavailable

PARTS = ("bus", "state", "knowledge")
LONGEST = 5.0
"""Seconds a part may take to answer; probes time out soon after."""


def add_routes(app: web.Application, parts: Parts) -> None:
    health = Health(parts)
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)


class Health:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def alive(self, request: web.Request) -> web.Response:
        """The loop turns. Nothing outside the process is asked: restarting it would not mend that."""
        return reply({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        wrong = await self._wrong()
        body: dict[str, object] = {"ready": not wrong, "parts": dict.fromkeys(PARTS, "ok") | wrong}
        if not wrong:
            return reply(body)
        error = Unavailable(f"not ready: {', '.join(sorted(wrong))}")
        answer = reply(body | {"error": error.body()}, 503)
        answer.headers["Retry-After"] = "1"
        return answer

    async def metrics(self, request: web.Request) -> web.Response:
        if not isinstance(self._parts.metrics, PrometheusMetrics):
            raise NotFound("this process keeps no metrics")
        return web.Response(body=self._parts.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _wrong(self) -> dict[str, str]:
        wrong = {"state": "being rebuilt"} if self._parts.is_state_lost() else {}
        try:
            async with asyncio.timeout(LONGEST):
                return wrong | await self._parts.check_readiness()
        except TimeoutError:
            return wrong | {"process": f"no answer within {LONGEST:g} s"}
        except ParleyError as error:
            return wrong | {"process": error.message}
