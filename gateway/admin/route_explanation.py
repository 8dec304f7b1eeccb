"""Who would answer a message, and why."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent_worker.router.decision import Route
from agent_worker.router.router import Router, RoutingRequest
from gateway.http.responses import read_json, reply
from gateway.wiring.models import models_of
from gateway.wiring.parts import Parts
from gateway.wiring.routing import build_route_rules, ensure_trained
from schemas.errors import SetupError, Unavailable
from schemas.messages import Text


class Explain(BaseModel):
    """Body of ``POST route/explain``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Text


class RouteDesk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._router = Router()

    async def explain(self, request: web.Request) -> web.Response:
        """As the first message of a conversation, by a contact of whom nothing is known."""
        asked = await read_json(request, Explain)
        return reply(shown(await self.route(request.match_info["tenant"], asked.text)))

    async def route(self, tenant: str, text: str) -> Route:
        if self._parts.knowledge is None:
            raise Unavailable("this process does not search documents")
        config = self._parts.config
        section = config.tenants[tenant]
        try:
            rules = await asyncio.to_thread(build_route_rules, section)
            await asyncio.to_thread(ensure_trained, config, tenant)
            await self._router.load(rules)
        except SetupError as error:
            raise Unavailable(error.message, fix=error.fix) from error
        found = await self._parts.knowledge.search(tenant, text, vector=True)
        return await self._router.route(rules, RoutingRequest(text=text, found=found, model=models_of(section)[0]))


def shown(route: Route) -> dict[str, Any]:
    return {
        "route": route.name,
        "intent": route.intent,
        "confidence": round(min(1.0, max(0.0, route.confidence)), 4),
        "out_of_scope": route.out_of_scope,
        "reasons": list(route.reasons),
        "scores": dict(route.scores),
    }
