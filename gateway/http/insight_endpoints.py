"""The table of the endpoints about outcomes and insights."""

from __future__ import annotations

from pydantic import BaseModel

from agent_worker.learning.insights.report import InsightReport
from gateway.http import insight_models as models
from gateway.http.api_endpoint import ADMIN, ApiEndpoint
from gateway.insights.period_report import PeriodReport

_ERRORS = ("invalid_request", "unauthorized", "not_found", "rate_limited", "unavailable")
_PERIOD = {
    "since": "When the period begins: a time, or how long ago, such as 30d (default) or 12h.",
    "until": "When the period ends (default: now).",
}
_BY = {"by": "channel (default), route, model or intent."}


def _endpoint(
    path: str, summary: str, response: type[BaseModel], query: dict[str, str], *, method: str = "GET", status: int = 200
) -> ApiEndpoint:
    return ApiEndpoint(
        method,
        "/v1/admin/{tenant}" + path,
        summary,
        {status: response},
        auth=ADMIN,
        query=query,
        errors=_ERRORS,
        group="admin",
    )


INSIGHT_ENDPOINTS: tuple[ApiEndpoint, ...] = (
    _endpoint(
        "/insights", "Group the failed answers of a period, each group with the cheapest cure.", InsightReport, _PERIOD
    ),
    _endpoint(
        "/insights/{group}/draft",
        "Save the draft of a document that people's answers to a group of questions make.",
        models.DraftSavedResponse,
        _PERIOD,
        method="POST",
        status=201,
    ),
    _endpoint("/report", "Read outcomes and groups of failed answers of a period.", PeriodReport, _PERIOD),
    _endpoint(
        "/outcomes", "Count the outcomes of the conversations of a period.", models.OutcomesResponse, _PERIOD | _BY
    ),
    _endpoint(
        "/outcomes/conversations",
        "List the conversations that a figure of the outcomes counts, the newest first.",
        models.OutcomeConversationListResponse,
        _PERIOD
        | _BY
        | {
            "figure": "conversations (default), autonomous, durable, provisional, handed_off, reopened or rated.",
            "key": "Only those of this row.",
            "reason": "Only those that were passed to people for this reason.",
            "after": "The `next` of the previous page.",
        },
    ),
)
