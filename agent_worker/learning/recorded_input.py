"""The input of a recorded turn, put together again from its recording and the messages on the log."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Sequence

from agent_worker.actions.execution.consent import reaction_as_choice
from agent_worker.handoff.cancel_handoff import assistant_choice
from agent_worker.handoff.coordinator import list_wordings
from agent_worker.handoff.handback import build_marks
from agent_worker.handoff.handoff_period import HandoffContext, HandoffPeriod, is_open
from agent_worker.learning.conversation_log import ConversationLog
from agent_worker.learning.turn_recorder import ID_BYTES, digest_texts, pack_id
from agent_worker.settings import TenantRules
from agent_worker.turn.envelopes import TurnEnvelopes
from agent_worker.turn.inbound_events import ActionUpdate
from agent_worker.turn.intake import Intake
from agent_worker.turn.values import TurnInput
from schemas.conversation import Conversation, Turn
from schemas.conversation_activity import ReactionChanged
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.turn_recording import TurnRecording


class IncompleteRecording(Exception):
    """The log no longer holds everything that the turn read."""


def build_input(log: ConversationLog, turn: Turn, recording: TurnRecording, rules: TenantRules) -> TurnInput:
    """The turn's input under these rules. Raises IncompleteRecording."""
    facts = recording.facts
    conversation = Conversation(
        id=log.id,
        origin=log.origin,
        owner=recording.owner,
        epoch=recording.epoch,
        created_at=recording.clock,
        updated_at=recording.clock,
        facts=facts,
    )
    handled = recording.events or turn.handled
    waiting = {id: _find_waiting(log, id, handled, recording) for id in turn.handled}
    history = _find_history(log, recording, handled)
    if digest_texts(history, waiting) != recording.check:
        raise IncompleteRecording("the texts are not those that were read")
    first = handled[0] if handled else ""
    intake = Intake(
        waiting=waiting,
        handled=handled,
        action_updates=[each for id in handled if isinstance(each := log.payloads.get(id), ActionUpdate)],
        latest=recording.latest or (handled[-1] if handled else ""),
        authority=log.originals.get(first, first),
    )
    return TurnInput(
        id=turn.id,
        rules=rules,
        conversation=conversation,
        token=0,
        intake=intake,
        chain=TurnEnvelopes(conversation, turn.id, ""),
        loaded_at=recording.clock,
        read_at=math.inf,
        history=history,
        handoff=_build_handoff(conversation, recording, rules),
    )


def _find_waiting(log: ConversationLog, id: str, handled: Sequence[str], recording: TurnRecording) -> InboundMessage:
    """A message that the turn answered. Raises IncompleteRecording."""
    payload, actions = log.payloads.get(id), recording.facts.actions
    pending = None if actions is None else actions.confirmation
    if isinstance(payload, ReactionChanged) and pending is not None:
        return reaction_as_choice(id, payload, pending)
    message = log.find_message(id, recording.clock, handled)
    if message is None:
        raise IncompleteRecording(f"message {id} is no longer on the log")
    # A message of an earlier turn is answered again for its text: because it was edited, or people left it unanswered.
    return message if id in handled else message.model_copy(update={"choice": None})


def _find_history(log: ConversationLog, recording: TurnRecording, handled: Sequence[str]) -> list[TranscriptMessage]:
    """The earlier lines that the turn read. Raises IncompleteRecording."""
    handoff = recording.facts.handoff
    marks = {} if handoff is None else {pack_id(mark.id): mark for mark in build_marks(handoff)}
    packed, known = b64decode(recording.history), log.lines_by_id()
    lines: list[TranscriptMessage] = []
    for start in range(0, len(packed), ID_BYTES):
        key = packed[start : start + ID_BYTES]
        line = marks.get(key) or log.find_line(known.get(key, ""), recording.clock, handled)
        if line is None:
            raise IncompleteRecording("an earlier message is no longer on the log")
        lines.append(line.model_copy(update={"seq": len(lines) + 1}))
    return lines


def _build_handoff(conversation: Conversation, recording: TurnRecording, rules: TenantRules) -> HandoffContext | None:
    """The handoff as the turn saw it. People's requests for drafts are left out."""
    handoff = conversation.facts.handoff
    if handoff is None:
        return None
    waits = is_open(handoff) or bool(recording.ending)
    voices = list_wordings(rules.voice, conversation.facts.locale) if waits else []
    period = HandoffPeriod(conversation, handoff, ending=recording.ending)
    return HandoffContext(period, [assistant_choice(voice) for voice in voices], resumes=recording.resumes)
