"""One turn, as a straight line: fold → load → retrieve → route → answer → commit → publish (design §1, §7)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from agent_worker.actions.execution.consent import open_confirmation, read_reactions
from agent_worker.actions.service import ActionService
from agent_worker.fair_scheduler import FairScheduler
from agent_worker.handoff.coordinator import Decided, People
from agent_worker.handoff.handoff_period import Stretch
from agent_worker.models.registry import Models
from agent_worker.settings import TenantRules, WorkerSettings
from agent_worker.turn import metrics as turn_metrics
from agent_worker.turn.answering import Answers
from agent_worker.turn.attachments import Files
from agent_worker.turn.contact_limits import ContactLimits
from agent_worker.turn.envelopes import Chain
from agent_worker.turn.folding import Fold, Monotonic, seal
from agent_worker.turn.history import EARLIER, history
from agent_worker.turn.inbound_events import ids_of, origin_of
from agent_worker.turn.intake import Intake, plain_lines, take_in
from agent_worker.turn.interruption import Interruption
from agent_worker.turn.outbox import Outbox
from agent_worker.turn.stage_timer import Stage
from agent_worker.turn.streaming import Hints, Stream
from agent_worker.turn.turn_state import Work
from schemas import crash_points
from schemas.changes import ReactionChanged
from schemas.conversation import Origin
from schemas.errors import Fenced, RecordError, Unavailable, UndecodableRecord
from schemas.ids import turn_id
from schemas.messages import Receipt, TranscriptMessage
from schemas.ports import Batch, Begun, Clock, Draft, Knowledge, Metrics, Record, State

log = structlog.get_logger("parley.worker")
SetAside = Callable[[str, Record, RecordError], Awaitable[None]]


class TurnEngine:
    """Handles one batch of one conversation. ``set_aside`` dead-letters a single record; it must not raise."""

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
        files: Files,
        actions: ActionService,
        pace: FairScheduler | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._state = state
        limits = ContactLimits(state.limiter, clock)
        self._answers = Answers(knowledge, models, actions, state.contacts, limits, clock, monotonic)
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._set_aside = set_aside
        self._monotonic = monotonic
        self._files = files
        self._people = People(
            state=state, outbox=outbox, actions=actions, knowledge=knowledge, models=models, clock=clock
        )
        self._pace = pace or FairScheduler()
        self._hints = Hints(state.signals, settings.hinted, clock)

    async def handle(self, batch: Batch) -> None:
        """Raises Fenced when somebody else moved the conversation on: the lane then begins again."""
        stages: dict[str, float] = {}
        fold = await self._fold(batch, stages)
        begun = self._monotonic()
        first = batch.records[0].headers
        async with self._pace.slot(first.get("ce_tenant", ""), first.get("ce_channel", "")) as waited_for_others:
            stages["wait"] = round((self._monotonic() - begun) * 1000, 3)
            if waited_for_others and batch.hurry.is_set():
                raise Unavailable("the partition moves on; its next owner answers")
            if batch.arrived.is_set():
                fold.take_more()
            await self._turn(fold, stages)

    async def _turn(self, fold: Fold, stages: dict[str, float]) -> None:
        """One for each contact who wrote, one after the other."""
        await self._one_turn(fold, stages)
        while fold.next_speaker():
            await self._one_turn(fold, {})

    async def _one_turn(self, fold: Fold, stages: dict[str, float]) -> None:
        while (work := await self._load(fold, stages)) is not None:
            if await self._answer(work, fold):
                await self._commit(work)
                await self._publish(work)
                turn_metrics.took(self._metrics, work, fold.batch.records[0], self._clock())
                break
            await self._more(fold, work)

    # ── fold ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _fold(self, batch: Batch, stages: dict[str, float]) -> Fold:
        fold = Fold(batch, self._clock, self._monotonic)
        with self._stage(stages, "fold"):
            if batch.attempt == 1:
                tenant = batch.records[0].headers.get("ce_tenant", "")
                await fold.settle(self._settings.of(tenant).fold)
        return fold

    def _rules(self, fold: Fold) -> TenantRules:
        return self._settings.of(fold.events[0].envelope.tenant)

    async def _more(self, fold: Fold, work: Work) -> None:
        """Somebody wrote while the turn ran: take back what was shown, and start again with everything."""
        await work.stream.abort()
        fold.restart()
        with self._stage(work.stages, "fold"):
            await fold.settle(work.rules.fold)

    # ── load ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _load(self, fold: Fold, stages: dict[str, float]) -> Work | None:
        """None when nothing is left to do: everything was handled before, or set aside."""
        with self._stage(stages, "load"):
            while fold.decoded.poison:
                record, error = fold.decoded.poison.pop()
                await self._set_aside(fold.batch.conversation, record, error)
            origin = await self._origin(fold)
            if origin is None or not await self._means_something(fold):
                return None
            lines = plain_lines(fold.events)
            decided = Decided()
            begun = await self._begin(fold, origin, lines, decided)
            conversation = fold.batch.conversation
            thumbs = await read_reactions(self._state.deliveries, fold.events, begun.conversation)
            intake = await take_in(
                self._state.transcript, conversation, fold.events, begun, bool(lines), self._clock(), thumbs
            )
            self._count_repeats(fold, intake)
            if not intake.handled:
                return None
            if intake.with_files:
                await self._files.take(origin, conversation, intake)
            begun, stretch = await self._people.take_in(begun, fold.events, intake, self._rules(fold), decided)
            work = self._work(fold, begun, intake, stages, stretch)
            if work.must_answer:
                work.history = await history(self._state.transcript, work, len(lines), self._clock())
        return work

    def _count_repeats(self, fold: Fold, intake: Intake) -> None:
        repeats = fold.repeats + len([event for event in fold.events if event.id not in intake.handled])
        if repeats and not fold.restarts:
            self._metrics.count("parley_duplicates_total", repeats, where="worker")

    async def _origin(self, fold: Fold) -> Origin | None:
        origin = origin_of(fold.events)
        if origin is None and fold.events:
            known = await self._state.conversations.get(fold.batch.conversation)
            if known is not None:
                return known.origin
            for event in fold.events:
                if isinstance(event.payload, Receipt):
                    continue  # of somebody else's message from the same account; the consumer of receipts counts it
                error = UndecodableRecord("the conversation is not known, and the event does not say where it is")
                await self._set_aside(fold.batch.conversation, event.record, error)
        return origin

    async def _means_something(self, fold: Fold) -> bool:
        """A thumb alone does, while a question is open."""
        if not all(isinstance(event.payload, ReactionChanged) for event in fold.events):
            return True
        known = await self._state.conversations.get(fold.batch.conversation)
        return known is not None and open_confirmation(known) is not None

    async def _begin(self, fold: Fold, origin: Origin, lines: Sequence[TranscriptMessage], decided: Decided) -> Begun:
        """A token of our own, with nothing left unpublished and the owner settled."""
        recent = EARLIER + len(lines) if lines else 0
        conversation = fold.batch.conversation
        while True:
            begun = await self._state.conversations.begin(
                conversation, origin, ids_of(fold.events), now=self._clock(), messages=lines, recent=recent
            )
            crash_points.reach("worker.after_begin")
            if begun.outbox:
                await self._outbox.publish(conversation, begun.outbox, self._clock())
            if not await self._people.settle_owner(begun, fold.events, self._rules(fold), decided):
                return begun

    def _work(
        self, fold: Fold, begun: Begun, intake: Intake, stages: dict[str, float], stretch: Stretch | None
    ) -> Work:
        conversation = begun.conversation
        turn = turn_id(conversation.id, intake.handled)
        cause = next((event for event in reversed(fold.events) if event.id in intake.handled), None)
        silent = conversation.origin.channel not in self._settings.streaming
        return Work(
            id=turn,
            rules=self._rules(fold),
            begun=begun,
            intake=intake,
            chain=Chain.of(conversation, cause, turn, fold.traceparent),
            stream=Stream(self._state.signals, conversation.id, turn, conversation.epoch, silent=silent),
            stages=stages,
            read_at=fold.read_at,
            stretch=stretch,
        )

    # ── answer ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _answer(self, work: Work, fold: Fold) -> bool:
        """False when more messages arrived and the turn is to start again with them."""
        if not work.must_act(self._clock()):
            return True
        if fold.batch.arrived.is_set() and fold.may_restart(work.rules.fold):
            return False
        interruption = Interruption()

        def arrived() -> None:
            if fold.may_restart(work.rules.fold):
                interruption.ring()

        fold.batch.on_arrival(arrived)
        try:
            with interruption:
                await self._answers.settle(work, lambda: seal(fold, interruption, work.rules.fold))
                if work.must_answer:
                    with self._hints.writing(work.conversation, work.asked.external_id):
                        work.draft = await self._write(work, fold)
                await self._people.attend(work)
        except Exception:
            await work.stream.abort()
            raise
        finally:
            fold.batch.on_arrival(None)
        if interruption.rung:
            work.draft = work.acting = None
            return False
        crash_points.reach("worker.after_model")
        return True

    async def _write(self, work: Work, fold: Fold) -> Draft | None:
        """None when the contact is to hear nothing."""
        work.stream.typing(work.rules.voice.name)
        if work.conversation.origin.channel in self._settings.announced and not work.intake.person_asked:
            await self._outbox.announce(work.announcement(self._clock()))

        async def emit(sentence: str) -> None:
            # A turn that is about to start again shows nothing new.
            if not (fold.batch.arrived.is_set() and fold.may_restart(work.rules.fold)):
                await work.stream.delta(sentence)

        return await self._answers.write(work, emit)

    # ── commit and publish ───────────────────────────────────────────────────────────────────────────────────────────

    async def _commit(self, work: Work) -> None:
        now = self._clock()
        with self._stage(work.stages, "commit"):
            work.conclude(now)
            made = await self._state.conversations.commit(
                work.conversation.id,
                token=work.begun.token,
                version=work.conversation.version,
                epoch=work.conversation.epoch,
                facts=work.facts,
                handled=work.intake.handled,
                outbox=work.outbox,
                now=now,
            )
        if made.verdict == "stale":
            await work.stream.abort()
            raise Fenced("the conversation moved on while the turn ran")
        work.snapshot = made.snapshot
        crash_points.reach("worker.after_commit")

    async def _publish(self, work: Work) -> None:
        conversation = work.conversation.id
        with self._stage(work.stages, "publish"):
            await self._outbox.publish(
                conversation, work.outbox, self._clock(), snapshot=work.snapshot, turns=work.turns
            )
            if work.handoff:
                await self._people.hand_over(work)
            await self._people.replied(work)
        turn_metrics.published(self._metrics, work)
        log.info("turn_done", turn_id=work.id, handled=len(work.intake.handled), replies=int(work.draft is not None))

    def _stage(self, stages: dict[str, float], name: str) -> Stage:
        return Stage(stages, name, self._monotonic)
