"""Endpoints for the sources of documents: their state, syncs, and held removals."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateway.admin.guard import cut_page, get_principal
from gateway.documents.removals import RemovalDecisions
from gateway.documents.source_directory import SourceDirectory, SourceStatus
from gateway.http.responses import json_response, read_json
from gateway.webchat.serialization import format_instant
from gateway.wiring.process_services import ProcessServices


class SyncSourceRequest(BaseModel):
    """The body of ``POST knowledge/sources/{source}/sync``. ``allow_removals``: however many documents are gone, they
    are removed without asking."""

    model_config = ConfigDict(extra="forbid", strict=True)

    allow_removals: bool = False


class RemovalDecisionRequest(BaseModel):
    """The body of ``POST knowledge/sources/{source}/removals``: remove the held documents, or keep them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Literal["approve", "discard"]


class KnowledgeSourceApi:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._directory = SourceDirectory(services)

    async def list_sources(self, request: web.Request) -> web.Response:
        found = await self._directory.list_sources(request.match_info["tenant"])
        items = [serialize_source(each) for each in found]
        if not get_principal(request).may("knowledge"):
            # With this token anybody could announce changes in the vendor's name.
            items = [each | {"verification_token": ""} for each in items]
        page, following = cut_page(request, items, lambda item: str(item["source"]))
        return json_response({"items": page, "next": following})

    async def sync(self, request: web.Request) -> web.Response:
        body = await read_json(request, SyncSourceRequest)
        found = await self._directory.demand(
            request.match_info["tenant"], request.match_info["source"], allow_removals=body.allow_removals
        )
        return json_response(serialize_source(found), status=202)

    async def decide_removal(self, request: web.Request) -> web.Response:
        tenant, source = request.match_info["tenant"], request.match_info["source"]
        body = await read_json(request, RemovalDecisionRequest)
        found = (await self._directory.find(tenant, source)).source
        removals = RemovalDecisions(self._services, tenant)
        documents = await (removals.approve(found) if body.decision == "approve" else removals.discard(found))
        return json_response({"source": source, "decision": body.decision, "documents": documents})


def serialize_source(status: SourceStatus) -> dict[str, Any]:
    state, held = status.state, status.state.held
    return {
        "source": status.source.id,
        "location": status.source.label,
        "sync_minutes": status.schedule.interval_s / 60,
        "running": {"started": format_instant(state.running.started), "read": state.running.read}
        if state.running
        else None,
        "requested_at": _format(state.demand.at if state.demand else None),
        "last": state.last.model_dump(mode="json") if state.last else None,
        "succeeded_at": _format(state.succeeded_at),
        "next_run": _format(state.next_run if status.schedule.interval_s else None),
        "failures": state.failures,
        "is_stale": status.is_stale,
        "held": {
            "since": format_instant(held.since),
            "total": held.total,
            "documents": held.documents,
            "hidden": len(held.hidden),
        }
        if held
        else None,
        "kept": state.kept,
        "verification_token": state.verification_token,
    }


def _format(at: datetime | None) -> str | None:
    return format_instant(at) if at is not None else None
