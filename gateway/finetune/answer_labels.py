"""Labels of a conversation's turns: which answers people approved, and what they wrote instead of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent_worker.learning.finetune.training_example import Source
from agent_worker.router.decision import PERSON_REQUESTED
from gateway.training_export.conversation_history import ConversationHistory, Message, SettledDraft, has_answered
from gateway.training_export.examples import find_rejection
from schemas.conversation import Turn


@dataclass(frozen=True, slots=True)
class AnswerLabel:
    """``id``: of the example. ``turn``: whose request the answers belong to, None if no turn read the question.
    ``chosen``: the answer to learn; ``by_model``: it is the turn's own. ``rejected``: an answer that was not wanted,
    with the ``reason`` and the contact's ``note``. ``model``: that wrote the turn's answer or the draft."""

    id: str
    turn: Turn | None
    source: Source
    at: datetime
    chosen: str = ""
    rejected: str = ""
    reason: str = ""
    note: str = ""
    model: str = ""
    by_model: bool = False


def label_answers(history: ConversationHistory) -> Iterator[AnswerLabel]:
    """The labels of the turns and drafts of a conversation. Turns that nobody judged have none."""
    messages = list(history.messages.values())
    corrections = _find_corrections(history, messages)
    for turn in history.turns:
        label = _label_turn(history, turn, corrections.get(turn.id, ""))
        if label is not None:
            yield label
    for settled in history.drafts:
        label = _label_draft(history, messages, settled)
        if label is not None:
            yield label


def _label_turn(history: ConversationHistory, turn: Turn, correction: str) -> AnswerLabel | None:
    replies = _replies_of(history, turn)
    text = "\n".join(each.text for each in replies if each.text.strip())
    if not text:
        return None
    for reply in replies:
        if (reason := find_rejection(history, reply)) is not None:
            criticism = history.find_criticism(reply.id)
            return AnswerLabel(
                id=turn.id,
                turn=turn,
                source="person_wrote" if correction else "rejected",
                at=turn.at,
                chosen=correction,
                rejected=text,
                reason=reason,
                note="" if criticism is None else criticism.comment,
                model=turn.model,
            )
    if correction:
        return AnswerLabel(id=turn.id, turn=turn, source="person_wrote", at=turn.at, chosen=correction)
    source = _find_approval(history, turn, replies)
    if source is None:
        return None
    return AnswerLabel(turn.id, turn, source, turn.at, chosen=text, model=turn.model, by_model=True)


def _find_approval(history: ConversationHistory, turn: Turn, replies: Sequence[Message]) -> Source | None:
    if not has_answered(turn):
        return None
    ids = {reply.id for reply in replies}
    if any(thumb.value == "up" for (message, _), thumb in history.thumbs.items() if message in ids):
        return "thumb_up"
    doubtful = history.with_people or history.dropped or history.is_criticized
    return "resolved" if history.is_resolved and not doubtful else None


def _replies_of(history: ConversationHistory, turn: Turn) -> list[Message]:
    return [message for message in history.messages.values() if message.turn is turn]


def _find_corrections(history: ConversationHistory, messages: Sequence[Message]) -> dict[str, str]:
    """Turn → what a person answered next, to the last turn that had no good answer. What was sent as a draft belongs to
    the draft."""
    of_drafts = {settled.draft.sent for settled in history.drafts}
    found: dict[str, str] = {}
    waiting: Turn | None = None
    for message in messages:
        if message.turn is not None:
            waiting = message.turn if _is_open(history, message) else waiting
        elif message.author == "person" and message.text.strip():
            if waiting is not None and message.text not in of_drafts:
                found[waiting.id] = message.text
            waiting = None
    return found


def _is_open(history: ConversationHistory, message: Message) -> bool:
    """True if the turn left its question to people. A request for a person is no question."""
    turn = message.turn
    if turn is None:
        return False
    outcome = turn.outcome or turn.route
    passed = outcome == "declined" or (outcome == "person" and PERSON_REQUESTED not in turn.reasons)
    return passed or find_rejection(history, message) is not None


def _label_draft(
    history: ConversationHistory, messages: Sequence[Message], settled: SettledDraft
) -> AnswerLabel | None:
    """A draft that was sent unchanged is approved. One that was changed or discarded is rejected."""
    draft = settled.draft
    if not draft.draft.strip():
        return None
    turn = _find_turn_before(history, messages[: settled.before])
    if draft.outcome == "sent":
        return AnswerLabel(draft.id, turn, "draft_sent", draft.at, chosen=draft.sent, model=draft.model)
    later = (each.text for each in messages[settled.before :] if each.author == "person" and each.text.strip())
    chosen = draft.sent if draft.outcome == "edited" else next(later, "")
    source: Source = "rejected" if not chosen else "person_edited" if draft.outcome == "edited" else "person_wrote"
    return AnswerLabel(
        id=draft.id,
        turn=turn,
        source=source,
        at=draft.at,
        chosen=chosen,
        rejected=draft.draft,
        reason=f"draft_{draft.outcome}",
        model=draft.model,
    )


def _find_turn_before(history: ConversationHistory, messages: Sequence[Message]) -> Turn | None:
    """The turn that read the contact's last message, and so had the passages for it."""
    last = next((message.id for message in reversed(messages) if message.author == "contact"), "")
    return next((turn for turn in reversed(history.turns) if last in turn.handled), None)
