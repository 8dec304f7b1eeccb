"""What counts as the contact's yes to one exact action (design §7): the choice itself, its label or number typed as the
very next thing, or a thumb up on the message that asked. Nothing else does, whatever it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent_worker.actions.wording import NO, YES
from schemas.actions import PendingConfirmation
from schemas.choosing import chosen
from schemas.messages import InboundMessage

Answer = Literal["yes", "no", "yes_but", "gone", ""]
"""``yes_but``: more was said after the yes. ``gone``: an answer to a question that is not open."""


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
) -> Reading:
    """What the messages of a turn say to the question that is open. ``latest``: the message that the contact has
    written, edited or deleted last; ``last_turn``: the turn before this one."""
    said = [_said(message, pending, last_turn, epoch) for message in waiting]
    last = said[-1] if said and waiting[-1].id == latest else ""
    if last in ("no", "gone"):
        return Reading(last, _those(waiting, said, last))
    if last == "yes" and set(said[said.index("yes") :]) == {"yes"}:
        return Reading("yes", _those(waiting, said, "yes"))
    return Reading("yes_but" if "yes" in said else "")


def _those(waiting: Sequence[InboundMessage], said: Sequence[Answer], answer: Answer) -> frozenset[str]:
    return frozenset(message.id for message, word in zip(waiting, said, strict=True) if word == answer)


def _said(message: InboundMessage, pending: PendingConfirmation | None, last_turn: str, epoch: int) -> Answer:
    picked = message.choice.id if message.choice else ""
    open_ = pending if pending is not None and _fits(message, pending, epoch) else None
    if picked.startswith((YES, NO)):
        ours = {YES + open_.id: "yes", NO + open_.id: "no"} if open_ is not None else {}
        return ours.get(picked, "gone")  # type: ignore[return-value]
    if picked or open_ is None or open_.turn_id != last_turn:
        return ""
    meant = chosen(message.text, open_.choices)
    return "" if meant is None else "yes" if meant.id.startswith(YES) else "no"


def _fits(message: InboundMessage, pending: PendingConfirmation, epoch: int) -> bool:
    """Whether it is the contact who was asked that answers, and nobody has taken the conversation over since."""
    return message.contact_id == pending.contact_id and epoch == pending.epoch
