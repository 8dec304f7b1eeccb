"""Endpoints for the outcomes of conversations: figures by channel, route, model or intent, and the conversations that
each figure counts."""

from __future__ import annotations

from typing import get_args

from aiohttp import web

from agent_worker.learning.insights.outcomes import (
    DIMENSIONS,
    FIGURES,
    TOTAL,
    ConversationOutcome,
    Dimension,
    Figure,
    build_row,
    build_rows,
    list_handoff_reasons,
)
from gateway.admin.guard import WRONG_CURSOR
from gateway.http.query_times import parse_instant, parse_start
from gateway.http.responses import json_response
from gateway.insights.insight_reader import InsightReader
from gateway.insights.timelines import DEFAULT_PERIOD, Period
from gateway.webchat.serialization import format_instant
from gateway.wiring.process_services import ProcessServices
from schemas.errors import InvalidRequest
from schemas.ports import Clock
from schemas.validation.times import FIRST

MAX_LISTED = 200


class OutcomeApi:
    def __init__(self, services: ProcessServices, reader: InsightReader) -> None:
        self._clock = services.clock
        self._reader = reader

    async def read(self, request: web.Request) -> web.Response:
        """The figures of ``?since`` to ``?until``, one row for each value of ``?by``. Raises InvalidRequest,
        BusUnavailable."""
        period, by = parse_period(request, self._clock), _parse_dimension(request)
        outcomes = await self._reader.read_outcomes(request.match_info["tenant"], period)
        return json_response(describe_outcomes(outcomes, by, period))

    async def list_conversations(self, request: web.Request) -> web.Response:
        """The conversations that a figure counts, the newest first: of all rows, or of the row ``?key``. Raises
        InvalidRequest, BusUnavailable."""
        query, by = request.query, _parse_dimension(request)
        figure, key, reason, after = (query.get(name, "") for name in ("figure", "key", "reason", "after"))
        chosen = next((each for each in FIGURES if each == (figure or "conversations")), None)
        if chosen is None:
            raise InvalidRequest(f"figure: must be one of {', '.join(FIGURES)}")
        outcomes = await self._reader.read_outcomes(request.match_info["tenant"], parse_period(request, self._clock))
        found = select_conversations(outcomes, chosen, by, key, reason)
        ids = [each.id for each in found]
        if after and after not in ids:
            raise InvalidRequest(WRONG_CURSOR)
        start = ids.index(after) + 1 if after else 0
        page = found[start : start + MAX_LISTED]
        items = [{"id": each.id, "channel": each.channel, "at": format_instant(each.at)} for each in page]
        return json_response({"items": items, "next": page[-1].id if start + MAX_LISTED < len(found) else ""})


def select_conversations(
    outcomes: list[ConversationOutcome], figure: Figure, by: Dimension, key: str, reason: str
) -> list[ConversationOutcome]:
    """The conversations that a figure counts, the newest first. ``key`` and ``reason`` are empty for all."""
    found = [
        outcome
        for outcome in outcomes
        if outcome.has(figure) and key in ("", outcome.key(by)) and (not reason or reason in outcome.handoff_reasons)
    ]
    return sorted(found, key=lambda outcome: (outcome.at, outcome.id), reverse=True)


def describe_outcomes(outcomes: list[ConversationOutcome], by: Dimension, period: Period) -> dict[str, object]:
    return {
        "since": format_instant(period.since),
        "until": format_instant(period.until),
        "by": by,
        "rows": [row.model_dump() for row in build_rows(outcomes, by)],
        "total": build_row(TOTAL, outcomes).model_dump(),
        "handoff_reasons": [reason.model_dump() for reason in list_handoff_reasons(outcomes)],
    }


def parse_period(request: web.Request, clock: Clock) -> Period:
    """The period of ``?since`` (a time, or 30d) to ``?until``; without them, the last 30 days. Raises
    InvalidRequest."""
    now = clock()
    until = parse_instant("until", request.query.get("until", "")) or now
    since = parse_start("since", request.query.get("since", ""), now)
    if since is None:
        if until - FIRST <= DEFAULT_PERIOD:
            raise InvalidRequest("until: is too early for a period to end there")
        since = until - DEFAULT_PERIOD
    if since >= until:
        raise InvalidRequest("since: must be before until")
    return Period(since, until, now)


def _parse_dimension(request: web.Request) -> Dimension:
    text = request.query.get("by", "") or DIMENSIONS[0]
    dimension: Dimension | None = next((each for each in get_args(Dimension) if each == text), None)
    if dimension is None:
        raise InvalidRequest(f"by: must be one of {', '.join(DIMENSIONS)}")
    return dimension
