"""Endpoints for the audit trail: read, export, verify."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from gateway.access.audit_log import AuditLog
from gateway.admin.guard import read_page_size
from gateway.http.responses import DEFAULT_HEADERS, json_response
from gateway.webchat.serialization import format_instant
from gateway.wiring.engines import retention_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.audit.records import INSTALLATION, AuditRecord


class AuditApi:
    def __init__(self, services: ProcessServices) -> None:
        self._log = AuditLog.from_services(services)
        self._keep = timedelta(days=retention_of(services.config)[topics.AUDIT])
        self._clock = services.clock

    async def list_records(self, request: web.Request) -> web.Response:
        query = request.query
        page = await self._log.read_page(
            request.match_info["tenant"],
            after=query.get("after", ""),
            actor=query.get("actor", ""),
            action=query.get("action", ""),
            limit=read_page_size(request),
        )
        return json_response({"items": [serialize_record(record) for record in page.items], "next": page.next})

    async def export(self, request: web.Request) -> web.StreamResponse:
        return await stream_export(self._log, request)

    async def verify(self, request: web.Request) -> web.Response:
        """Verify the chains of the tenant and of the installation."""
        now, counted, problems = self._clock(), 0, list[str]()
        for tenant in (request.match_info["tenant"], INSTALLATION):
            result = await self._log.verify(tenant, keep=self._keep, now=now)
            counted += result.records
            problems += result.problems
        return json_response({"records": counted, "problems": problems})

    async def announce_backup(self, _: web.Request) -> web.Response:
        """Do nothing more: the guard has recorded that a backup is about to be made."""
        return web.Response(status=204)


async def stream_export(log: AuditLog, request: web.Request) -> web.StreamResponse:
    """Send all records as JSON lines, with their hashes."""
    response = web.StreamResponse(headers=DEFAULT_HEADERS | {"Cache-Control": "no-store"})
    response.content_type = "application/x-ndjson"
    response.headers["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    await response.prepare(request)
    async for record in log.read_all(request.match_info["tenant"]):
        await response.write(record.model_dump_json().encode() + b"\n")
    await response.write_eof()
    return response


def serialize_record(record: AuditRecord) -> dict[str, Any]:
    return {
        "at": format_instant(record.at),
        "actor": record.actor,
        "action": record.action,
        "subject": record.subject,
        "surface": record.surface,
    }
