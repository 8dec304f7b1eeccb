"""The table of the endpoints for what is learned from conversations."""

from __future__ import annotations

from gateway.admin.eval_runs import EvalRunList, EvalRunPublished
from gateway.evals.published_runs import PublishedRun
from gateway.http.api_endpoint import ADMIN_ERRORS, BODY_ERRORS, ApiEndpoint, describe_admin_endpoint

LEARNING_ENDPOINTS: tuple[ApiEndpoint, ...] = (
    describe_admin_endpoint("GET", "/evals", "List the published runs of suites, newest first.", {200: EvalRunList}),
    describe_admin_endpoint(
        "POST",
        "/evals",
        "Publish a run of a suite, so that the console shows it.",
        {201: EvalRunPublished},
        body=PublishedRun,
        errors=(*BODY_ERRORS, *ADMIN_ERRORS),
    ),
)
