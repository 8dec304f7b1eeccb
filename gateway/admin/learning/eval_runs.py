"""Endpoints for the runs of suites: publish one, and list them."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from pydantic import BaseModel

from gateway.admin.guard import cut_page
from gateway.evals.published_runs import PublishedRun, PublishedRuns
from gateway.http.responses import json_response, read_json
from gateway.wiring.process_services import ProcessServices


class EvalRunList(BaseModel):
    """The published runs, newest first. Only the newest of a suite has its failed cases."""

    items: list[PublishedRun]
    next: str


class EvalRunPublished(BaseModel):
    suite: str
    at: datetime


MAX_BODY = 2 * 1024 * 1024


class EvalRunApi:
    def __init__(self, services: ProcessServices) -> None:
        self._runs = PublishedRuns(services)

    async def publish(self, request: web.Request) -> web.Response:
        """Show a run in the console. Raises InvalidRequest, Unavailable."""
        run = await read_json(request, PublishedRun, limit=MAX_BODY)
        await self._runs.add(request.match_info["tenant"], run)
        return json_response({"suite": run.suite, "at": run.at.isoformat()}, 201)

    async def list_runs(self, request: web.Request) -> web.Response:
        runs = await self._runs.read(request.match_info["tenant"])
        page, following = cut_page(request, runs, lambda run: f"{run.at.isoformat()} {run.suite}")
        return json_response({"items": [run.model_dump(mode="json") for run in page], "next": following})
