"""The contact's answer to the question before an action (design §7). A yes is the choice itself, a thumb up on the
message that asked, or, typed as the very next message with nothing else in it, its label, its number, or a phrase of
the closed lists in ``agent_worker.nlu.yes_no``. Nothing else is one, whatever it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent_worker.actions.execution.texts import NO, YES
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.turn.inbound_events import Event
from schemas.actions import PendingConfirmation
from schemas.changes import ReactionChanged
from schemas.choice_matching import chosen
from schemas.conversation import Conversation
from schemas.messages import Choosing, InboundMessage
from schemas.ports import Deliveries

Answer = Literal["yes", "no", "yes_but", "unclear", "gone", ""]
"""``yes_but``: the contact said more than the yes. ``unclear``: it may be an answer, and nobody can tell which.
``gone``: an answer to a question that is not open."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``messages``: those that were the answer."""

    answer: Answer
    messages: frozenset[str] = frozenset()


def read(
    pending: PendingConfirmation | None,
    waiting: Sequence[InboundMessage],
    *,
    latest: str,
    last_turn: str,
    epoch: int,
    locale: str,
) -> Reading:
    """What the messages of a turn say to the question that is open. ``latest``: the message that the contact has
    written, edited or deleted last; ``last_turn``: the turn before this one; ``locale``: what the contact writes in."""
    said = [_said(message, pending, last_turn, epoch, locale) for message in waiting]
    last = said[-1] if said and waiting[-1].id == latest else ""
    if last in ("no", "gone"):
        return Reading(last, _those(waiting, said, last))
    first = said.index("yes") if "yes" in said else 0
    if last == "yes" and set(said[first:]) == {"yes"} and (first == 0 or waiting[first].choice is not None):
        return Reading("yes", _those(waiting, said, "yes"))
    if "yes" in said:
        return Reading("yes_but", _those(waiting, said, "yes"))
    return Reading("unclear", _those(waiting, said, "unclear")) if set(said) == {"unclear"} else Reading("")


def _those(waiting: Sequence[InboundMessage], said: Sequence[Answer], answer: Answer) -> frozenset[str]:
    return frozenset(message.id for message, word in zip(waiting, said, strict=True) if word == answer)


def _said(
    message: InboundMessage, pending: PendingConfirmation | None, last_turn: str, epoch: int, locale: str
) -> Answer:
    picked = message.choice.id if message.choice else ""
    open_ = pending if pending is not None and _fits(message, pending, epoch) else None
    if picked.startswith((YES, NO)):
        ours = {YES + open_.id: "yes", NO + open_.id: "no"} if open_ is not None else {}
        return ours.get(picked, "gone")  # type: ignore[return-value]
    if picked or open_ is None or open_.turn_id != last_turn:
        return ""
    meant = chosen(message.text, open_.choices)
    if meant is not None:
        return "yes" if meant.id.startswith(YES) else "no"
    if message.attachments or message.files:
        return ""
    return yes_or_no(message.text, open_.locale or locale)


def _fits(message: InboundMessage, pending: PendingConfirmation, epoch: int) -> bool:
    """Whether it is the contact who was asked that answers, and nobody has taken the conversation over since."""
    return message.contact_id == pending.contact_id and epoch == pending.epoch


# A thumb up on the message that asked is a yes (design §7).
def question_of(conversation: Conversation) -> PendingConfirmation | None:
    memory = conversation.facts.actions
    return memory.confirmation if memory is not None else None


async def as_choices(
    deliveries: Deliveries, events: Sequence[Event], conversation: Conversation
) -> dict[str, InboundMessage]:
    """The thumbs on the open question, as the choice that they are, by event."""
    pending = question_of(conversation)
    found: dict[str, InboundMessage] = {}
    if pending is None:
        return found
    for event in events:
        reaction, at = event.payload, event.envelope
        if not isinstance(reaction, ReactionChanged):
            continue
        message = await deliveries.by_external_id(at.tenant, at.channel, at.account, reaction.external_id)
        if message == (conversation.id, pending.message_id):
            found[event.id] = InboundMessage(
                id=event.id,
                external_id=reaction.external_id,
                place=reaction.place,
                contact_id=reaction.contact_id,
                choice=Choosing(in_reply_to=pending.message_id, id=f"{YES}{pending.id}"),
                sent_at=reaction.at,
            )
    return found
