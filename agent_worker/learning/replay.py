"""Replay of recorded turns: the turn's own code, with what it read from outside, against today's or other settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import cast

from agent_worker.actions.execution.effects import Effects
from agent_worker.handoff.coordinator import find_handoff_reason
from agent_worker.handoff.wait_estimate import format_wait_notice, is_reachable
from agent_worker.learning.conversation_log import ConversationLog
from agent_worker.learning.recorded_input import IncompleteRecording, build_input
from agent_worker.learning.recorded_services import (
    ClosedPort,
    RecordedActions,
    RecordedLimits,
    open_silent_stream,
    recorded_state,
)
from agent_worker.learning.replay_context import TurnReplay, recorded_clock, replay_turn
from agent_worker.models.registry import Models
from agent_worker.settings import WorkerSettings
from agent_worker.turn.answering import Answering
from agent_worker.turn.metrics import StageTimer
from agent_worker.turn.result import conclude
from agent_worker.turn.values import HandoffRequest, Reply, Response, TurnInput
from schemas.conversation import Turn
from schemas.errors import ModelFailed
from schemas.messages import Attachment, Citation, OutboundMessage
from schemas.ports import Knowledge, Limiter
from schemas.privacy.personal_data import find_addresses

_NOT_COMPARED = frozenset({"version"})
"""A document that was published again without a change has another version."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a turn said to the contact."""

    text: str
    citations: list[Citation] = field(default_factory=list)

    @classmethod
    def of(cls, turn: Turn | None) -> Answer:
        replies: list[OutboundMessage] = [] if turn is None else turn.replies
        return cls(
            "\n\n".join(reply.text for reply in replies), [each for reply in replies for each in reply.citations]
        )

    def says_same(self, other: Answer) -> bool:
        return self.text == other.text and self._sources() == other._sources()

    def _sources(self) -> list[dict[str, object]]:
        return [citation.model_dump(exclude=set(_NOT_COMPARED)) for citation in self.citations]


@dataclass(frozen=True, slots=True)
class ReplayedTurn:
    """A turn with its answers before and now. ``diverged``: why this or an earlier turn of the conversation could not
    be replayed to the end, empty if it was; then ``after`` is not what the contact would have got. ``missing``: why the
    turn could not be replayed at all. ``asked``: the messages that it answers."""

    conversation: str
    channel: str
    turn: str
    at: datetime
    before: Answer
    after: Answer
    diverged: str = ""
    missing: str = ""
    asked: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return not self.diverged and not self.missing and self.before.says_same(self.after)


class ReplayEngine:
    """Replays the turns of one tenant. It has no log and no state store, so it can neither send nor record
    anything."""

    def __init__(self, tenant: str, knowledge: Knowledge, models: Models, settings: WorkerSettings) -> None:
        state = recorded_state()
        limits = RecordedLimits(cast(Limiter, ClosedPort("limiter")), recorded_clock)
        self._rules = settings.of(tenant)
        self._answering = Answering(knowledge, models, RecordedActions(state), state.contacts, limits, recorded_clock)

    async def replay(self, log: ConversationLog, since: datetime | None = None) -> list[ReplayedTurn]:
        """Replay the turns of a conversation in order, from this time on. Each turn reads what it read before, whatever
        the replay answered to the turns before it."""
        replayed: list[ReplayedTurn] = []
        diverged = ""
        for turn in log.turns:
            if since is not None and turn.at < since:
                continue
            one = await self._replay_turn(log, turn, diverged)
            replayed.append(one)
            diverged = one.diverged
        return replayed

    async def _replay_turn(self, log: ConversationLog, turn: Turn, diverged: str) -> ReplayedTurn:
        recording, before = log.recordings.get(turn.id), Answer.of(turn)
        after, missing, asked = Answer(""), "", tuple[str, ...]()
        if recording is None:
            missing = "it was recorded by an earlier release"
        else:
            try:
                given = build_input(log, turn, recording, self._rules)
                asked = tuple(message.text for message in given.intake.waiting.values())
                with replay_turn(recording, log.channel) as replay:
                    replay.files = _list_files(given)
                    after = Answer.of(await self._run(given, turn, replay))
                diverged = diverged or replay.divergence
            except IncompleteRecording as error:
                missing = str(error)
        return ReplayedTurn(log.id, log.channel, turn.id, turn.at, before, after, diverged, missing, asked)

    async def _run(self, given: TurnInput, turn: Turn, replay: TurnReplay) -> Turn | None:
        stage, stream = StageTimer(monotonic), open_silent_stream(given)
        actions = await self._answering.settle(given, _seal) if given.may_act else None
        reply = Reply()
        if given.must_answer:
            try:
                reply = await self._answering.reply(given, actions, stream, stage)
            except ModelFailed as error:
                replay.note_divergence(f"no model could answer: {error.message}")
        effects = None if actions is None else actions.effects
        request = _build_request(given, reply, effects, replay)
        return conclude(given, Response(reply, effects, (), request), {}, turn.at).record


def _list_files(turn: TurnInput) -> dict[str, Attachment]:
    shown = [*turn.intake.files, *(file for line in turn.history for file in line.attachments)]
    return {file.id: file for file in shown}


async def _seal() -> None:
    """A replay has no first write."""


def _build_request(turn: TurnInput, reply: Reply, effects: Effects | None, replay: TurnReplay) -> HandoffRequest | None:
    """The request for people, with what the contact is told about the wait. The summary for them is left out."""
    reason, desk, now = find_handoff_reason(turn, reply, effects), turn.rules.desk, turn.loaded_at
    if not reason:
        return None
    if desk is None:
        return HandoffRequest(reason, ())
    seconds = replay.recording.wait
    wait = desk.first_reply if seconds is None else timedelta(seconds=seconds) or None
    notice = format_wait_notice(
        turn.voice,
        desk,
        wait if desk.is_open(now) else None,
        now,
        turn.locale,
        is_reachable=is_reachable(turn.conversation.origin, (replay.recording.levels or {}).values()),
        left_address=bool(find_addresses(turn.intake.text, turn.rules.actions.own)),
    )
    return HandoffRequest(reason, (), notice)
