"""The page of the documents' health: the report of the last check, and the form to check again."""

from __future__ import annotations

from aiohttp import web
from markupsafe import Markup

from gateway.console.forms import Form
from gateway.console.live_updates import LivePart, LiveUpdates
from gateway.console.rendering import build_path, redirect, render, render_page
from gateway.console.sessions import Operator
from gateway.knowledge.health import TITLES, HealthChecks
from gateway.wiring.process_services import ProcessServices


class KnowledgeHealthPage:
    def __init__(self, services: ProcessServices, live: LiveUpdates, checks: HealthChecks) -> None:
        self._services = services
        self._live = live
        self._checks = checks

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        tenant = request.match_info["tenant"]

        async def render_part() -> Markup:
            report = await self._checks.read(tenant)
            return render(
                "knowledge_health_report.html",
                tenant=tenant,
                report=report,
                is_running=report.is_running(self._services.clock()),
                groups=[
                    (code, title, [each for each in report.findings if each.code == code])
                    for code, title in TITLES.items()
                ],
            )

        def render_whole_page(live: LivePart) -> web.Response:
            return render_page("knowledge_health.html", operator, tenant, "knowledge", live=live)

        return await self._live.respond(request, f"console:{tenant}:health", render_part, render_whole_page)

    async def check(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Start a check; the page shows when it is done."""
        tenant = request.match_info["tenant"]
        await self._checks.start(tenant, links=form.get("links") == "yes")
        return redirect(build_path(tenant, "knowledge", "health"))
