"""Training examples from the events of a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel, ValidationError

from gateway.training.conversation_log import ConversationEvent
from gateway.training.export_rows import ConversationExample, ExportMessage, Preference, Rejection
from schemas import topics
from schemas.changes import MessageDeleted, MessageEdited
from schemas.conversation import DeliveryOutcome, OwnerChanged, Turn
from schemas.facts import Feedback, FilesStored
from schemas.handoff.rules import PEOPLE
from schemas.messages import InboundMessage, OutboundMessage
from schemas.privacy.cards import OwnNumbers, mask_cards
from schemas.privacy.one_time_codes import mask_one_time_codes

UNANSWERED = frozenset({"declined", "person"})
"""Routes and outcomes of turns that did not answer the question."""


@dataclass(slots=True)
class _Message:
    """A message of the conversation. ``turn`` is the turn that wrote it, if the agent did."""

    id: str
    who: str
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
        return any(value == "down" for (about, _), value in self.thumbs.items() if about == message)


def export_rows(
    tenant: str, conversation: str, facts: list[ConversationEvent], own: OwnNumbers | None, names: Iterable[str] = ()
) -> Iterator[ConversationExample | Preference]:
    """The training examples of a conversation: it as a whole if it was approved, and each rejected reply.

    ``names``: names of its contact, which are removed from the texts."""
    seen = _replay(facts)
    if not seen.turns:
        return
    hidden = Anonymizer(own, {*seen.names, *names})
    about = {"conversation": conversation, "tenant": tenant, "channel": facts[0].channel}
    talk = _approved_conversation(seen, hidden, about)
    if talk is not None:
        yield talk
    yield from _preferences(seen, hidden, about)


def _approved_conversation(
    seen: _Conversation, hidden: Anonymizer, about: dict[str, str]
) -> ConversationExample | None:
    values = set(seen.thumbs.values())
    if seen.with_people or seen.discarded or "down" in values:
        return None
    answered = not any({turn.route, getattr(turn, "outcome", "")} & UNANSWERED for turn in seen.turns)
    messages = _merge_messages(seen.messages.values(), hidden)
    if not ("up" in values or answered) or len(messages) < 2 or messages[-1].role != "assistant":
        return None
    models = sorted({turn.model for turn in seen.turns if turn.model})
    approved = "thumb" if "up" in values else "resolved"
    return ConversationExample(messages=messages, approved=approved, models=models, at=seen.turns[-1].at, **about)  # type: ignore[arg-type]


def _preferences(seen: _Conversation, hidden: Anonymizer, about: dict[str, str]) -> Iterator[Preference]:
    lines = list(seen.messages.values())
    for at, line in enumerate(lines):
        reason = _rejection_of(seen, lines, at)
        prompt = _merge_messages(lines[:at], hidden)
        if line.turn is None or reason is None or not prompt:
            continue
        instead = next((each.text for each in lines[at + 1 :] if each.who == "person" and each.text.strip()), None)
        yield Preference(
            prompt=prompt,
            chosen=None if instead is None else hidden(instead),
            rejected=hidden(line.text),
            reason=reason,
            model=line.turn.model,
            at=line.turn.at,
            **about,
        )


def _rejection_of(seen: _Conversation, lines: list[_Message], at: int) -> Rejection | None:
    line = lines[at]
    if line.turn is None:
        return None
    if seen.has_thumb_down(line.id):
        return "thumb"
    if line.id in seen.discarded:
        return "discarded"
    # The reply that announces the handoff is no example. The reply before it did not help.
    following = next((each for each in lines[at + 1 :] if each.turn is not None), None)
    handed = following is not None and following.turn is not None and following.turn.route == "person"
    return "handed_off" if handed and line.turn.route != "person" else None


def _merge_messages(lines: Iterable[_Message], hidden: Anonymizer) -> list[ExportMessage]:
    """The messages for training. Several messages of one side in a row become one."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        role = "user" if line.who == "contact" else "assistant"
        if not line.text.strip():
            continue
        if found and found[-1][0] == role:
            found[-1][1].append(hidden(line.text))
        else:
            found.append((role, [hidden(line.text)]))
    return [ExportMessage(role=role, content="\n".join(texts)) for role, texts in found]  # type: ignore[arg-type]


def _replay(facts: Iterable[ConversationEvent]) -> _Conversation:
    seen = _Conversation()
    for fact in facts:
        try:
            payload = topics.EVENT_TYPES[fact.type][0].model_validate_json(fact.body)
        except ValidationError:
            continue  # nobody answered a message that cannot be read
        _apply(seen, fact, payload)
    return seen


def _apply(seen: _Conversation, fact: ConversationEvent, payload: BaseModel) -> None:
    if isinstance(payload, InboundMessage):
        _add_inbound(seen, payload)
    elif isinstance(payload, Turn):
        seen.turns.append(payload)
        for reply in payload.replies:
            _add_reply(seen, reply, payload)
    elif isinstance(payload, MessageEdited | FilesStored) and payload.message_id in seen.messages:
        line = seen.messages[payload.message_id]
        # The transcript of a voice note only replaces an empty text.
        line.text = payload.text if isinstance(payload, MessageEdited) else line.text or payload.text
    elif isinstance(payload, MessageDeleted) and payload.message_id in seen.messages:
        seen.messages[payload.message_id].text = ""
    elif isinstance(payload, OwnerChanged):
        seen.with_people |= payload.owner in PEOPLE
    elif isinstance(payload, Feedback):
        seen.thumbs[payload.message_id, payload.contact_id] = payload.value
    elif isinstance(payload, DeliveryOutcome) and payload.state == "stale_owner":
        seen.discarded.add(payload.message_id)


def _add_inbound(seen: _Conversation, message: InboundMessage) -> None:
    seen.with_people |= message.author.kind == "person"
    if message.author.name:
        seen.names.add(message.author.name)
    seen.messages[message.id] = _Message(message.id, message.author.kind, message.text)


def _add_reply(seen: _Conversation, reply: OutboundMessage, turn: Turn) -> None:
    if reply.author.kind == "agent":
        seen.messages[reply.id] = _Message(reply.id, "agent", reply.text, turn)


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


def _hide_telephone(found: re.Match[str]) -> str:
    """Hide a telephone number. Dates have as many digits; other numbers are shorter, or begin with no plus or zero."""
    digits = sum(map(str.isdigit, found[0]))
    called = found[0].lstrip("(")[0] in "+0" or digits >= _MIN_PHONE_DIGITS + 3
    return "[phone]" if called and digits >= _MIN_PHONE_DIGITS and not _DATE.fullmatch(found[0]) else found[0]
