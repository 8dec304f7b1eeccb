"""The report of a period: outcomes by every dimension and over time, and the groups of failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent_worker.learning.insights.outcomes import (
    DIMENSIONS,
    TOTAL,
    ConversationOutcome,
    Dimension,
    HandoffReason,
    OutcomeRow,
    build_row,
    build_rows,
    list_handoff_reasons,
)
from agent_worker.learning.insights.report import InsightGroup, InsightModel, InsightReport, InsightTotals
from gateway.insights.insight_reader import InsightReader, check_installed
from gateway.insights.timelines import Period
from schemas.errors import Unavailable

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_MAX_DAYS = timedelta(days=16)
"""A period up to this long is shown by day, a longer one by week."""
_MAX_STEPS = 106
"""So many weeks are two years; of a longer period a step takes several weeks."""


class OutcomeStep(InsightModel):
    """A day, a week or several. ``durable``, ``autonomous`` (resolved, but reopened), ``handed_off`` and ``others`` add
    up to ``conversations``."""

    since: datetime
    conversations: int
    durable: int
    autonomous: int
    handed_off: int
    others: int


class PeriodReport(InsightModel):
    """``outcomes``: dimension → rows, as ``GET outcomes`` has them. ``steps``: by day, week or several weeks.
    ``missing`` says why there are no groups."""

    since: datetime
    until: datetime
    outcomes: dict[Dimension, list[OutcomeRow]]
    total: OutcomeRow
    handoff_reasons: list[HandoffReason]
    steps: list[OutcomeStep]
    groups: list[InsightGroup] = []
    totals: InsightTotals | None = None
    missing: str = ""


async def build_period_report(reader: InsightReader, tenant: str, period: Period) -> PeriodReport:
    """Read the log once for everything. Raises BusUnavailable, Unavailable."""
    missing = ""
    try:
        check_installed()
    except Unavailable as error:
        missing = f"{error.message}: {error.fix}"
    outcomes, insights = await reader.read_both(tenant, period)
    return summarize(outcomes, insights, period, missing)


def summarize(
    outcomes: Sequence[ConversationOutcome], insights: InsightReport | None, period: Period, missing: str = ""
) -> PeriodReport:
    return PeriodReport(
        since=period.since,
        until=period.until,
        outcomes={by: build_rows(outcomes, by) for by in DIMENSIONS},
        total=build_row(TOTAL, outcomes),
        handoff_reasons=list_handoff_reasons(outcomes),
        steps=_count_by_step(outcomes, period),
        groups=[] if insights is None else insights.groups,
        totals=None if insights is None else insights.totals,
        missing=missing,
    )


def _count_by_step(outcomes: Sequence[ConversationOutcome], period: Period) -> list[OutcomeStep]:
    span = period.until - period.since
    length = _DAY if span <= _MAX_DAYS else _WEEK * -(-span // (_WEEK * _MAX_STEPS))
    steps: list[list[ConversationOutcome]] = [[] for _ in range(-(-span // length))]
    for outcome in outcomes:
        steps[(outcome.at - period.since) // length].append(outcome)
    return [_count_step(period.since + number * length, step) for number, step in enumerate(steps)]


def _count_step(since: datetime, outcomes: Sequence[ConversationOutcome]) -> OutcomeStep:
    durable = sum(outcome.durable for outcome in outcomes)
    autonomous = sum(outcome.autonomous for outcome in outcomes) - durable
    handed_off = sum(outcome.handed_off for outcome in outcomes)
    return OutcomeStep(
        since=since,
        conversations=len(outcomes),
        durable=durable,
        autonomous=autonomous,
        handed_off=handed_off,
        others=len(outcomes) - durable - autonomous - handed_off,
    )
