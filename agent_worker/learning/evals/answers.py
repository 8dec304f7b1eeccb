"""The answers that a case received, as far as checks look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from schemas.actions import Arguments
from schemas.messages import Choice, Citation

AnsweredBy = Literal["agent", "people"]


@dataclass(frozen=True, slots=True)
class ActionCall:
    """A call of an action, with its arguments as they were given."""

    name: str
    arguments: Arguments
    outcome: str


@dataclass(frozen=True, slots=True)
class ObservedAnswer:
    """What followed a message of the contact. ``outcome``: of the turn, as in its record; empty for people and if there
    was no turn. ``handed_over``: people were asked to take over. ``locale``: the language that the contact is answered
    in. ``cost``: in US dollars."""

    asked: str
    text: str
    by: AnsweredBy = "agent"
    citations: Sequence[Citation] = ()
    choices: Sequence[Choice] = ()
    calls: Sequence[ActionCall] = ()
    outcome: str = ""
    handed_over: bool = False
    locale: str = ""
    cost: float = 0.0
    milliseconds: float = 0.0
    model: str = ""


@dataclass(slots=True)
class ObservedConversation:
    """``not_recorded``: actions that were called although the case has no result for them. ``problem``: why the
    conversation ended early."""

    answers: list[ObservedAnswer] = field(default_factory=list)
    not_recorded: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def cost(self) -> float:
        return sum(answer.cost for answer in self.answers)

    def join(self) -> ObservedAnswer:
        """The conversation as one answer."""
        answers = self.answers
        return ObservedAnswer(
            asked="\n\n".join(answer.asked for answer in answers if answer.asked),
            text="\n\n".join(answer.text for answer in answers if answer.text),
            by=answers[-1].by if answers else "agent",
            citations=[each for answer in answers for each in answer.citations],
            choices=answers[-1].choices if answers else (),
            calls=[call for answer in answers for call in answer.calls],
            outcome=answers[-1].outcome if answers else "",
            handed_over=any(answer.handed_over for answer in answers),
            locale=answers[-1].locale if answers else "",
        )
