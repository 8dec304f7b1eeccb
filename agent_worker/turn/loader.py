"""The load stage of a turn: from the waiting events to the turn's frozen input."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from agent_worker.actions.execution.consent import open_confirmation, read_reactions
from agent_worker.handoff.coordinator import HandoffCoordinator
from agent_worker.handoff.handback import add_marks
from agent_worker.handoff.handoff_period import HandoffDecisions
from agent_worker.settings import TenantRules, WorkerSettings
from agent_worker.turn.attachments import AttachmentFetcher
from agent_worker.turn.envelopes import TurnEnvelopes
from agent_worker.turn.folding import Fold
from agent_worker.turn.inbound_events import InboundEvent
from agent_worker.turn.intake import Intake, apply_events
from agent_worker.turn.outbox import Outbox
from agent_worker.turn.values import TurnInput
from schemas.conversation import Conversation, Origin
from schemas.conversation_activity import MessageDeleted, MessageEdited, ReactionChanged
from schemas.errors import RecordError, UndecodableRecord
from schemas.ids import turn_id
from schemas.messages import InboundMessage, Receipt, TranscriptMessage
from schemas.ports import BegunConversation, Clock, Metrics, Record, State
from schemas.runtime import crash_points
from schemas.runtime.restore_time import RestoreTime
from schemas.transcript import Lines, select_sent

SetAside = Callable[[str, Record, RecordError], Awaitable[None]]
HISTORY_LINES = 20
"""Lines of the earlier transcript that a model is shown."""


class TurnLoader:
    """``set_aside`` dead-letters a single record; it must not raise."""

    def __init__(
        self,
        *,
        state: State,
        outbox: Outbox,
        handoffs: HandoffCoordinator,
        attachments: AttachmentFetcher,
        settings: WorkerSettings,
        metrics: Metrics,
        clock: Clock,
        set_aside: SetAside,
    ) -> None:
        self._state = state
        self._outbox = outbox
        self._handoffs = handoffs
        self._attachments = attachments
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._set_aside = set_aside
        self._restore_time = RestoreTime(state.leases)

    async def load(self, fold: Fold) -> TurnInput | None:
        """Load the turn's input. None if nothing is left to do: everything was handled before, or set aside."""
        while fold.event_batch.failures:
            await self._set_aside(fold.batch.conversation, *fold.event_batch.failures.pop())
        events = fold.events
        origin = await self._find_origin(fold.batch.conversation, events)
        if origin is None:
            return None
        rules, lines = self._settings.of(origin.tenant), _build_lines(events)
        begun, decisions = await self._begin(fold.batch.conversation, origin, events, lines, rules)
        reactions = await read_reactions(self._state.deliveries, events, begun.conversation)
        intake = await apply_events(
            self._state.transcript,
            events,
            begun,
            self._clock(),
            already_added=bool(lines),
            reactions=reactions,
            restored_at=await self._restore_time.load(),
        )
        repeats = fold.repeats + len([event for event in events if event.id not in intake.handled])
        if repeats and not fold.restarts:
            self._metrics.count("parley_duplicates_total", repeats, where="worker")
        if not intake.handled:
            return None
        if intake.unfetched:
            files = await self._attachments.fetch_all(origin, begun.conversation.id, intake.unfetched.values())
            intake = intake.with_files(files)
        intake, handoff = await self._handoffs.review(begun, events, intake, rules, decisions)
        conversation = begun.conversation if handoff is None else handoff.conversation
        history: Sequence[TranscriptMessage] = ()
        if intake.waiting and conversation.owner == "agent":
            intake, history = await self._load_history(begun, conversation, intake, already_added=bool(lines))
        id = turn_id(conversation.id, intake.handled)
        cause = next((event for event in reversed(events) if event.id in intake.handled), None)
        return TurnInput(
            id=id,
            rules=rules,
            conversation=conversation,
            token=begun.token,
            intake=intake,
            chain=TurnEnvelopes.of(conversation, cause, id, fold.traceparent),
            loaded_at=self._clock(),
            read_at=fold.read_at,
            party=fold.party,
            history=history,
            handoff=handoff,
        )

    async def _find_origin(self, conversation: str, events: Sequence[InboundEvent]) -> Origin | None:
        """The origin of the conversation, from the first event that names it, or from the state. None when there is
        nothing to do in it. Events of an unknown conversation are set aside."""
        origin = next((origin for event in events if (origin := _read_origin(event)) is not None), None)
        only_reactions = all(isinstance(event.payload, ReactionChanged) for event in events)
        if not events or (origin is not None and not only_reactions):
            return origin
        stored = await self._state.conversations.get(conversation)
        if stored is not None:
            # Reactions matter to a turn only while a question is open.
            return None if only_reactions and open_confirmation(stored) is None else origin or stored.origin
        for event in events if origin is None else ():
            if isinstance(event.payload, Receipt):
                continue  # of a message that another system sent from this account; the receipts consumer counts it
            error = UndecodableRecord("the conversation is not known, and the event does not say where it is")
            await self._set_aside(conversation, event.record, error)
        return None

    async def _begin(
        self,
        conversation: str,
        origin: Origin,
        events: Sequence[InboundEvent],
        lines: Sequence[TranscriptMessage],
        rules: TenantRules,
    ) -> tuple[BegunConversation, HandoffDecisions]:
        """Get a fencing token, with nothing left unpublished and the owner settled."""
        recent = HISTORY_LINES + len(lines) if lines else 0
        decisions = HandoffDecisions()
        while True:
            begun = await self._state.conversations.begin(
                conversation, origin, _list_ids(events), now=self._clock(), messages=lines, recent=recent
            )
            crash_points.reach("worker.after_begin")
            if begun.outbox:
                await self._outbox.publish(conversation, begun.outbox, self._clock())
            decisions, owner_changed = await self._handoffs.apply_owner_changes(begun, events, rules, decisions)
            if not owner_changed:
                return begun, decisions

    async def _load_history(
        self, begun: BegunConversation, conversation: Conversation, intake: Intake, *, already_added: bool
    ) -> tuple[Intake, Sequence[TranscriptMessage]]:
        """The earlier transcript, oldest first, with marks where people had the conversation. A waiting message that
        was deleted before it came waits no more. ``already_added``: ``begun`` has read the transcript, too."""
        handoff, now = conversation.facts.handoff, self._clock()
        limit = HISTORY_LINES + len(intake.waiting)
        if already_added:
            intake = intake.without_messages(begun.deleted) if begun.deleted else intake
            waiting = frozenset(intake.waiting)
            sent = Lines(lambda: select_sent(begun.recent[-limit:], without=waiting))
            return intake, sent if handoff is None else Lines(lambda: add_marks(sent, handoff, now))
        lines = await self._state.transcript.read_recent(conversation.id, limit=limit)
        intake = intake.without_messages(line.id for line in lines if line.state == "deleted")
        return intake, add_marks(select_sent(lines[-limit:], without=intake.waiting), handoff, now)


def _read_origin(event: InboundEvent) -> Origin | None:
    payload, envelope = event.payload, event.envelope
    if not isinstance(payload, InboundMessage | MessageEdited | MessageDeleted | ReactionChanged):
        return None
    return Origin(
        tenant=envelope.tenant,
        channel=envelope.channel,
        account=envelope.account,
        place=payload.place,
        contact_id=payload.contact_id,
    )


def _list_ids(events: Iterable[InboundEvent]) -> list[str]:
    """Ids to look up as handled. The message id of an edit shows whether the message has arrived."""
    ids: dict[str, None] = {}
    for event in events:
        ids |= dict.fromkeys(event.ids)
        if isinstance(event.payload, MessageEdited):
            ids[event.payload.message_id] = None
    return list(ids)


def _build_lines(events: Sequence[InboundEvent]) -> list[TranscriptMessage]:
    """The transcript lines of a batch of nothing but messages of the contact, as most batches are: they are added when
    the turn begins. Empty for any other batch, whose events must be applied one after the other."""
    messages = [event.message for event in events if event.is_from_contact and event.message is not None]
    return [TranscriptMessage.of_inbound(message) for message in messages] if len(messages) == len(events) else []
