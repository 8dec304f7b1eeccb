"""Asking first: the contact, by a question with two choices; or a colleague, through the desk."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent_worker.actions import arguments as args
from agent_worker.actions import wording
from agent_worker.actions.effects import Effects
from agent_worker.actions.scope import Scope
from agent_worker.actions.spec import Action
from schemas import ids
from schemas.actions import ApprovalRequested, Arguments, PendingApproval, PendingConfirmation
from schemas.ports import ActionResult

APPROVALS = 5
"""Open approvals of one conversation."""


def ask_contact(
    scope: Scope,
    effects: Effects,
    action: Action,
    given: Arguments,
    contact: str,
    now: datetime,
    *,
    before: str = "",
) -> ActionResult:
    """A question takes the place of an earlier one, whose choices then mean nothing any more."""
    digest = args.digest(action.name, given)
    id_ = ids.derived_id(scope.turn_id, f"confirm-{digest}")
    pending = PendingConfirmation(
        id=id_,
        action=action.name,
        arguments=given,
        digest=digest,
        contact_id=contact,
        message_id=ids.reply_id(scope.turn_id, 0),
        turn_id=scope.turn_id,
        epoch=scope.conversation.epoch,
        choices=wording.choices_of(id_, scope.voice),
        asked_at=now,
        expires_at=now + timedelta(seconds=scope.rules.confirmation),
    )
    effects.remember(confirmation=pending)
    effects.asked = ActionResult(
        action=action.name,
        outcome="asked",
        say=wording.question(action, pending, scope.voice, locale=scope.locale, before=before),
        choices=pending.choices,
    )
    return effects.asked


def ask_colleague(
    scope: Scope,
    effects: Effects,
    action: Action,
    given: Arguments,
    contact: str,
    now: datetime,
    *,
    authority: str,
    why: str,
    name: str = "",
) -> ActionResult | None:
    """None when too many approvals are open. ``authority``: what allows it so far; of one there is one approval."""
    digest = args.digest(action.name, given)
    approval = PendingApproval(
        id=ids.derived_id(authority, f"approve-{digest}"),
        action=action.name,
        title=action.title,
        arguments=given,
        digest=digest,
        contact_id=contact,
        reason=why,
        requested_at=now,
        expires_at=now + timedelta(seconds=scope.rules.approval),
    )
    others = [each for each in effects.memory.approvals if each.id != approval.id and each.expires_at > now]
    if len(others) >= APPROVALS:
        return None
    effects.remember(approvals=[*others, approval])
    effects.requested.append(
        ApprovalRequested(approval=approval, summary=args.summary(action, given), contact_name=name, at=now)
    )
    effects.handoff = f"approval needed: {action.title}, {why}"
    effects.asked = ActionResult(action=action.name, outcome="asked", reason=why, say=scope.voice.approval_asked)
    return effects.asked
