"""The contact's answer to a confirmation question.

A yes is the choice itself, a thumbs-up on the question, or, as the very next message and with nothing else in it, the
choice's label, its number, or a phrase from the closed lists in ``agent_worker.nlu.yes_no``, which may repeat what is
to be done ("yes, cancel it"). Nothing else counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent_worker.actions.execution.texts import NO, YES
from agent_worker.nlu.yes_no import repeats_in_yes, yes_or_no
from agent_worker.turn.inbound_events import InboundEvent
from schemas.actions import PendingConfirmation
from schemas.choice_matching import match_choice
from schemas.conversation import Conversation
from schemas.conversation_activity import ReactionChanged
from schemas.messages import ChoiceSelection, InboundMessage
from schemas.ports import Deliveries

Answer = Literal["yes", "no", "yes_but", "unclear", "gone", ""]
"""``yes_but``: the contact wrote more than the yes. ``unclear``: possibly an answer, but an ambiguous one. ``gone``: an
answer to a question that is no longer open."""
_MIN_VALUE = 4
"""Characters of a confirmed value that may be repeated."""


@dataclass(frozen=True, slots=True)
class ConfirmationAnswer:
    """``messages`` are the ids of the messages that make up the answer."""

    answer: Answer
    messages: frozenset[str] = frozenset()


def read_confirmation(
    pending: PendingConfirmation | None,
    waiting: Sequence[InboundMessage],
    *,
    latest: str,
    last_turn: str,
    epoch: int,
    locale: str,
    title: str = "",
    objects: str = "",
) -> ConfirmationAnswer:
    """Read the turn's messages as an answer to the open question. ``latest``: the message that the contact wrote,
    edited or deleted last; ``last_turn``: the previous turn; ``locale``: the contact's; ``title``: that of the action
    in it; ``objects``: the titles of its parameters."""
    answers = [_classify(message, pending, last_turn, epoch, locale, title, objects) for message in waiting]
    last = answers[-1] if answers and waiting[-1].id == latest else ""
    if last in ("no", "gone"):
        return ConfirmationAnswer(last, _ids_with(waiting, answers, last))
    first = answers.index("yes") if "yes" in answers else 0
    if last == "yes" and set(answers[first:]) == {"yes"} and (first == 0 or waiting[first].choice is not None):
        return ConfirmationAnswer("yes", _ids_with(waiting, answers, "yes"))
    if "yes" in answers:
        return ConfirmationAnswer("yes_but", _ids_with(waiting, answers, "yes"))
    if set(answers) == {"unclear"}:
        return ConfirmationAnswer("unclear", _ids_with(waiting, answers, "unclear"))
    return ConfirmationAnswer("")


def _ids_with(waiting: Sequence[InboundMessage], answers: Sequence[Answer], answer: Answer) -> frozenset[str]:
    return frozenset(message.id for message, each in zip(waiting, answers, strict=True) if each == answer)


def _classify(
    message: InboundMessage,
    pending: PendingConfirmation | None,
    last_turn: str,
    epoch: int,
    locale: str,
    title: str,
    objects: str,
) -> Answer:
    choice_id = message.choice.id if message.choice else ""
    question = pending if pending is not None and _may_answer(message, pending, epoch) else None
    if choice_id.startswith((YES, NO)):
        valid_choices = {YES + question.id: "yes", NO + question.id: "no"} if question is not None else {}
        return valid_choices.get(choice_id, "gone")  # type: ignore[return-value]
    if choice_id or question is None or question.turn_id != last_turn:
        return ""
    choice = match_choice(message.text, question.choices)
    if choice is not None:
        return "yes" if choice.id.startswith(YES) else "no"
    if message.attachments or message.files:
        return ""
    spoken = question.locale or locale
    answer = yes_or_no(message.text, spoken)
    if answer in ("yes", "no") or not repeats_in_yes(_without_values(message.text, question), spoken, title, objects):
        return answer
    return "yes"


def _without_values(text: str, question: PendingConfirmation) -> str:
    """The text without the identifiers and names that were confirmed."""
    values = [value for value in question.arguments.values() if isinstance(value, str) and len(value) >= _MIN_VALUE]
    confirmed = {word.casefold() for value in values for word in value.split()}
    return " ".join(word for word in text.split() if word.strip(",.;:!()").casefold() not in confirmed)


def _may_answer(message: InboundMessage, pending: PendingConfirmation, epoch: int) -> bool:
    """Return whether the contact who was asked is answering, and nobody has taken over the conversation since."""
    return message.contact_id == pending.contact_id and epoch == pending.epoch


def open_confirmation(conversation: Conversation) -> PendingConfirmation | None:
    memory = conversation.facts.actions
    return memory.confirmation if memory is not None else None


async def read_reactions(
    deliveries: Deliveries, events: Sequence[InboundEvent], conversation: Conversation
) -> dict[str, InboundMessage]:
    """Thumbs-up reactions to the open question, as the choice that they stand for, by event id."""
    pending = open_confirmation(conversation)
    choices: dict[str, InboundMessage] = {}
    if pending is None:
        return choices
    for event in events:
        reaction, at = event.payload, event.envelope
        if not isinstance(reaction, ReactionChanged):
            continue
        message = await deliveries.by_external_id(at.tenant, at.channel, at.account, reaction.external_id)
        if message == (conversation.id, pending.message_id):
            choices[event.id] = reaction_as_choice(event.id, reaction, pending)
    return choices


def reaction_as_choice(event_id: str, reaction: ReactionChanged, pending: PendingConfirmation) -> InboundMessage:
    """The thumbs-up on the open question as the choice of its yes."""
    return InboundMessage(
        id=event_id,
        external_id=reaction.external_id,
        place=reaction.place,
        contact_id=reaction.contact_id,
        choice=ChoiceSelection(in_reply_to=pending.message_id, id=f"{YES}{pending.id}"),
        sent_at=reaction.at,
    )
