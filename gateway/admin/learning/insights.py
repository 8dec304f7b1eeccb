"""Endpoints for groups of failed answers, and for the report of a period."""

from __future__ import annotations

from aiohttp import web

from agent_worker.learning.insights.report import InsightGroup
from gateway.admin.learning.outcomes import parse_period
from gateway.http.responses import json_response
from gateway.insights.document_drafts import save_proposal
from gateway.insights.insight_reader import InsightReader
from gateway.insights.period_report import build_period_report
from gateway.knowledge.editor import DocumentEditor
from gateway.wiring.process_services import ProcessServices
from schemas.errors import NotFound

HIDDEN_FIELDS = {"groups": {"__all__": {"proposal": {"names"}}}}
"""The names of people in the conversations, which nobody needs here."""


class InsightApi:
    def __init__(self, services: ProcessServices, reader: InsightReader) -> None:
        self._services = services
        self._reader = reader
        self._editor = DocumentEditor(services)

    async def read(self, request: web.Request) -> web.Response:
        """The groups of failed answers from ``?since`` to ``?until``. Raises InvalidRequest, BusUnavailable,
        Unavailable."""
        period = parse_period(request, self._services.clock)
        report = await self._reader.read_report(request.match_info["tenant"], period)
        return json_response(report.model_dump(mode="json", exclude=HIDDEN_FIELDS))

    async def read_period(self, request: web.Request) -> web.Response:
        """Everything about a period. Raises as ``read``."""
        period = parse_period(request, self._services.clock)
        report = await build_period_report(self._reader, request.match_info["tenant"], period)
        return json_response(report.model_dump(mode="json", exclude=HIDDEN_FIELDS))

    async def save_draft(self, request: web.Request) -> web.Response:
        """Store what people answered as the draft of a document. Raises NotFound, and as ``read``."""
        tenant = request.match_info["tenant"]
        report = await self._reader.read_report(tenant, parse_period(request, self._services.clock))
        group = find_group(report.groups, request.match_info["group"])
        own = self._services.config.tenants[tenant].protection.own_number_finder
        saved = await save_proposal(self._editor, tenant, group, own, "admin")
        return json_response({"draft": saved.id, "document": saved.document}, 201)


def find_group(groups: list[InsightGroup], id: str) -> InsightGroup:
    """Raises NotFound."""
    found = next((group for group in groups if group.id == id), None)
    if found is None:
        raise NotFound("there is no such group in this period")
    return found
