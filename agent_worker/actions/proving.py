"""What an action may learn about who the contact is, and leaves in the conversation's memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agent_worker.actions.effects import Effects
from schemas.actions import PendingCode, Proof
from schemas.messages import Address
from schemas.ports import Clock

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
