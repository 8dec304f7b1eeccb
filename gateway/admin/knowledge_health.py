"""Endpoints for the health of the documents: start a check, read its report."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateway.http.responses import json_response, read_json
from gateway.knowledge.health import HealthChecks, HealthReport
from gateway.wiring.process_services import ProcessServices


class HealthRequest(BaseModel):
    """The body of ``POST knowledge-health``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    links: bool = False
    """Ask for every address that the documents link to."""


class KnowledgeHealthApi:
    def __init__(self, services: ProcessServices, checks: HealthChecks) -> None:
        self._services = services
        self._checks = checks

    async def start(self, request: web.Request) -> web.Response:
        """Start a check in the background, unless one runs already."""
        body, tenant = await read_json(request, HealthRequest), request.match_info["tenant"]
        await self._checks.start(tenant, links=body.links)
        return self._respond(await self._checks.read(tenant), 202)

    async def read(self, request: web.Request) -> web.Response:
        return self._respond(await self._checks.read(request.match_info["tenant"]), 200)

    def _respond(self, report: HealthReport, status: int) -> web.Response:
        running = report.is_running(self._services.clock())
        return json_response(report.model_dump(mode="json", exclude={"running_at"}) | {"running": running}, status)
