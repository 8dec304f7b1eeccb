"""The page of insights: outcomes with plots, groups of failed answers with their cures and cases, and the conversations
behind each figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from markupsafe import Markup

from agent_worker.learning.insights.outcomes import DIMENSIONS, FIGURES
from gateway.admin.learning.insights import find_group
from gateway.admin.learning.outcomes import select_conversations
from gateway.console.forms import Form
from gateway.console.live_updates import LivePart, LiveUpdates
from gateway.console.rendering import build_path, redirect, render, render_page
from gateway.console.sessions import Operator
from gateway.evals.recorded_cases import build_case
from gateway.evals.suite_files import format_suite
from gateway.insights.document_drafts import save_proposal
from gateway.insights.period_report import PeriodReport
from gateway.insights.plots import draw_outcomes, draw_parts
from gateway.insights.report_rendering import SIGNAL_TITLES
from gateway.insights.stored_insights import InsightReports
from gateway.insights.timelines import Period
from gateway.knowledge.editor import DocumentEditor
from gateway.wiring.process_services import ProcessServices
from schemas.errors import InvalidRequest, NotFound

PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days"}
MAX_LISTED = 200
CURE_TITLES = {
    "document": "A document",
    "prompt": "The instructions or the voice",
    "routing": "The routing",
    "action": "An action",
    "tuning": "Tuning a model",
}
FIGURE_TITLES = {
    "conversations": "All conversations",
    "autonomous": "Resolved by the agent alone",
    "durable": "Resolved by the agent for good",
    "provisional": "Resolved less than seven days ago",
    "handed_off": "Passed to people",
    "reopened": "Reopened within seven days",
    "rated": "Rated",
}


@dataclass(frozen=True, slots=True)
class ConversationLink:
    id: str
    channel: str = ""
    at: datetime | None = None


class InsightsPage:
    def __init__(self, services: ProcessServices, live: LiveUpdates, reports: InsightReports) -> None:
        self._services = services
        self._live = live
        self._reports = reports
        self._editor = DocumentEditor(services)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        tenant = request.match_info["tenant"]

        async def render_part() -> Markup:
            stored = await self._reports.read(tenant)
            report = stored.report
            return render(
                "insights_report.html",
                operator=operator,
                tenant=tenant,
                stored=stored,
                report=report,
                is_running=stored.is_running(self._services.clock()),
                plot="" if report is None else draw_outcomes(report.steps),
                draw_parts=draw_parts,
                signals=SIGNAL_TITLES,
                cures=CURE_TITLES,
            )

        def render_whole_page(live: LivePart) -> web.Response:
            return render_page("insights.html", operator, tenant, "insights", live=live, periods=PERIODS)

        return await self._live.respond(request, f"console:{tenant}:insights", render_part, render_whole_page)

    async def update(self, request: web.Request, _: Operator, form: Form) -> web.Response:
        """Read the log for a new report."""
        tenant = request.match_info["tenant"]
        if form.get("days") not in PERIODS:
            raise InvalidRequest("days: must be one of the periods offered")
        now = self._services.clock()
        await self._reports.start(tenant, Period(now - timedelta(days=int(form.get("days"))), now, now))
        return redirect(build_path(tenant, "insights"))

    async def save_draft(self, request: web.Request, operator: Operator, _: Form) -> web.Response:
        """Save what people answered to a group as a draft. Raises NotFound."""
        tenant = request.match_info["tenant"]
        group = find_group((await self._find_report(tenant)).groups, request.match_info["group"])
        own = self._services.config.tenants[tenant].protection.own_number_finder
        saved = await save_proposal(self._editor, tenant, group, own, operator.label)
        return redirect(build_path(tenant, "knowledge", "documents", saved.id))

    async def export_cases(self, request: web.Request, _: Operator) -> web.Response:
        """Download the examples of a group as a suite of cases for ``parley eval``. Raises NotFound, BusUnavailable."""
        tenant = request.match_info["tenant"]
        group = find_group((await self._find_report(tenant)).groups, request.match_info["group"])
        logs = await self._reports.reader.read_conversations(tenant, group.examples)
        if not logs:
            raise NotFound("the log does not hold these conversations any more")
        suite = format_suite([build_case(log, failed=True) for log in logs])
        headers = {"Content-Disposition": f'attachment; filename="evals-{group.id}.yaml"', "Cache-Control": "no-store"}
        return web.Response(text=suite, content_type="application/yaml", headers=headers)

    async def show_conversations(self, request: web.Request, operator: Operator) -> web.Response:
        """List the conversations of a figure, a handoff reason, or a group. Raises NotFound, InvalidRequest."""
        tenant, query = request.match_info["tenant"], request.query
        report = await self._find_report(tenant)
        if id := query.get("group", ""):
            group = find_group(report.groups, id)
            title, found = group.title, [ConversationLink(each) for each in group.conversations]
        else:
            title, found = await self._list_of_figure(tenant, report, query)
        template, listed = "insight_conversations.html", found[:MAX_LISTED]
        return render_page(template, operator, tenant, "insights", title=title, count=len(found), found=listed)

    async def _list_of_figure(
        self, tenant: str, report: PeriodReport, query: Mapping[str, str]
    ) -> tuple[str, list[ConversationLink]]:
        figure = next((each for each in FIGURES if each == query.get("figure", "conversations")), None)
        by = next((each for each in DIMENSIONS if each == query.get("by", DIMENSIONS[0])), None)
        if figure is None or by is None:
            raise InvalidRequest("there is no such figure")
        key, reason = query.get("key", ""), query.get("reason", "")
        period = Period(report.since, report.until, self._services.clock())
        outcomes = await self._reports.reader.read_outcomes(tenant, period)
        found = select_conversations(outcomes, figure, by, key, reason)
        about = reason or (f"{by} {key}" if key else "")
        title = f"{FIGURE_TITLES[figure]}: {about}" if about else FIGURE_TITLES[figure]
        return title, [ConversationLink(each.id, each.channel, each.at) for each in found]

    async def _find_report(self, tenant: str) -> PeriodReport:
        stored = await self._reports.read(tenant)
        if stored.report is None:
            raise NotFound("there is no report yet")
        return stored.report
