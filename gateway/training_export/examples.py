"""Training examples from the events of a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError

from gateway.training_export.conversation_grouping import ConversationEvent
from gateway.training_export.export_rows import ConversationExample, ExportMessage, Preference, Rejection
from schemas import topics
from schemas.conversation import DeliveryOutcome, OwnerChanged, Turn
from schemas.conversation_activity import Feedback, FilesStored
from schemas.handoff.rules import PEOPLE
from schemas.message_changes import MessageDeleted, MessageEdited
from schemas.messages import InboundMessage, OutboundMessage
from schemas.privacy.cards import OwnNumbers, mask_cards
from schemas.privacy.one_time_codes import mask_one_time_codes
from schemas.speech import join_speech

UNANSWERED = frozenset({"declined", "person"})
"""Routes and outcomes of turns that did not answer the question."""


@dataclass(slots=True)
class _Message:
    """A message of the conversation. ``turn`` is the turn that wrote it, if the agent did."""

    id: str
    author: str
    text: str
    turn: Turn | None = None


@dataclass(slots=True)
class _Conversation:
    """A conversation as the events tell it. ``thumbs``: (message, contact) → thumb."""

    messages: dict[str, _Message] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    thumbs: dict[tuple[str, str], str] = field(default_factory=dict)
    discarded: set[str] = field(default_factory=set)
    turns: list[Turn] = field(default_factory=list)
    with_people: bool = False

    def has_thumb_down(self, message: str) -> bool:
        return any(value == "down" for (thumbed, _), value in self.thumbs.items() if thumbed == message)


def build_examples(
    tenant: str, conversation: str, events: list[ConversationEvent], own: OwnNumbers | None, names: Iterable[str] = ()
) -> Iterator[ConversationExample | Preference]:
    """The training examples of a conversation: it as a whole if it was approved, and each rejected reply.

    ``names``: names of its contact, which are removed from the texts."""
    history = _replay(events)
    if not history.turns:
        return
    anonymize = Anonymizer(own, {*history.names, *names})
    origin = {"conversation": conversation, "tenant": tenant, "channel": events[0].channel}
    example = _approved_conversation(history, anonymize, origin)
    if example is not None:
        yield example
    yield from _preferences(history, anonymize, origin)


def _approved_conversation(
    conversation: _Conversation, anonymize: Anonymizer, origin: dict[str, str]
) -> ConversationExample | None:
    thumbs = set(conversation.thumbs.values())
    if conversation.with_people or conversation.discarded or "down" in thumbs:
        return None
    answered = not any({turn.route, getattr(turn, "outcome", "")} & UNANSWERED for turn in conversation.turns)
    messages = _merge_messages(conversation.messages.values(), anonymize)
    if not ("up" in thumbs or answered) or len(messages) < 2 or messages[-1].role != "assistant":
        return None
    models = sorted({turn.model for turn in conversation.turns if turn.model})
    return ConversationExample(
        messages=messages,
        approved="thumb" if "up" in thumbs else "resolved",
        models=models,
        at=conversation.turns[-1].at,
        **origin,
    )


def _preferences(conversation: _Conversation, anonymize: Anonymizer, origin: dict[str, str]) -> Iterator[Preference]:
    messages = list(conversation.messages.values())
    for at, message in enumerate(messages):
        reason = _rejection_of(conversation, messages, at)
        prompt = _merge_messages(messages[:at], anonymize)
        if message.turn is None or reason is None or not prompt:
            continue
        correction = next(
            (each.text for each in messages[at + 1 :] if each.author == "person" and each.text.strip()), None
        )
        yield Preference(
            prompt=prompt,
            chosen=None if correction is None else anonymize(correction),
            rejected=anonymize(message.text),
            reason=reason,
            model=message.turn.model,
            at=message.turn.at,
            **origin,
        )


def _rejection_of(conversation: _Conversation, messages: list[_Message], at: int) -> Rejection | None:
    message = messages[at]
    if message.turn is None:
        return None
    if conversation.has_thumb_down(message.id):
        return "thumb"
    if message.id in conversation.discarded:
        return "discarded"
    # The reply that announces the handoff is no example. The reply before it did not help.
    next_reply = next((each for each in messages[at + 1 :] if each.turn is not None), None)
    is_handed_off = next_reply is not None and next_reply.turn is not None and next_reply.turn.route == "person"
    return "handed_off" if is_handed_off and message.turn.route != "person" else None


def _merge_messages(messages: Iterable[_Message], anonymize: Anonymizer) -> list[ExportMessage]:
    """The messages for training. Several messages of one side in a row become one."""
    merged: list[tuple[str, list[str]]] = []
    for message in messages:
        role = "user" if message.author == "contact" else "assistant"
        if not message.text.strip():
            continue
        if merged and merged[-1][0] == role:
            merged[-1][1].append(anonymize(message.text))
        else:
            merged.append((role, [anonymize(message.text)]))
    return [ExportMessage(role=role, content="\n".join(texts)) for role, texts in merged]  # type: ignore[arg-type]


def _replay(events: Iterable[ConversationEvent]) -> _Conversation:
    conversation = _Conversation()
    for event in events:
        try:
            payload = topics.EVENT_TYPES[event.type][0].model_validate_json(event.body)
        except ValidationError:
            continue  # nobody answered a message that cannot be read
        _apply(conversation, event, payload)
    return conversation


def _apply(conversation: _Conversation, event: ConversationEvent, payload: BaseModel) -> None:
    if isinstance(payload, InboundMessage):
        _add_inbound(conversation, payload)
    elif isinstance(payload, Turn):
        conversation.turns.append(payload)
        for reply in payload.replies:
            _add_reply(conversation, reply, payload)
    elif isinstance(payload, MessageEdited | FilesStored) and payload.message_id in conversation.messages:
        message = conversation.messages[payload.message_id]
        # The transcription of an earlier release only replaces an empty text.
        written = payload.text if isinstance(payload, MessageEdited) else message.text or payload.text
        message.text = join_speech(written, payload.attachments)
    elif isinstance(payload, MessageDeleted) and payload.message_id in conversation.messages:
        conversation.messages[payload.message_id].text = ""
    elif isinstance(payload, OwnerChanged):
        conversation.with_people |= payload.owner in PEOPLE
    elif isinstance(payload, Feedback):
        conversation.thumbs[payload.message_id, payload.contact_id] = payload.value
    elif isinstance(payload, DeliveryOutcome) and payload.state == "stale_owner":
        conversation.discarded.add(payload.message_id)


def _add_inbound(conversation: _Conversation, message: InboundMessage) -> None:
    conversation.with_people |= message.author.kind == "person"
    if message.author.name:
        conversation.names.add(message.author.name)
    conversation.messages[message.id] = _Message(message.id, message.author.kind, message.text)


def _add_reply(conversation: _Conversation, reply: OutboundMessage, turn: Turn) -> None:
    if reply.author.kind == "agent":
        conversation.messages[reply.id] = _Message(reply.id, "agent", reply.text, turn)


_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++){1,4}")
_TELEPHONE = re.compile(r"(?<![\w.,-])(?:\+|\(?0)?[\d(](?:[\s().\-/]{0,2}\d){6,16}(?![\w-])")
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(?:\s\d{1,2})?")
_MIN_PHONE_DIGITS = 7
_MIN_NAME_LENGTH = 3


class Anonymizer:
    """Anonymizes the texts of one conversation. ``names``: the names of the people in it."""

    def __init__(self, own: OwnNumbers | None, names: Iterable[str]) -> None:
        self._own = own
        words = {word for name in names for word in [name, *name.split()] if len(word) >= _MIN_NAME_LENGTH}
        longest_first = sorted(map(re.escape, words), key=len, reverse=True)
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE) if words else None

    def __call__(self, text: str) -> str:
        text = _EMAIL.sub("[email]", mask_one_time_codes(mask_cards(text, self._own), self._own))
        if self._own is not None:
            text = self._own.sub("[number]", text)
        text = _TELEPHONE.sub(_hide_telephone, text)
        return text if self._names is None else self._names.sub("[name]", text)


def _hide_telephone(match: re.Match[str]) -> str:
    """Hide a telephone number. Dates have as many digits; other numbers are shorter, or begin with no plus or zero."""
    digits = sum(map(str.isdigit, match[0]))
    looks_like_phone = match[0].lstrip("(")[0] in "+0" or digits >= _MIN_PHONE_DIGITS + 3
    return "[phone]" if looks_like_phone and digits >= _MIN_PHONE_DIGITS and not _DATE.fullmatch(match[0]) else match[0]
