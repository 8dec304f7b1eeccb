"""The agent worker: what the lanes call for every batch, and what sweeps up after a crash."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

import structlog

from agent_worker.actions.execution.resolver import Resolver
from agent_worker.actions.service import ActionService
from agent_worker.dead_letters import DeadLetterOffice
from agent_worker.fair_scheduler import Pace
from agent_worker.models.registry import Models
from agent_worker.settings import WorkerSettings
from agent_worker.turn.attachments import Files
from agent_worker.turn.engine import TurnEngine
from agent_worker.turn.folding import Monotonic
from agent_worker.turn.outbox import Outbox
from schemas import tracing
from schemas.errors import ParleyError
from schemas.ports import Batch, Bus, Clock, FetchFile, Knowledge, Metrics, Record, State, Transcribe
from schemas.topics import RECEIPT_RECORDED
from schemas.tracing import LogContext

log = structlog.get_logger("parley.worker")
LEFT_BEHIND = timedelta(seconds=10)
SWEEP_AT_ONCE = 100


class Worker:
    """``handle`` and ``give_up`` are what Lanes.run takes; ``sweep`` is to be called every few seconds."""

    def __init__(
        self,
        *,
        bus: Bus,
        state: State,
        knowledge: Knowledge,
        models: Models,
        settings: WorkerSettings,
        metrics: Metrics,
        clock: Clock,
        fetch: FetchFile | None = None,
        transcribe: Transcribe | None = None,
        pace: Pace | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._state = state
        self._models = models
        self._clock = clock
        self._outbox = Outbox(bus, state.conversations)
        self._actions = ActionService(bus=bus, state=state, clock=clock)
        self._resolver = Resolver(bus=bus, state=state, executor=self._actions.executor, settings=settings, clock=clock)
        self._office = DeadLetterOffice(bus=bus, state=state, settings=settings, metrics=metrics, clock=clock)
        self._engine = TurnEngine(
            outbox=self._outbox,
            state=state,
            knowledge=knowledge,
            models=models,
            settings=settings,
            metrics=metrics,
            clock=clock,
            set_aside=self._office.set_aside,
            files=Files(state.transcript, fetch, transcribe, clock),
            actions=self._actions,
            pace=pace,
            monotonic=monotonic,
        )

    async def handle(self, batch: Batch) -> None:
        """A LaneHandler. Raises what the lane is to decide about: Fenced, Unavailable, ModelFailed."""
        first = batch.records[0].headers
        with LogContext(
            tenant=first.get("ce_tenant", ""),
            channel=first.get("ce_channel", ""),
            conversation_id=batch.conversation,
            correlation_id=first.get("ce_correlationid", ""),
        ):
            await (self._traced(batch) if tracing.active() else self._engine.handle(batch))

    async def _traced(self, batch: Batch) -> None:
        """The turn joins the trace of what began it; what was folded in later is linked."""
        first = next((r for r in batch.records if r.headers.get("ce_type") != RECEIPT_RECORDED), None)
        if first is None:
            return await self._engine.handle(batch)
        parent = first.headers.get("traceparent", "")
        about: dict[str, tracing.Value] = {
            "parley.channel": first.headers.get("ce_channel", ""),
            "parley.conversation_id": batch.conversation,
            "parley.correlation_id": first.headers.get("ce_correlationid", ""),
            "parley.attempt": batch.attempt,
        }
        with tracing.span("turn", parent=parent, kind="consumer", attributes=about):
            try:
                await self._engine.handle(batch)
            finally:
                tracing.link({r.headers.get("traceparent", "") for r in batch.records} - {parent})

    async def give_up(self, conversation: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        """A GiveUp: raises only Unavailable errors, and may be repeated."""
        with LogContext(conversation_id=conversation):
            await self._office.give_up(conversation, records, error, attempts)

    async def close(self) -> None:
        """End the connections to models and to what actions call."""
        await self._models.close()
        await self._actions.close()

    async def resolve(self) -> int:
        """Find out about actions that are in doubt, and say which approvals have expired; to be called every few
        seconds. Returns of how many."""
        return await self._resolver.round()

    async def sweep(self) -> int:
        """Publish what was committed more than ten seconds ago and never published: its worker is gone. Returns how
        many conversations needed it. Safe beside running turns: ids repeat."""
        now = self._clock()
        swept = 0
        left = await self._state.conversations.unpublished(before=now - LEFT_BEHIND, limit=SWEEP_AT_ONCE)
        for conversation in left:
            try:
                swept += bool(await self._outbox.publish_pending(conversation, now))
            except ParleyError as error:
                log.warning("sweep_failed", conversation_id=conversation, code=error.code)
        return swept
