"""What a turn's actions leave behind, for whoever commits the turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from agent_worker.actions import arguments as args
from agent_worker.actions.execution.call import Outcome
from agent_worker.actions.spec import Action
from schemas.actions import ActionMemory, ApprovalRequested, PendingCode, Proof
from schemas.conversation import ActionRecord
from schemas.messages import Address
from schemas.ports import ActionResult, Clock


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


# What an action may learn about who the contact is, and leaves in the conversation's memory.
PROVEN = timedelta(hours=1)
"""How long a proof holds."""
PROOFS = 5


@dataclass(frozen=True, slots=True)
class Proving:
    """Of one contact in one turn. What it notes is committed with the turn, or not at all."""

    effects: Effects
    contact: str
    clock: Clock

    def prove(self, address: Address) -> None:
        """The address is the contact's, in this conversation and for now."""
        now = self.clock()
        proof = Proof(contact_id=self.contact, address=address, until=now + PROVEN)
        others = [each for each in self.effects.memory.proofs if each.until > now and each.address != address]
        self.effects.remember(proofs=[*others, proof][-PROOFS:])

    @property
    def code(self) -> PendingCode | None:
        """The one-time code that this contact was sent, and nobody else in the conversation."""
        pending = self.effects.memory.code
        return pending if pending is not None and pending.contact_id == self.contact else None

    def remember(self, code: PendingCode | None) -> None:
        self.effects.remember(code=code and code.model_copy(update={"contact_id": self.contact}))
