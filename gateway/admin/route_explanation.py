"""The endpoint that explains which route a message would take."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent_worker.router.decision import Route
from agent_worker.router.router import Router, RoutingRequest
from gateway.http.responses import json_response, read_json
from gateway.wiring.models.providers import models_of
from gateway.wiring.process_services import ProcessServices
from gateway.wiring.routing import build_route_rules, ensure_trained
from schemas.errors import SetupError, Unavailable
from schemas.messages import Text


class RouteRequest(BaseModel):
    """The body of ``POST route/explain``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Text


class RouteApi:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._router = Router()

    async def explain(self, request: web.Request) -> web.Response:
        """Explain the route of a message that opens a conversation with an unknown contact."""
        body = await read_json(request, RouteRequest)
        return json_response(serialize_route(await self.route(request.match_info["tenant"], body.text)))

    async def route(self, tenant: str, text: str) -> Route:
        """Route a text as a new conversation's first message. Raises Unavailable."""
        if self._services.knowledge is None:
            raise Unavailable("this process does not search documents")
        config = self._services.config
        section = config.tenants[tenant]
        try:
            rules = await asyncio.to_thread(build_route_rules, section)
            await asyncio.to_thread(ensure_trained, config, tenant)
            await self._router.load(rules)
        except SetupError as error:
            raise Unavailable(error.message, fix=error.fix) from error
        result = await self._services.knowledge.search(tenant, text, vector=True)
        return await self._router.route(
            rules, RoutingRequest(text=text, search_result=result, model=models_of(section)[0])
        )


def serialize_route(route: Route) -> dict[str, Any]:
    return {
        "route": route.name,
        "intent": route.intent,
        "confidence": round(min(1.0, max(0.0, route.confidence)), 4),
        "out_of_scope": route.out_of_scope,
        "reasons": list(route.reasons),
        "scores": dict(route.scores),
    }
