"""What a turn's actions leave behind, for whoever commits the turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent_worker.actions import arguments as args
from agent_worker.actions.calling import Outcome
from agent_worker.actions.spec import Action
from schemas.actions import ActionMemory, ApprovalRequested
from schemas.conversation import ActionRecord
from schemas.ports import ActionResult


@dataclass(frozen=True, slots=True)
class Notice:
    """A message of its own, said before the turn's reply. ``about`` makes its id: the same each time."""

    about: str
    text: str


@dataclass(slots=True)
class Effects:
    """``asked``: the question that the turn ends with. ``handoff``: why people are to take over, empty when they are
    not; ``hand_back``: what people were asked is settled. ``answered``: messages that were nothing but an answer to an
    open question."""

    memory: ActionMemory
    records: list[ActionRecord] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    requested: list[ApprovalRequested] = field(default_factory=list)
    asked: ActionResult | None = None
    handoff: str = ""
    hand_back: bool = False
    answered: frozenset[str] = frozenset()

    def remember(self, **changes: Any) -> None:
        self.memory = self.memory.model_copy(update=changes)

    def close_question(self) -> None:
        """The open question is settled: it can be answered once."""
        if self.memory.confirmation is not None:
            self.remember(confirmation=None, settled=self.memory.confirmation.id)

    def note(self, name: str, action: Action | None, given: dict[str, Any], outcome: Outcome) -> None:
        """For the turn's record."""
        reason = ": ".join(part for part in (outcome.refused, outcome.reason) if part)
        self.records.append(
            ActionRecord(
                name=name,
                title=action.title if action else "",
                arguments=args.masked(action, given),
                outcome=outcome.outcome,
                reason=reason,
                key=outcome.key,
            )
        )
