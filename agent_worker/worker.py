"""The agent worker: handles the batches of the lanes, and publishes outboxes that a crash left behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

import structlog

from agent_worker.actions.execution.resolver import Resolver
from agent_worker.actions.service import ActionService
from agent_worker.dead_letters import DeadLetterRecorder
from agent_worker.fair_scheduler import FairScheduler
from agent_worker.models.registry import Models
from agent_worker.settings import WorkerSettings
from agent_worker.turn.attachments import AttachmentFetcher
from agent_worker.turn.engine import TurnEngine
from agent_worker.turn.folding import Monotonic
from agent_worker.turn.outbox import Outbox
from schemas.errors import ParleyError
from schemas.ports import Batch, Bus, Clock, FetchFile, Knowledge, Metrics, Record, State, Transcribe
from schemas.runtime import tracing
from schemas.runtime.fair_rotation import PARTY_HEADER, party_of, waiting_key
from schemas.runtime.tracing import LogContext
from schemas.topics import MESSAGE_RECEIVED, RECEIPT_RECORDED

log = structlog.get_logger("parley.worker")
UNPUBLISHED_AFTER = timedelta(seconds=10)
SWEEP_BATCH_SIZE = 100


class Worker:
    """Handler of a consumer group: ``handle`` and ``give_up`` are the callbacks of Lanes.run. Call ``sweep``
    every few seconds."""

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
        pace: FairScheduler | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._state = state
        self._models = models
        self._clock = clock
        self._outbox = Outbox(bus, state.conversations)
        self._actions = ActionService(bus=bus, state=state, clock=clock)
        self._resolver = Resolver(bus=bus, state=state, executor=self._actions.executor, settings=settings, clock=clock)
        self._dead_letters = DeadLetterRecorder(bus=bus, state=state, settings=settings, metrics=metrics, clock=clock)
        self._engine = TurnEngine(
            outbox=self._outbox,
            state=state,
            knowledge=knowledge,
            models=models,
            settings=settings,
            metrics=metrics,
            clock=clock,
            set_aside=self._dead_letters.set_aside,
            attachments=AttachmentFetcher(state.transcript, fetch, transcribe, clock),
            actions=self._actions,
            scheduler=pace,
            monotonic=monotonic,
        )

    async def handle(self, batch: Batch) -> None:
        """A LaneHandler. Raises the errors that the lane handles: Fenced, Unavailable, ModelFailed."""
        first = batch.records[0].headers
        with LogContext(
            tenant=first.get("ce_tenant", ""),
            channel=first.get("ce_channel", ""),
            conversation_id=batch.conversation,
            correlation_id=first.get("ce_correlationid", ""),
        ):
            await (self._handle_traced(batch) if tracing.is_active() else self._engine.handle(batch))
            await self._count_answered(batch.records)

    async def _handle_traced(self, batch: Batch) -> None:
        """Join the trace of the first record, and link those that were folded in later."""
        first = next((r for r in batch.records if r.headers.get("ce_type") != RECEIPT_RECORDED), None)
        if first is None:
            return await self._engine.handle(batch)
        parent = first.headers.get("traceparent", "")
        attributes: dict[str, tracing.Value] = {
            "parley.channel": first.headers.get("ce_channel", ""),
            "parley.conversation_id": batch.conversation,
            "parley.correlation_id": first.headers.get("ce_correlationid", ""),
            "parley.attempt": batch.attempt,
        }
        with tracing.span("turn", parent=parent, kind="consumer", attributes=attributes):
            try:
                await self._engine.handle(batch)
            finally:
                tracing.link({r.headers.get("traceparent", "") for r in batch.records} - {parent})

    async def give_up(self, conversation: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        """A GiveUp callback. Raises only Unavailable errors, and may be repeated."""
        with LogContext(conversation_id=conversation):
            await self._dead_letters.give_up(conversation, records, error, attempts)
            await self._count_answered(records)

    async def _count_answered(self, records: Sequence[Record]) -> None:
        """Tell the limiter that these messages wait no more, if their channel counts them by party."""
        counted: dict[str, list[str]] = {}
        for record in records:
            if PARTY_HEADER in record.headers and record.headers.get("ce_type") == MESSAGE_RECEIVED:
                key = waiting_key(party_of(record.headers, record.key))
                counted.setdefault(key, []).append(record.headers.get("ce_id", ""))
        for key, messages in counted.items():
            try:
                await self._state.limiter.vacate(key, messages)
            except ParleyError as error:  # the limiter forgets them after a while
                log.warning("answers_not_counted", code=error.code)

    async def close(self) -> None:
        """Close the connections to models and to the endpoints of actions."""
        await self._models.close()
        await self._actions.close()

    async def resolve(self) -> int:
        """Resolve actions in doubt and expire approvals. Call it every few seconds. Returns how many it handled."""
        return await self._resolver.run_once()

    async def sweep(self) -> int:
        """Publish outboxes that were committed more than ten seconds ago and never published, because their worker
        died. Returns the number of conversations. Safe beside running turns, because the ids repeat."""
        now = self._clock()
        swept = 0
        unpublished = await self._state.conversations.list_unpublished(
            before=now - UNPUBLISHED_AFTER, limit=SWEEP_BATCH_SIZE
        )
        for conversation in unpublished:
            try:
                swept += bool(await self._outbox.publish_pending(conversation, now))
            except ParleyError as error:
                log.warning("sweep_failed", conversation_id=conversation, code=error.code)
        return swept
