"""Webhooks of the vendors of document sources: something changed there, so the source is synced at once."""

from __future__ import annotations

import math
import time

import structlog
from aiohttp import web

from agent_worker.sources.registry import source_of
from gateway.documents.source_directory import SourceDirectory
from gateway.http.responses import read_body
from gateway.http.webhooks import normalize_headers
from gateway.wiring.process_services import ProcessServices
from schemas.errors import NotFound, RateLimited
from schemas.ports import WebhookSource

log = structlog.get_logger("parley.gateway")

PREFIX = "/v1/sources/"
ROUTE = PREFIX + "{tenant}/{source}"
MAX_BODY_SIZE = 64 * 1024
VERIFICATION_PAUSE_S = 5.0
"""For each source: a verification is not signed, so anybody can send any number."""


def build_webhook_path(tenant: str, source: str) -> str:
    return f"{PREFIX}{tenant}/{source}"


class SourceWebhooks:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._directory = SourceDirectory(services)
        self._verified_at: dict[tuple[str, str], float] = {}

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post(ROUTE, self.receive)

    async def receive(self, request: web.Request) -> web.Response:
        tenant, id = request.match_info["tenant"], request.match_info["source"]
        if tenant not in self._services.config.tenants:
            raise NotFound("no such webhook")
        source = (await self._directory.find(tenant, id)).source
        notified = source_of(source.location)
        if not isinstance(notified, WebhookSource):
            raise NotFound("no such webhook")
        body = await read_body(request, MAX_BODY_SIZE, {"application/json"})
        notification = notified.read_notification(normalize_headers(request.headers), body, source.options)
        if notification.verification_token:
            self._admit_verification(tenant, id)
            log.info("source_verification_received", tenant=tenant, source=id)
        await self._directory.notify(tenant, id, notification)
        return web.Response()

    def _admit_verification(self, tenant: str, id: str) -> None:
        """Raises RateLimited."""
        now = time.monotonic()
        if now - self._verified_at.get((tenant, id), -math.inf) < VERIFICATION_PAUSE_S:
            raise RateLimited("verified a moment ago", retry_after_ms=int(VERIFICATION_PAUSE_S * 1000))
        self._verified_at[tenant, id] = now
