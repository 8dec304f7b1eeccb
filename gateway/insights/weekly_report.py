"""The report of a week for the desk."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

from connectors.desk.contents import WeeklyReport
from gateway.insights.insight_reader import InsightReader
from gateway.insights.period_report import PeriodReport, build_period_report
from gateway.insights.report_rendering import (
    SIGNAL_TITLES,
    format_day,
    format_dollars,
    format_duration,
    format_percent,
    format_share,
)
from gateway.insights.timelines import Period
from gateway.wiring.process_services import ProcessServices
from schemas.validation.texts import describe_count

_WEEK = timedelta(days=7)
_MAX_GROUPS = 5


async def write_weekly_report(services: ProcessServices, tenant: str, until: datetime) -> WeeklyReport:
    """The report of the seven days before. Raises BusUnavailable, Unavailable."""
    period = Period(until - _WEEK, until, services.clock())
    report = await build_period_report(InsightReader(services), tenant, period)
    base = services.config.public_url.rstrip("/")
    return summarize_week(report, f"{base}/console/{quote(tenant, safe='')}/insights" if base else "")


def summarize_week(report: PeriodReport, link: str) -> WeeklyReport:
    total = report.total
    count = total.conversations
    with_agent, with_people = format_percent(total.csat_agent), format_percent(total.csat_people)
    figures = [
        describe_count(count, "conversation"),
        f"{format_share(total.durable, count)} resolved by the agent for good, as far as is known",
        f"{format_share(total.handed_off, count)} passed to people",
        f"{format_duration(total.first_reply_ms)} to the first reply (median)",
        f"{format_dollars(total.cost_per_durable)} per durable resolution",
        f"satisfied: {with_agent} with the agent, {with_people} with people",
    ]
    groups = [
        f"{number}. {group.title} ({SIGNAL_TITLES[group.signal].lower()}, {describe_count(group.count, 'time')}). "
        f"{group.suggestion}"
        for number, group in enumerate(report.groups[:_MAX_GROUPS], 1)
    ]
    title = f"The week from {format_day(report.since)} to {format_day(report.until)}"
    return WeeklyReport(title, tuple(figures), tuple(groups), link)
