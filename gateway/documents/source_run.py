"""One sync of one source: it reads the source, holds what is to be decided, and records the result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from agent_worker.sources.registry import controls_access
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import LocalDocumentStore
from gateway.documents.removals import RemovalDecisions
from gateway.documents.schedule import SyncSchedule
from gateway.documents.source_lease import SourceLease
from gateway.documents.source_state import (
    PendingRemoval,
    RefusedDocument,
    SourceState,
    SourceStates,
    SyncProgress,
    SyncRun,
)
from gateway.documents.sync import OWN_OUTAGES, SyncReport, sync_documents
from gateway.wiring.process_services import ProcessServices
from schemas.errors import Fenced, ParleyError

log = structlog.get_logger("parley.knowledge")

_MAX_NAMED = 200
_OUTCOMES = ("added", "changed", "unchanged", "removed")
DOCUMENT_OUTCOMES = (*_OUTCOMES, "refused", "held")
"""What is counted in each sync."""


class SourceRun:
    """``id`` tells this sync from others of the source."""

    def __init__(
        self,
        services: ProcessServices,
        states: SourceStates,
        tenant: str,
        source: DocumentSource,
        schedule: SyncSchedule,
        id: str,
    ) -> None:
        self._services = services
        self._states = states
        self._tenant = tenant
        self._source = source
        self._schedule = schedule
        self._id = id
        self._removals = RemovalDecisions(services, tenant)
        self._started = services.clock()
        self._before = SourceState()
        self._allows_removals = False
        self._read = 0

    async def begin(self, is_due: Callable[[SourceState], bool]) -> bool:
        """Record that the sync runs. False if it is no longer due."""

        def change(state: SourceState) -> None:
            if not is_due(state):
                return
            self._allows_removals = state.demand is not None and state.demand.allow_removals
            state.running = SyncProgress(id=self._id, started=self._started)
            state.demand = None

        self._before = await self._states.change(self._tenant, self._source.id, change)
        return self._before.running is not None and self._before.running.id == self._id

    async def sync(self, lease: SourceLease) -> None:
        """Raises Fenced, and errors of the log and the state store: then the sync goes on later."""
        report, failure = SyncReport(), None
        lease.on_save = self._record_progress
        try:
            await lease.load()
            report = await sync_documents(
                LocalDocumentStore(self._services, self._tenant),
                [self._source],
                remove=True,
                crawl_states=lease,
                step=self._count,
                allow_removals=self._allows_removals,
                kept=self._before.kept,
            )
            failure = report.errors.get(self._source.label)
        except (Fenced, *OWN_OUTAGES):
            raise
        except ParleyError as error:
            failure = error
        except Exception as error:  # a plug-in's
            log.error("source_failed", tenant=self._tenant, source=self._source.id, exc_info=True)
            failure = ParleyError(f"the source failed ({type(error).__name__})", fix="look at the log")
        await self._finish(report, failure)

    def _count(self, _name: str) -> None:
        self._read += 1

    async def _record_progress(self) -> None:
        def change(state: SourceState) -> None:
            self._require_running(state).read = self._read

        await self._states.change(self._tenant, self._source.id, change)

    def _require_running(self, state: SourceState) -> SyncProgress:
        """Raises Fenced if another sync has begun since this one did."""
        if state.running is None or state.running.id != self._id:
            raise Fenced("another process syncs this source")
        return state.running

    async def _finish(self, report: SyncReport, failure: ParleyError | None) -> None:
        is_complete = failure is None and not report.incomplete
        held = await self._hold(report, is_complete=is_complete)
        now = self._services.clock()
        run = _describe(report, failure, self._started, now)
        retry_after_s = (failure.retry_after_ms or 0) / 1000 if failure else 0.0

        def change(state: SourceState) -> None:
            self._require_running(state)
            state.running, state.last, state.held = None, run, held
            state.failures = 0 if failure is None else state.failures + 1
            state.next_run = self._schedule.next_run(now, state.failures, retry_after_s)
            if is_complete:
                state.succeeded_at, state.is_stale = now, False
                state.kept = [id for id in state.kept if id not in {*report.added, *report.changed, *report.unchanged}]

        await self._states.change(self._tenant, self._source.id, change)
        self._report(run)

    async def _hold(self, report: SyncReport, *, is_complete: bool) -> PendingRemoval | None:
        """What is held after this sync. Documents that are back at the source answer questions again."""
        before = self._before.held
        if not is_complete and before is not None:
            back = {*report.added, *report.changed, *report.unchanged}
            left = [id for id in before.documents if id not in back]
            hidden = {id: expires for id, expires in before.hidden.items() if id not in back}
            return (
                PendingRemoval(since=before.since, documents=left, total=before.total, hidden=hidden) if left else None
            )
        documents = report.held.get(self._source.label, [])
        hidden = dict(before.hidden) if before else {}
        settled = {*documents, *report.removed, *report.added, *report.changed}
        await self._removals.restore({id: expires for id, expires in hidden.items() if id not in settled})
        if not documents:
            return None
        hidden = {id: expires for id, expires in hidden.items() if id in documents}
        if controls_access(self._source.location):
            hidden |= await self._removals.read_expiries(id for id in documents if id not in hidden)
        since = before.since if before else self._services.clock()
        total = len(documents) + len(report.unchanged) + len(report.changed)
        held = PendingRemoval(since=since, documents=documents, total=total, hidden=hidden)
        # Before they are hidden: after a kill their own expiries would be lost.
        await self._record_held(held)
        await self._removals.hide(hidden)
        return held

    async def _record_held(self, held: PendingRemoval) -> None:
        def change(state: SourceState) -> None:
            self._require_running(state)
            state.held = held

        await self._states.change(self._tenant, self._source.id, change)

    def _report(self, run: SyncRun) -> None:
        tenant, source, metrics = self._tenant, self._source.id, self._services.metrics
        metrics.count("parley_knowledge_sync_runs_total", tenant=tenant, source=source, result=run.result)
        for outcome, count in run.counts.items():
            metrics.count("parley_knowledge_sync_documents_total", count, tenant=tenant, source=source, outcome=outcome)
        log.info("source_synced", tenant=tenant, source=source, result=run.result, code=run.code, **run.counts)


def _describe(report: SyncReport, failure: ParleyError | None, started: datetime, ended: datetime) -> SyncRun:
    refused = [each for each in report.refused if failure is None or each.id or each.is_gone]
    lists = [
        *(getattr(report, name) for name in _OUTCOMES),
        refused,
        [id for ids in report.held.values() for id in ids],
    ]
    return SyncRun(
        started=started,
        ended=ended,
        result="failed" if failure else "incomplete" if report.incomplete else "succeeded",
        code=failure.code if failure else "",
        why=failure.message if failure else "",
        fix=failure.fix if failure else "",
        counts={name: len(found) for name, found in zip(DOCUMENT_OUTCOMES, lists, strict=True)},
        **{name: getattr(report, name)[:_MAX_NAMED] for name in _OUTCOMES},
        refused=[
            RefusedDocument(name=each.name, document=each.id, code=each.code, why=each.why, fix=each.fix)
            for each in refused[:_MAX_NAMED]
        ],
        notes=report.notes[:_MAX_NAMED],
    )
