"""The policy that decides whether an action may run, from the contact's identity and the action's declaration alone.
Texts have no influence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel

from agent_worker.actions.context import Identity
from agent_worker.actions.spec import Action, AmountLimit, to_number
from schemas.access import Role

Refusal = Literal[
    "not_offered",
    "invalid_arguments",
    "needs_identity",
    "amount",
    "limit_reached",
    "in_doubt",
    "too_many_calls",
    "changed",
    "turned_down",
    "interrupted_before",
    "expired",
    "denied",
    "declined",
]
"""Reasons why an action is not done, for the turn's record and for models. Each of them is final."""


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """``ask_contact`` and ``ask_colleague`` mean that the action has to wait for that person's yes."""

    kind: Literal["go", "refuse", "ask_contact", "ask_colleague"]
    refusal: Refusal | Literal[""] = ""
    why: str = ""
    people: int = 1
    """How many colleagues have to approve."""


@dataclass(frozen=True, slots=True)
class PolicyOverrides:
    """A tenant's changes to an action's declaration. None keeps the declared value."""

    needs: Literal["anonymous", "channel", "verified"] | None = None
    confirm: bool | AmountLimit | None = None
    approve: bool | AmountLimit | None = None
    approver: Role | None = None
    four_eyes: bool | AmountLimit | None = None
    per_contact_per_day: int | None = None
    harmless: bool | None = None

    def apply_to(self, action: Action) -> Action:
        return replace(
            action,
            needs=self.needs or action.needs,
            confirm=action.confirm if self.confirm is None else self.confirm,
            approve=action.approve if self.approve is None else self.approve,
            approver=self.approver or action.approver,
            four_eyes=action.four_eyes if self.four_eyes is None else self.four_eyes,
            per_contact_per_day=(
                action.per_contact_per_day if self.per_contact_per_day is None else self.per_contact_per_day
            ),
            harmless=action.harmless if self.harmless is None else self.harmless,
        )


def apply_policy(
    action: Action, arguments: BaseModel, identity: Identity, *, confirmed: bool = False, approved: bool = False
) -> PolicyDecision:
    """``confirmed`` and ``approved``: whether this action with exactly these arguments has that yes. The daily limit is
    checked only when the action runs."""
    for limit in (action.confirm, action.approve, action.four_eyes):
        if isinstance(limit, AmountLimit) and not _is_amount(limit, arguments):
            return PolicyDecision("refuse", "amount", f"{limit.field} must be an amount above 0")
    if not identity.reaches(action.needs):
        return PolicyDecision("refuse", "needs_identity", explain_identity(action, identity))
    if not confirmed and _applies(action.confirm, arguments):
        return PolicyDecision("ask_contact")
    if not approved and _applies(action.four_eyes, arguments):
        return PolicyDecision("ask_colleague", why=f"{_limit(action.four_eyes)}; two people have to approve", people=2)
    if not approved and _applies(action.approve, arguments):
        return PolicyDecision("ask_colleague", why=_limit(action.approve))
    return PolicyDecision("go")


def explain_identity(action: Action, identity: Identity) -> str:
    return f"the contact must be {action.needs}, and is {identity.assurance}"


def _is_amount(limit: AmountLimit, arguments: BaseModel) -> bool:
    amount = to_number(getattr(arguments, limit.field, None))
    return amount is not None and amount > 0


def _applies(rule: bool | AmountLimit, arguments: BaseModel) -> bool:
    return rule.holds(arguments) if isinstance(rule, AmountLimit) else rule


def _limit(rule: bool | AmountLimit) -> str:
    if not isinstance(rule, AmountLimit):
        return "each of these needs an approval"
    return f"{rule.field} is above {rule.value}{f' {rule.currency}' if rule.currency else ''}"
