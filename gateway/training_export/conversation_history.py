"""A conversation as its events on the log tell it: messages, turns, thumbs, and drafts that people used or rejected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError

from agent_worker.nlu.classification import Topic, topics_in
from agent_worker.router.decision import blames_answer
from gateway.training_export.conversation_grouping import ConversationEvent
from schemas import topics
from schemas.conversation import DeliveryOutcome, OwnerChanged, Turn
from schemas.conversation_activity import Feedback, FilesStored, MessageDeleted, MessageEdited
from schemas.desk import IN_DANGER, DraftSettled
from schemas.handoff.rules import PEOPLE
from schemas.messages import InboundMessage
from schemas.transcript import join_speech
from schemas.turn_recording import TurnRecording

EXPORT_TYPES = frozenset(
    {
        *(topics.MESSAGE_RECEIVED, topics.MESSAGE_EDITED, topics.MESSAGE_DELETED, topics.FILES_STORED),
        *(topics.TURN_COMPLETED, topics.OWNER_CHANGED, topics.FEEDBACK_GIVEN, topics.DELIVERY_RECORDED),
        *(topics.DRAFT_SETTLED, topics.TURN_RECORDED, topics.PASSAGE_RETRIEVED),
    }
)
"""The events that an export reads."""
_UNANSWERED = frozenset({"declined", "person"})
"""Outcomes of turns that did not answer the question."""


@dataclass(slots=True)
class Message:
    """A message of the conversation. ``turn`` is the turn that wrote it, if the agent did."""

    id: str
    author: str
    text: str
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class SettledDraft:
    """``before``: the number of messages that the draft answers or continues."""

    draft: DraftSettled
    before: int


@dataclass(slots=True)
class ConversationHistory:
    """``thumbs``: (message, contact) → the newest thumb. ``dropped``: replies that were not sent because people had
    taken over. ``passages``: turn → the keys of what it had found, if the turn was recorded."""

    messages: dict[str, Message] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    thumbs: dict[tuple[str, str], Feedback] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    turns: list[Turn] = field(default_factory=list)
    passages: dict[str, list[str]] = field(default_factory=dict)
    drafts: list[SettledDraft] = field(default_factory=list)
    with_people: bool = False
    topics: set[Topic] = field(default_factory=set)
    """Topics that the contact mentioned in any message, also in what they changed or deleted later."""

    @property
    def is_crisis(self) -> bool:
        """True if the contact may have been in danger, or the agent took them to be."""
        return not self.topics.isdisjoint(("danger", "emergency")) or any(
            IN_DANGER in turn.reasons for turn in self.turns
        )

    @property
    def is_resolved(self) -> bool:
        """True if every turn helped or was small talk, the last of the others answered or did something, and nothing
        called for a person."""
        concluding = [turn for turn in self.turns if outcome_of(turn) != "small_talk"]
        failed = any(outcome_of(turn) in _UNANSWERED or turn.route == "person" for turn in self.turns)
        undone = any(action.outcome != "succeeded" for turn in self.turns for action in turn.actions)
        return bool(concluding) and has_answered(concluding[-1]) and not (failed or undone or self.topics)

    @property
    def is_praised(self) -> bool:
        """True if the contact liked a reply. A thumb on a question of the agent is an answer to it, not praise."""
        return any(
            feedback.value == "up"
            and (message := self.messages.get(id)) is not None
            and message.turn is not None
            and has_answered(message.turn)
            for (id, _), feedback in self.thumbs.items()
        )

    @property
    def is_criticized(self) -> bool:
        return any(feedback.value == "down" for feedback in self.thumbs.values())

    def find_criticism(self, message: str) -> Feedback | None:
        """The thumb down on this message."""
        thumbs = (feedback for (thumbed, _), feedback in self.thumbs.items() if thumbed == message)
        return next((feedback for feedback in thumbs if feedback.value == "down"), None)

    def is_followed_by_handoff(self, turn: Turn) -> bool:
        """True if the contact was passed to people next, because this turn's reply did not help."""
        following = self.turns[self.turns.index(turn) + 1 :]
        after = next((each for each in following if each.replies), None)
        return after is not None and not _hands_over(turn) and _hands_over(after) and blames_answer(after.reasons)


def has_answered(turn: Turn) -> bool:
    """True if the turn answered from the documents, or did what the contact wanted."""
    done = any(action.outcome == "succeeded" for action in turn.actions)
    return outcome_of(turn) == "answer" or (outcome_of(turn) == "action" and done)


def outcome_of(turn: Turn) -> str:
    """Records of older releases have it as their route."""
    return turn.outcome or turn.route


def _hands_over(turn: Turn) -> bool:
    return "person" in (turn.route, turn.outcome)


def read_history(events: Iterable[ConversationEvent]) -> ConversationHistory:
    history = ConversationHistory()
    for event in events:
        try:
            payload = topics.EVENT_TYPES[event.type][0].model_validate_json(event.body)
        except ValidationError:
            continue  # nobody answered a message that cannot be read
        _apply(history, payload)
    return history


def _apply(history: ConversationHistory, payload: BaseModel) -> None:
    if isinstance(payload, InboundMessage):
        _add_inbound(history, payload)
    elif isinstance(payload, Turn | TurnRecording):
        _add_turn(history, payload)
    elif isinstance(payload, MessageEdited | FilesStored):
        _change_text(history, payload)
    elif isinstance(payload, MessageDeleted) and payload.message_id in history.messages:
        history.messages[payload.message_id].text = ""
    elif isinstance(payload, OwnerChanged):
        history.with_people |= payload.owner in PEOPLE
    elif isinstance(payload, Feedback):
        history.thumbs[payload.message_id, payload.contact_id] = payload
    elif isinstance(payload, DeliveryOutcome) and payload.state == "stale_owner":
        history.dropped.add(payload.message_id)
    elif isinstance(payload, DraftSettled):
        history.drafts.append(SettledDraft(payload, _count_before(history, payload)))


def _add_inbound(history: ConversationHistory, message: InboundMessage) -> None:
    history.with_people |= message.author.kind == "person"
    if message.author.name:
        history.names.add(message.author.name)
    history.messages[message.id] = Message(message.id, message.author.kind, message.text)
    if message.author.kind == "contact":
        history.topics.update(topics_in(message.text, message.locale))


def _change_text(history: ConversationHistory, change: MessageEdited | FilesStored) -> None:
    """An edit replaces the text. What a voice note says is part of it."""
    message = history.messages.get(change.message_id)
    if message is None:
        return
    # The transcription of an earlier release only replaces an empty text.
    written = change.text if isinstance(change, MessageEdited) else message.text or change.text
    message.text = join_speech(written, change.attachments)
    if message.author == "contact":
        history.topics.update(topics_in(message.text))


def _add_turn(history: ConversationHistory, turn: Turn | TurnRecording) -> None:
    if isinstance(turn, TurnRecording):
        history.passages[turn.turn_id] = [key for key in turn.passages if key]
        return
    history.turns.append(turn)
    for reply in turn.replies:
        if reply.author.kind == "agent":
            history.messages[reply.id] = Message(reply.id, "agent", reply.text, turn)


def _count_before(history: ConversationHistory, draft: DraftSettled) -> int:
    """The messages before the draft was sent: what a person sent of it is on the log before its outcome."""
    messages = list(history.messages.values())
    is_sent = bool(messages) and messages[-1].author == "person" and messages[-1].text == draft.sent
    return len(messages) - is_sent
