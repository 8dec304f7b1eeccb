"""The page of the suites: the last run of each, the cases that failed in it, and how earlier runs went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.console.rendering import render_page
from gateway.console.sessions import Operator
from gateway.evals.published_runs import PublishedRun, PublishedRuns
from gateway.wiring.process_services import ProcessServices

_PLOT_WIDTH, _PLOT_HEIGHT = 600, 120
_EDGE = 8
"""Of the plot, in its own units."""


@dataclass(frozen=True, slots=True)
class SuiteHistory:
    """``plot``: the points of the line of shares, oldest first; empty with a single run."""

    name: str
    last: PublishedRun
    earlier: Sequence[PublishedRun]
    plot: Sequence[tuple[float, float, PublishedRun]]


class EvalsPage:
    def __init__(self, services: ProcessServices) -> None:
        self._runs = PublishedRuns(services)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        tenant = request.match_info["tenant"]
        suites: dict[str, list[PublishedRun]] = {}
        for run in await self._runs.read(tenant):
            suites.setdefault(run.suite, []).append(run)
        histories = [SuiteHistory(name, runs[0], runs[1:], _plot(runs)) for name, runs in sorted(suites.items())]
        size = (_PLOT_WIDTH, _PLOT_HEIGHT)
        return render_page("evals.html", operator, tenant, "evals", suites=histories, size=size)


def _plot(runs: Sequence[PublishedRun]) -> list[tuple[float, float, PublishedRun]]:
    """The place of each run, from left to right, with the whole of the cases at the top."""
    if len(runs) < 2:
        return []
    step = (_PLOT_WIDTH - 2 * _EDGE) / (len(runs) - 1)
    height = _PLOT_HEIGHT - 2 * _EDGE
    return [
        (round(_EDGE + number * step, 1), round(_EDGE + (1 - run.share) * height, 1), run)
        for number, run in enumerate(reversed(runs))
    ]
