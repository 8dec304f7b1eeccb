"""One turn, from the waiting messages to the published reply.

    fold → load → settle, act, retrieve, route, answer → conclude → commit → publish

Each stage takes values and returns one. A turn that is cancelled by an arrival begins again at load, with everything.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial

import structlog

from agent_worker.actions.service import ActionService
from agent_worker.fair_scheduler import FairScheduler
from agent_worker.handoff.coordinator import HandoffCoordinator
from agent_worker.learning.recordings import Recordings
from agent_worker.learning.turn_recorder import record_turn
from agent_worker.models.registry import Models
from agent_worker.settings import WorkerSettings
from agent_worker.turn.answering import Answering, DocumentsPending
from agent_worker.turn.attachments import AttachmentFetcher
from agent_worker.turn.contact_limits import ContactLimits
from agent_worker.turn.envelopes import announce_reply, build_outbound
from agent_worker.turn.folding import Fold, Interruption, Monotonic
from agent_worker.turn.loader import SetAside, TurnLoader
from agent_worker.turn.metrics import StageTimer, count_turn, observe_wait
from agent_worker.turn.outbox import Outbox, build_snapshot_event
from agent_worker.turn.reply_stream import ReplyStream, TypingSignals, run_if_slow
from agent_worker.turn.result import TurnResult, conclude
from agent_worker.turn.values import Reply, Response, TurnInput
from schemas.conversation import DocumentWait
from schemas.errors import Fenced, Parked, Unavailable
from schemas.ids import derived_id
from schemas.messages import Author, OutboundMessage
from schemas.ports import Batch, Clock, CommitResult, Knowledge, Metrics, Publication, State
from schemas.runtime import crash_points

log = structlog.get_logger("parley.worker")
_AT_ONCE = nullcontext()
LONGEST_WAIT = timedelta(minutes=10)
"""Time for which a question waits for documents that are being read. Then it is answered from what there is."""
_QUIET: Mapping[str, timedelta] = {"web": timedelta(seconds=2)}
_OTHERS_QUIET = timedelta(seconds=10)
"""Time before the contact is asked for patience: later where a message rings a phone."""
_LEAST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=2), timedelta(seconds=15)
"""Between two looks at the documents. A contact who asks for a person meanwhile waits as long."""


class TurnEngine:
    """Handles one batch of one conversation."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        state: State,
        knowledge: Knowledge,
        models: Models,
        settings: WorkerSettings,
        metrics: Metrics,
        clock: Clock,
        set_aside: SetAside,
        attachments: AttachmentFetcher,
        actions: ActionService,
        scheduler: FairScheduler | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._state = state
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic
        self._scheduler = scheduler or FairScheduler()
        self._typing = TypingSignals(state.signals, settings.hinted, clock)
        self._recordings = Recordings()
        limits = ContactLimits(state.limiter, clock)
        self._answering = Answering(knowledge, models, actions, state.contacts, limits, clock, LONGEST_WAIT)
        self._handoffs = HandoffCoordinator(
            state=state, outbox=outbox, actions=actions, knowledge=knowledge, models=models, clock=clock
        )
        self._loader = TurnLoader(
            state=state,
            outbox=outbox,
            handoffs=self._handoffs,
            attachments=attachments,
            settings=settings,
            metrics=metrics,
            clock=clock,
            set_aside=set_aside,
        )

    async def handle(self, batch: Batch) -> None:
        """Handle a batch. Raises Fenced if another process changed the conversation meanwhile: the lane then begins
        again."""
        stage = StageTimer(self._monotonic)
        fold = await self._fold(batch, stage)
        waiting_since = self._monotonic()
        async with self._scheduler.slot(*fold.party) as waited:
            stage.milliseconds["wait"] = round((self._monotonic() - waiting_since) * 1000, 3)
            if waited and batch.revoking.is_set():
                raise Unavailable("the partition is being reassigned; its next owner answers")
            if batch.arrived.is_set():
                batch.take_more()
            await self._take_turn(fold, stage)
            while fold.next_speaker():
                await self._take_turn(fold, StageTimer(self._monotonic))

    async def _take_turn(self, fold: Fold, stage: StageTimer) -> None:
        """Run the turn of one contact. It restarts when more messages arrive in time."""
        while True:
            with stage("load"):
                turn = await self._loader.load(fold)
            if turn is None:
                return
            stream = self._open_stream(turn, fold)
            with record_turn() as recorder:
                try:
                    response = await self._respond(turn, fold, stream, stage)
                except DocumentsPending:
                    raise await self._set_aside_until_read(turn) from None
            if response is not None:
                break
            await self._restart(fold, stream, stage)
        with stage("commit"):
            now = self._clock()
            result = conclude(turn, response, stage.milliseconds, now)
            result = self._recordings.add_to(result, turn, response, recorder, now)
            committed = await self._commit(turn, result, now)
        if committed.verdict == "stale":
            await stream.abort()
            raise Fenced("the conversation changed while the turn ran")
        self._recordings.note_written(result.outbox, now)
        crash_points.reach("worker.after_commit")
        with stage("publish"):
            await self._publish(turn, result, committed)
        count_turn(self._metrics, turn, response, result, stage)
        replies = int(response.reply.draft is not None)
        log.info("turn_done", turn_id=turn.id, handled=len(turn.intake.handled), replies=replies)
        observe_wait(self._metrics, turn, response, fold.batch.records[0], self._clock())

    # ── fold ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _fold(self, batch: Batch, stage: StageTimer) -> Fold:
        """Wait for a quiet moment, so that a burst of messages becomes one turn."""
        rules = self._settings.of(batch.records[0].headers.get("ce_tenant", ""))
        fold = Fold(batch, rules.fold, self._clock, self._monotonic)
        with stage("fold"):
            if batch.attempt == 1:
                await fold.wait_for_quiet()
        return fold

    async def _restart(self, fold: Fold, stream: ReplyStream, stage: StageTimer) -> None:
        """Restart after an arrival: withdraw the streamed text, and begin again with all messages."""
        await stream.abort()
        fold.restart()
        with stage("fold"):
            await fold.wait_for_quiet()

    # ── settle, act, retrieve, route, answer ─────────────────────────────────────────────────────────────────────────

    async def _respond(self, turn: TurnInput, fold: Fold, stream: ReplyStream, stage: StageTimer) -> Response | None:
        """None when more messages arrived and the turn is to restart with them."""
        response = Response()
        if not turn.must_respond:
            return response
        if fold.must_restart:
            return None
        if turn.must_answer:
            await self._answering.check_document_wait(turn)
        try:
            with Interruption(fold) as interruption:
                actions, reply = None, Reply()
                if turn.may_act:
                    with stage("act"):
                        actions = await self._answering.settle(turn, interruption.seal)
                if turn.must_answer:
                    with self._typing.while_writing(turn.conversation, turn.newest.external_id):
                        stream.show_typing(turn.rules.voice.name)
                        async with run_if_slow(partial(self._announce, turn)) if self._announces(turn) else _AT_ONCE:
                            reply = await self._answering.reply(turn, actions, stream, stage)
                effects = None if actions is None else actions.effects
                suggestions = await self._handoffs.draft_replies(turn, reply)
                handoff_request = await self._handoffs.prepare_request(turn, reply, effects)
                response = Response(reply, effects, suggestions, handoff_request)
        except Exception:
            await stream.abort()
            raise
        if interruption.happened:
            return None
        crash_points.reach("worker.after_model")
        return response

    def _open_stream(self, turn: TurnInput, fold: Fold) -> ReplyStream:
        return ReplyStream(
            self._state.signals,
            turn.conversation.id,
            turn.id,
            turn.conversation.epoch,
            silent=turn.conversation.origin.channel not in self._settings.live_text,
            is_cancelled=lambda: fold.must_restart,
        )

    def _announces(self, turn: TurnInput) -> bool:
        """True if a connector shows live replies on the channel, and a reply may take long."""
        return turn.conversation.origin.channel in self._settings.announced and not turn.intake.asks_for_person

    async def _announce(self, turn: TurnInput) -> None:
        """Announce the reply to the connector."""
        name, now = turn.rules.voice.name, self._clock()
        begun = announce_reply(turn.conversation, turn.id, name=name, message=turn.newest, now=now)
        await self._outbox.announce(turn.chain.wrap_reply_begun(begun))

    async def _set_aside_until_read(self, turn: TurnInput) -> Parked:
        """Store that the messages wait for documents, and ask the contact for patience once they have for a while."""
        now, conversation, before = turn.loaded_at, turn.conversation, turn.document_wait
        wait = before or DocumentWait(since=now, message=turn.newest.id)
        waited, quiet = now - wait.since, _QUIET.get(conversation.origin.channel, _OTHERS_QUIET)
        is_due = not wait.announced and waited >= quiet
        outbox = [turn.chain.wrap_message(build_wait_notice(turn, wait.message), now)] if is_due else []
        wait = DocumentWait(since=wait.since, message=turn.newest.id, announced=wait.announced or is_due)
        if wait != before:
            committed = await self._state.conversations.commit(
                conversation.id,
                token=turn.token,
                version=conversation.version,
                epoch=conversation.epoch,
                facts=conversation.facts.model_copy(update={"document_wait": wait, "locale": turn.locale}),
                handled=[],
                outbox=outbox,
                now=now,
                publication=Publication(partial(build_snapshot_event, now=now), []),
            )
            if committed.verdict == "stale":
                raise Fenced("the conversation changed while the turn ran")
            if not committed.is_published:
                await self._outbox.publish(conversation.id, outbox, now, snapshot=committed.snapshot)
        pause = min(max(waited / 4, _LEAST_PAUSE), _LONGEST_PAUSE)
        return Parked("the documents are being read", until=now + pause)

    # ── commit and publish ───────────────────────────────────────────────────────────────────────────────────────────

    async def _commit(self, turn: TurnInput, result: TurnResult, now: datetime) -> CommitResult:
        """Commit the result atomically; stale if another process changed the conversation while the turn ran."""
        return await self._state.conversations.commit(
            turn.conversation.id,
            token=turn.token,
            version=turn.conversation.version,
            epoch=turn.conversation.epoch,
            facts=result.facts,
            handled=turn.intake.handled,
            outbox=result.outbox,
            now=now,
            publication=Publication(partial(build_snapshot_event, now=now), result.turns),
        )

    async def _publish(self, turn: TurnInput, result: TurnResult, committed: CommitResult) -> None:
        conversation = turn.conversation.id
        if committed.is_published:
            crash_points.reach("worker.after_publish")
        else:
            await self._outbox.publish(
                conversation, result.outbox, self._clock(), snapshot=committed.snapshot, turns=result.turns
            )
        if result.handoff_request is not None:
            await self._handoffs.hand_over(conversation, result.handoff_request)
        if turn.handoff is not None:
            await self._handoffs.count_first_reply(turn.rules, turn.handoff.period)


def build_wait_notice(turn: TurnInput, message: str) -> OutboundMessage:
    """Ask the contact for patience. The id follows ``message``, so that a repeat is one message."""
    return build_outbound(
        turn.conversation,
        id=derived_id(message, "documents"),
        author=Author(kind="agent", name=turn.rules.voice.name),
        text=turn.voice.reading_documents,
        now=turn.loaded_at,
        locale=turn.locale,
    )
