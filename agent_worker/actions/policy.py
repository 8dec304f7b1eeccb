"""What may happen: decided here alone, from the contact and the declaration, never from anybody's words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel

from agent_worker.actions.context import Identity
from agent_worker.actions.spec import Above, Action, number

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
"""Why something is not done, for the turn's record and for models. Each is the last word on its call."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ask_contact`` and ``ask_colleague``: not before one of them said yes."""

    kind: Literal["go", "refuse", "ask_contact", "ask_colleague"]
    refusal: Refusal | Literal[""] = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a tenant says about an action, in the place of what it says itself. None: as it says."""

    needs: Literal["anonymous", "channel", "verified"] | None = None
    confirm: bool | Above | None = None
    approve: bool | Above | None = None
    per_contact_per_day: int | None = None
    harmless: bool | None = None

    def over(self, action: Action) -> Action:
        return replace(
            action,
            needs=self.needs or action.needs,
            confirm=action.confirm if self.confirm is None else self.confirm,
            approve=action.approve if self.approve is None else self.approve,
            per_contact_per_day=(
                action.per_contact_per_day if self.per_contact_per_day is None else self.per_contact_per_day
            ),
            harmless=action.harmless if self.harmless is None else self.harmless,
        )


def decide(
    action: Action, arguments: BaseModel, who: Identity, *, confirmed: bool = False, approved: bool = False
) -> Verdict:
    """``confirmed`` and ``approved``: this very action, with these very arguments, has that yes. How often something
    may be done in a day is counted when it is done."""
    if not who.reaches(action.needs):
        return Verdict("refuse", "needs_identity", f"the contact must be {action.needs}, and is {who.assurance}")
    for limit in (action.confirm, action.approve):
        if isinstance(limit, Above) and not _is_amount(limit, arguments):
            return Verdict("refuse", "amount", f"{limit.field} must be an amount above 0")
    if not confirmed and _applies(action.confirm, arguments):
        return Verdict("ask_contact")
    if not approved and _applies(action.approve, arguments):
        return Verdict("ask_colleague", why=_limit(action.approve))
    return Verdict("go")


def _is_amount(limit: Above, arguments: BaseModel) -> bool:
    amount = number(getattr(arguments, limit.field, None))
    return amount is not None and amount > 0


def _applies(rule: bool | Above, arguments: BaseModel) -> bool:
    return rule.holds(arguments) if isinstance(rule, Above) else rule


def _limit(rule: bool | Above) -> str:
    if not isinstance(rule, Above):
        return "each of these needs an approval"
    return f"{rule.field} is above {rule.value}{f' {rule.currency}' if rule.currency else ''}"
