"""The table of the endpoints for what is learned from conversations: outcomes, insights and evals."""

from __future__ import annotations

from agent_worker.learning.insights.report import InsightReport
from gateway.admin.learning.eval_runs import EvalRunList, EvalRunPublished
from gateway.evals.published_runs import PublishedRun
from gateway.http import insight_models as models
from gateway.http.endpoints.api_endpoint import (
    ADMIN_ERRORS,
    BODY_ERRORS,
    PAGE_ERRORS,
    PAGE_QUERY,
    ApiEndpoint,
    describe_admin_endpoint,
)
from gateway.insights.period_report import PeriodReport

_PERIOD = {
    "since": "When the period begins: a time, or how long ago, such as 30d (default) or 12h.",
    "until": "When the period ends (default: now).",
}
_BY = {"by": "channel (default), route, model or intent."}


LEARNING_ENDPOINTS: tuple[ApiEndpoint, ...] = (
    describe_admin_endpoint(
        "GET",
        "/insights",
        "Group the failed answers of a period, each group with the cheapest cure.",
        {200: InsightReport},
        query=_PERIOD,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "POST",
        "/insights/{group}/draft",
        "Save the draft of a document that people's answers to a group of questions make.",
        {201: models.DocumentDraftResponse},
        query=_PERIOD,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "GET",
        "/report",
        "Read outcomes and groups of failed answers of a period.",
        {200: PeriodReport},
        query=_PERIOD,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "GET",
        "/outcomes",
        "Count the outcomes of the conversations of a period.",
        {200: models.OutcomesResponse},
        query=_PERIOD | _BY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "GET",
        "/outcomes/conversations",
        "List the conversations that a figure of the outcomes counts, the newest first.",
        {200: models.OutcomeConversationListResponse},
        query=_PERIOD
        | _BY
        | {
            "figure": "conversations (default), autonomous, durable, provisional, handed_off, reopened or rated.",
            "key": "Only those of this row.",
            "reason": "Only those that were passed to people for this reason.",
            "after": "The `next` of the previous page.",
        },
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "GET",
        "/finetune/examples",
        "Export the answers that people approved, wrote or rejected, with the requests that the model saw, masked, as"
        " JSON lines, for `parley finetune data`.",
        {200: "application/x-ndjson"},
        query={
            "since": "Only conversations last answered at this time or later: a time, or how long ago, such as 30d.",
            "until": "Only conversations last answered before this time.",
        },
        errors=("invalid_request", "unavailable", *ADMIN_ERRORS),
    ),
    describe_admin_endpoint(
        "GET",
        "/evals",
        "List the published runs of suites, newest first.",
        {200: EvalRunList},
        query=PAGE_QUERY,
        errors=PAGE_ERRORS,
    ),
    describe_admin_endpoint(
        "POST",
        "/evals",
        "Publish a run of a suite, so that the console shows it.",
        {201: EvalRunPublished},
        body=PublishedRun,
        errors=(*BODY_ERRORS, *ADMIN_ERRORS),
    ),
)
