"""The weekly report at the desk: posted once in the channel of each tenant that wants it, on a fixed day."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from connectors.desk.contents import WeeklyReport
from connectors.desk.posts.consumer import DeskConsumer, report_thread_id
from connectors.desk.rules import TenantDeskRules, WeeklyReportRules
from schemas import ids
from schemas.errors import Parked, Unavailable
from schemas.ports import Clock, State

log = structlog.get_logger("parley.desk")

LEASE_SECONDS = 900.0
"""Seconds after which another process may write the report of a tenant."""
LATEST = timedelta(days=1)
"""A report that could not be posted for this long is left out."""
WriteReport = Callable[[str, datetime], Awaitable[WeeklyReport]]
"""``(tenant, until)`` → the report of the seven days before."""


def find_occasion(rules: WeeklyReportRules, now: datetime) -> datetime:
    """The last time at which a report was due."""
    local = now.astimezone(rules.timezone)
    due = local.replace(hour=rules.hour, minute=0, second=0, microsecond=0)
    due -= timedelta(days=(due.weekday() - rules.weekday) % 7)
    return due if due <= local else due - timedelta(days=7)


class WeeklyReportTimer:
    """Posts reports that are due. One process at a time does so for a tenant, and the delivery is on record, so each is
    posted once."""

    def __init__(
        self,
        consumer: DeskConsumer,
        rules: Mapping[str, TenantDeskRules],
        write: WriteReport,
        *,
        state: State,
        clock: Clock,
    ) -> None:
        self._consumer = consumer
        self._rules = rules
        self._write = write
        self._state = state
        self._clock = clock
        self._holder = uuid4().hex

    async def run(self) -> None:
        """Raises BusUnavailable, StateUnavailable, StateLost."""
        for tenant, rules in self._rules.items():
            if rules.report is not None:
                await self._run_tenant(tenant, rules.report)

    async def _run_tenant(self, tenant: str, rules: WeeklyReportRules) -> None:
        now = self._clock()
        due = find_occasion(rules, now)
        if now - due > LATEST or await self._is_posted(tenant, due):
            return
        lease = f"desk-report:{tenant}"
        if await self._state.leases.acquire(lease, self._holder, ttl=LEASE_SECONDS, now=now) is None:
            return
        try:
            report = await self._write(tenant, due)
            await self._consumer.post_report(tenant, _marker(tenant, due), report, due)
        except (Parked, Unavailable) as error:
            log.info("weekly_report_postponed", tenant=tenant, reason=error.code)
        finally:
            await self._state.leases.release(lease, self._holder)

    async def _is_posted(self, tenant: str, due: datetime) -> bool:
        return await self._state.deliveries.outcome(report_thread_id(tenant), _marker(tenant, due)) is not None


def _marker(tenant: str, due: datetime) -> str:
    return ids.derived_id(tenant, f"weekly-report-{due.date().isoformat()}")
