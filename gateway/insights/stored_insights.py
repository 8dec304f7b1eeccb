"""The latest report of each tenant, written in the background and shown in the console."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.insights.insight_reader import InsightReader
from gateway.insights.period_report import PeriodReport, build_period_report
from gateway.insights.timelines import Period
from gateway.storage.background_reports import BackgroundReport, BackgroundReports
from gateway.wiring.process_services import ProcessServices

MAX_GROUPS = 50
MAX_CONVERSATIONS = 100
"""Groups, and conversations of each, that are stored."""


class StoredInsights(BackgroundReport):
    """``report`` is None before the first one."""

    report: PeriodReport | None = None


class InsightReports:
    """Writes reports in the background, and reads the latest."""

    def __init__(self, services: ProcessServices) -> None:
        self.reader = InsightReader(services)
        self._clock = services.clock
        self._reports = BackgroundReports(services, "insights", StoredInsights)

    async def read(self, tenant: str) -> StoredInsights:
        return await self._reports.read(tenant)

    async def start(self, tenant: str, period: Period) -> bool:
        """Start to write the report of a period, unless one is being written already."""
        return await self._reports.start(tenant, partial(self._write, tenant, period))

    async def close(self) -> None:
        await self._reports.close()

    def close_with(self, app: web.Application) -> None:
        self._reports.close_with(app)

    async def _write(self, tenant: str, period: Period) -> StoredInsights:
        report = await build_period_report(self.reader, tenant, period)
        groups = [
            group.model_copy(update={"conversations": group.conversations[:MAX_CONVERSATIONS]})
            for group in report.groups[:MAX_GROUPS]
        ]
        return StoredInsights(finished_at=self._clock(), report=report.model_copy(update={"groups": groups}))
