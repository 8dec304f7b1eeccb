"""The page of the audit trail: who saw, exported, changed and decided what."""

from __future__ import annotations

from aiohttp import web

from gateway.access.audit_log import AuditLog
from gateway.admin.audit import stream_export
from gateway.console.rendering import build_path, build_url, render_page
from gateway.console.sessions import Operator
from gateway.wiring.process_services import ProcessServices

PAGE_SIZE = 100


class AuditPage:
    def __init__(self, services: ProcessServices) -> None:
        self._log = AuditLog.from_services(services)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        tenant, query = request.match_info["tenant"], request.query
        actor, action = query.get("actor", "").strip(), query.get("action", "").strip()
        page = await self._log.read_page(
            tenant, after=query.get("after", ""), actor=actor, action=action, limit=PAGE_SIZE
        )
        path, filters = build_path(tenant, "audit"), {"actor": actor, "action": action}
        return render_page(
            "audit.html",
            operator,
            tenant,
            "audit",
            records=page.items,
            filters=filters,
            export_url=build_path(tenant, "audit", "export"),
            older_url=build_url(path, filters | {"after": page.next}) if page.next else "",
        )

    async def export(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        return await stream_export(self._log, request)
