"""The effects of a turn's actions, which are committed with the turn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agent_worker.actions import arguments as args
from agent_worker.actions.execution.call import CallOutcome
from agent_worker.actions.spec import Action
from schemas.actions import ActionMemory, ApprovalDecided, ApprovalRequested, PendingCode, PreviewDigest, Proof
from schemas.conversation import ActionRecord
from schemas.messages import Address
from schemas.ports import ActionResult, Clock


@dataclass(frozen=True, slots=True)
class Notice:
    """A separate message before the turn's reply. Its id is derived from ``purpose``, so that a repeated turn sends it
    only once."""

    purpose: str
    text: str


@dataclass(slots=True)
class Effects:
    """``question`` ends the turn. ``handoff``: why people have to take over, empty if they do not; ``hand_back``: the
    matter that people were asked about is settled. ``answered``: messages that only answered an open question.
    ``decisions``: of colleagues, as far as they count."""

    memory: ActionMemory
    records: list[ActionRecord] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    approval_requests: list[ApprovalRequested] = field(default_factory=list)
    question: ActionResult | None = None
    handoff: str = ""
    hand_back: bool = False
    answered: frozenset[str] = frozenset()
    decisions: list[ApprovalDecided] = field(default_factory=list)

    def remember(self, **changes: Any) -> None:
        self.memory = self.memory.model_copy(update=changes)

    def close_question(self) -> None:
        """Settle the open question: it can be answered only once."""
        if self.memory.confirmation is not None:
            self.remember(confirmation=None, settled=self.memory.confirmation.id)

    def show_once(self, text: str, now: datetime) -> str:
        """The text, unless the contact has just read it."""
        shown, digest = self.memory.last_preview, hashlib.sha256(text.encode()).hexdigest()[:32]
        is_known = shown is not None and shown.digest == digest and now - shown.at < SHOWN_LIFETIME
        if text:
            self.remember(last_preview=PreviewDigest(digest=digest, at=now))
        return "" if is_known else text

    def note(self, name: str, action: Action | None, given: dict[str, Any], outcome: CallOutcome) -> None:
        """Add an action and its outcome to the turn's record."""
        reason = ": ".join(part for part in (outcome.refused, outcome.reason) if part)
        self.records.append(
            ActionRecord(
                name=name,
                title=action.title if action else "",
                arguments=args.mask_arguments(action, given),
                outcome=outcome.outcome,
                reason=reason,
                key=outcome.key,
            )
        )


SHOWN_LIFETIME = timedelta(minutes=30)
"""After this long a description is shown again."""
PROOF_LIFETIME = timedelta(hours=1)
MAX_PROOFS = 5


@dataclass(frozen=True, slots=True)
class IdentityProofs:
    """Proofs of one contact's identity in one turn. They are committed with the turn or not at all."""

    effects: Effects
    contact: str
    clock: Clock

    def prove(self, address: Address) -> None:
        """Record that the address is the contact's, for this conversation and for PROOF_LIFETIME."""
        now = self.clock()
        proof = Proof(contact_id=self.contact, address=address, until=now + PROOF_LIFETIME)
        others = [each for each in self.effects.memory.proofs if each.until > now and each.address != address]
        self.effects.remember(proofs=[*others, proof][-MAX_PROOFS:])

    @property
    def code(self) -> PendingCode | None:
        """The pending one-time code of this contact."""
        pending = self.effects.memory.code
        return pending if pending is not None and pending.contact_id == self.contact else None

    def remember(self, code: PendingCode | None) -> None:
        self.effects.remember(code=code and code.model_copy(update={"contact_id": self.contact}))
