"""The page of the sources of documents: their last and next syncs, what was refused, and removals to decide about."""

from __future__ import annotations

from functools import partial

import structlog
from aiohttp import web
from markupsafe import Markup

from agent_worker.sources.registry import source_of
from gateway.console.forms import Form
from gateway.console.live_updates import LivePart, LiveUpdates
from gateway.console.rendering import build_path, build_url, redirect, render, render_page
from gateway.console.sessions import Operator, record_act
from gateway.documents.document_sources import DocumentSource
from gateway.documents.removals import RemovalDecisions
from gateway.documents.source_directory import SIGNAL, SourceDirectory, SourceStatus
from gateway.documents.source_state import SyncRun
from gateway.http.source_webhooks import build_webhook_path
from gateway.wiring.process_services import ProcessServices
from schemas.errors import InvalidRequest
from schemas.ports import WebhookSource

log = structlog.get_logger("parley.console")

MAX_NAMED = 50
"""Documents of a held removal that are listed."""
NOTICES = {
    "sync": "The source is synced as soon as possible.",
    "approve": "The documents were removed.",
    "discard": "The documents are kept.",
}
RESULTS = {"succeeded": "Succeeded", "incomplete": "Incomplete, so nothing was removed", "failed": "Failed"}


class KnowledgeSourcesPage:
    def __init__(self, services: ProcessServices, live: LiveUpdates) -> None:
        self._services = services
        self._live = live
        self._directory = SourceDirectory(services)

    async def show(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        tenant = request.match_info["tenant"]

        async def render_part() -> Markup:
            found = await self._directory.list_sources(tenant)
            return render(
                "knowledge_source_list.html",
                operator=operator,
                tenant=tenant,
                sources=found,
                results=RESULTS,
                max_named=MAX_NAMED,
                describe_counts=describe_counts,
                describe_interval=describe_interval,
                webhook_url=partial(self._webhook_url, tenant),
            )

        def render_whole_page(live: LivePart) -> web.Response:
            notice = NOTICES.get(request.query.get("notice", ""), "")
            return render_page("knowledge_sources.html", operator, tenant, "knowledge", notice=notice, live=live)

        return await self._live.respond(request, SIGNAL, render_part, render_whole_page)

    def _webhook_url(self, tenant: str, source: DocumentSource) -> str:
        """The address at which the source's vendor can announce changes; empty if it cannot."""
        if not isinstance(source_of(source.location), WebhookSource):
            return ""
        config = self._services.config
        return (config.public_url.rstrip("/") or f"http://{config.listen}") + build_webhook_path(tenant, source.id)

    async def act(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Sync a source, or decide about a held removal."""
        tenant, source, act = request.match_info["tenant"], form.get("source"), form.get("act")
        if act not in NOTICES:
            raise InvalidRequest("there is no such action")
        found = (await self._directory.find(tenant, source)).source
        what = "source.sync" if act == "sync" else "source.removals"
        await record_act(self._services.audit, operator, tenant, what, f"source:{source}")
        removals = RemovalDecisions(self._services, tenant)
        if act == "sync":
            await self._directory.demand(tenant, source)
        else:
            await (removals.approve(found) if act == "approve" else removals.discard(found))
        log.info("source_action", by=operator.actor.by, tenant=tenant, source=source, action=act)
        return redirect(build_url(build_path(tenant, "knowledge", "sources"), {"notice": act}))


def describe_counts(run: SyncRun) -> str:
    """Such as ``3 added, 120 unchanged``."""
    named = [f"{count:,} {outcome}" for outcome, count in run.counts.items() if count]
    return ", ".join(named) or "no documents"


def describe_interval(status: SourceStatus) -> str:
    minutes = status.schedule.interval_s / 60
    for unit, length in (("day", 1440), ("hour", 60)):
        if minutes >= length and minutes % length == 0:
            count = int(minutes // length)
            return f"every {unit}" if count == 1 else f"every {count} {unit}s"
    return "only when asked" if not minutes else "every minute" if minutes == 1 else f"every {minutes:g} minutes"
