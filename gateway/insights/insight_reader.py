"""Outcomes and groups of failures of a tenant's conversations, read from the log.

Nothing is stored for this. A counter beside the log could only differ from it after a crash or a rebuild.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Container, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from itertools import islice

import structlog

from agent_worker.isolated_process import IsolatedProcess, ProcessCrashed
from agent_worker.learning.conversation_log import REPLAY_TYPES, ConversationLog, read_conversation
from agent_worker.learning.insights.outcomes import ConversationOutcome, assess
from agent_worker.learning.insights.report import EMPTY_REPORT, InsightReport
from agent_worker.learning.insights.timeline import TIMELINE_TYPES, Timeline
from gateway.insights.timelines import Period, iterate_timelines
from gateway.training_export.conversation_grouping import (
    ConversationGrouping,
    open_conversation_grouping,
)
from gateway.wiring.engines import channels_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.errors import Unavailable
from schemas.runtime.optional_dependencies import install_command

log = structlog.get_logger("parley.insights")

ANALYSIS_MODULE = "gateway.insights.analysis_process"
_BATCH_SIZE = 50
"""Conversations that are read at a time. Between batches, other threads get their turn."""
_MAX_SECONDS = 600.0


class InsightReader:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        # A reading takes as much disk space as the tenant's part of the log, so only one runs at a time.
        self._lock = asyncio.Lock()

    async def read_outcomes(self, tenant: str, period: Period) -> list[ConversationOutcome]:
        """The outcomes of the conversations of the period, by id. Raises BusUnavailable."""
        async with self._gather(tenant) as grouping:
            return await assess_all(grouping, period)

    async def read_report(self, tenant: str, period: Period) -> InsightReport:
        """The groups of failures of the period. Raises BusUnavailable, Unavailable."""
        check_installed()
        async with self._gather(tenant) as grouping:
            return await analyze_in_process(grouping, period)

    async def read_both(self, tenant: str, period: Period) -> tuple[list[ConversationOutcome], InsightReport | None]:
        """Outcomes, and groups if scikit-learn is installed. Raises BusUnavailable, Unavailable."""
        async with self._gather(tenant) as grouping:
            outcomes = await assess_all(grouping, period)
            return outcomes, await analyze_in_process(grouping, period) if is_installed() else None

    async def read_conversations(self, tenant: str, ids: Sequence[str]) -> list[ConversationLog]:
        """These conversations, as far as the log still has them, in the order of the ids. Raises BusUnavailable."""
        channels = channels_of(self._services.config)
        async with self._gather(tenant, REPLAY_TYPES, [*map(topics.outbound, channels)], only=ids) as grouping:
            found = await grouping.run_in_thread(_read_all, grouping, tenant)
        return [found[id] for id in ids if id in found]

    @asynccontextmanager
    async def _gather(
        self,
        tenant: str,
        types: Container[str] = TIMELINE_TYPES,
        more_topics: Sequence[str] = (),
        *,
        only: Collection[str] = (),
    ) -> AsyncIterator[ConversationGrouping]:
        services = self._services
        sources = [*map(topics.inbound, channels_of(services.config)), *more_topics, topics.EVENTS]
        async with self._lock:
            with open_conversation_grouping(services.config.data_path / "exports") as grouping:
                await grouping.gather(services.bus, tenant, sources, types, only=only)
                yield grouping


async def assess_all(grouping: ConversationGrouping, period: Period) -> list[ConversationOutcome]:
    """The outcomes of all conversations of the period."""
    timelines = iterate_timelines(grouping.active_conversations(period.since))
    found: list[ConversationOutcome] = []
    while batch := await grouping.run_in_thread(_assess_next, timelines, period):
        found += [outcome for outcome in batch if outcome is not None]
    return found


async def analyze_in_process(grouping: ConversationGrouping, period: Period) -> InsightReport:
    """Find the groups in a process of its own: that takes long and much memory, and this process has customers to
    serve. A period without conversations needs none. Raises Unavailable."""
    if not await grouping.run_in_thread(grouping.has_events, period.since):
        return EMPTY_REPORT
    process = IsolatedProcess(ANALYSIS_MODULE)
    request = {"path": str(grouping.path), "since": period.since.isoformat(), "until": period.until.isoformat()}
    try:
        answer, _ = await process.ask(request, b"", seconds=_MAX_SECONDS)
    except (ProcessCrashed, TimeoutError) as error:
        log.warning("analysis_failed", error=type(error).__name__)
        raise Unavailable("the analysis failed", fix="try a shorter period, and look at the log") from error
    finally:
        await process.close()
    return InsightReport.model_validate(answer)


def is_installed() -> bool:
    return find_spec("sklearn") is not None


def check_installed() -> None:
    """Raises Unavailable if scikit-learn is not installed."""
    if not is_installed():
        fix = f"run `make insights` in a checkout, or `{install_command('insights')}` elsewhere"
        raise Unavailable("grouping failures needs scikit-learn, the extra `insights`", fix=fix)


def _read_all(grouping: ConversationGrouping, tenant: str) -> dict[str, ConversationLog]:
    conversations = grouping.conversations(None, None)
    return {id: read_conversation(id, tenant, [each.to_recorded() for each in events]) for id, events in conversations}


def _assess_next(timelines: Iterator[Timeline], period: Period) -> list[ConversationOutcome | None]:
    """The outcomes of the next conversations; empty when there are no more."""
    return [assess(timeline, period.since, period.until, period.now) for timeline in islice(timelines, _BATCH_SIZE)]
