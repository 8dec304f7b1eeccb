"""Asking first: the contact, by a question with two choices; or a colleague, through the desk."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from agent_worker.actions import arguments as args
from agent_worker.actions.execution import texts
from agent_worker.actions.execution.call import Outcome
from agent_worker.actions.execution.effects import Effects
from agent_worker.actions.execution.scope import Scope
from agent_worker.actions.spec import Action
from agent_worker.handoff.reply_templates import person_choice
from agent_worker.phrases import Voice
from schemas import ids
from schemas.actions import ApprovalRequested, Arguments, PendingApproval, PendingConfirmation
from schemas.ports import ActionResult, Draft

MISUNDERSTOOD = 3
"""Answers in a row that could not be read, after which a person is offered."""
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
    misunderstood: int = 0,
    again: PendingConfirmation | None = None,
) -> ActionResult:
    """A question takes the place of an earlier one, whose choices then mean nothing any more; those of ``again``, which
    is the same question, still do. ``misunderstood``: answers in a row that could not be read."""
    digest = args.digest(action.name, given)
    id_ = again.id if again is not None else ids.derived_id(scope.turn_id, f"confirm-{digest}")
    pending = PendingConfirmation(
        id=id_,
        action=action.name,
        arguments=given,
        digest=digest,
        contact_id=contact,
        message_id=ids.reply_id(scope.turn_id, 0),
        turn_id=scope.turn_id,
        epoch=scope.conversation.epoch,
        choices=texts.choices_of(id_, scope.voice),
        locale=again.locale if again is not None else scope.locale,
        misunderstood=misunderstood,
        asked_at=now,
        expires_at=now + timedelta(seconds=scope.rules.confirmation),
    )
    effects.remember(confirmation=pending)
    effects.asked = ActionResult(
        action=action.name,
        outcome="asked",
        say=texts.question(action, pending, scope.voice, locale=scope.locale, before=before),
        choices=pending.choices,
    )
    return effects.asked


def ask_again(
    scope: Scope,
    effects: Effects,
    action: Action,
    pending: PendingConfirmation,
    now: datetime,
    *,
    answer: Draft | None = None,
    after_yes: bool = False,
) -> Draft:
    """The open question once more, below the ``answer`` to whatever else the contact wrote. An answer from the
    documents shows that the contact was understood; without one this counts as a misunderstanding, each is worded
    differently, and after the third a person is offered and the question is closed. ``after_yes``: the contact wrote
    more than a yes, so that yes is void: the question gets an id of its own."""
    understood = answer is not None and answer.answered and bool(answer.citations or effects.records)
    count = 0 if understood else pending.misunderstood + 1
    if count >= MISUNDERSTOOD:
        return _given_up(scope, effects, action, pending)
    said = answer.text if answer is not None and answer.answered else ""
    asked = ask_contact(
        scope,
        effects,
        action,
        pending.arguments,
        pending.contact_id,
        now,
        before=texts.joined(said, _why_again(scope.voice, count, after_yes=after_yes, said=bool(said))),
        misunderstood=count,
        again=None if after_yes else pending,
    )
    draft = answer or Draft(text="", answered=True)
    return replace(draft, text=asked.say, choices=list(asked.choices), answered=True)


def _why_again(voice: Voice, count: int, *, after_yes: bool, said: bool) -> str:
    if after_yes:
        return voice.confirm_again
    if said:
        return voice.confirm_open
    if count <= 1:
        return voice.confirm_unclear
    return voice.confirm_unread.replace("{yes}", voice.confirm_yes).replace("{no}", voice.confirm_no)


def _given_up(scope: Scope, effects: Effects, action: Action, pending: PendingConfirmation) -> Draft:
    effects.close_question()
    effects.remember(filling=None)
    effects.asked = None
    why = "no answer could be read as a yes or a no"
    effects.note(pending.action, action, pending.arguments, Outcome("refused", refused="declined", reason=why))
    return Draft(text=scope.voice.confirm_given_up, answered=False, choices=[person_choice(scope.voice)], reasons=[why])


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
