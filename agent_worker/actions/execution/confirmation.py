"""Questions before an action: to the contact, with two choices, or to a colleague through the desk."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from agent_worker.actions import arguments as args
from agent_worker.actions.execution import texts
from agent_worker.actions.execution.call import CallOutcome
from agent_worker.actions.execution.effects import Effects
from agent_worker.actions.execution.scope import ActionScope
from agent_worker.actions.spec import Action
from agent_worker.handoff.reply_templates import person_choice
from agent_worker.voice import Voice
from schemas import ids
from schemas.actions import ApprovalRequested, Arguments, PendingApproval, PendingConfirmation
from schemas.content import shorten
from schemas.ports import ActionResult, AnswerDraft

MAX_MISUNDERSTANDINGS = 3
"""Consecutive unreadable answers after which a person is offered."""
MAX_OPEN_APPROVALS = 5
"""Open approvals in one conversation."""


def ask_contact(
    scope: ActionScope,
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
    """Ask the contact to confirm. The question replaces an earlier one, whose choices become invalid, unless ``again``
    is the same question. ``misunderstood`` counts consecutive unreadable answers."""
    digest = args.arguments_digest(action.name, given)
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
    effects.question = ActionResult(
        action=action.name,
        outcome="asked",
        say=texts.confirmation_question(action, pending, scope.voice, locale=scope.locale, before=before),
        choices=pending.choices,
    )
    return effects.question


def ask_again(
    scope: ActionScope,
    effects: Effects,
    action: Action,
    pending: PendingConfirmation,
    now: datetime,
    *,
    answer: AnswerDraft | None = None,
    after_yes: bool = False,
) -> AnswerDraft:
    """Repeat the open question below the ``answer`` to whatever else the contact wrote.

    An answer from the documents, or a question of its own without one, shows that the contact was understood. Anything
    else counts as a misunderstanding: each is worded differently, and after the third the question is closed and a
    person is offered. ``after_yes``: the
    contact wrote more than a yes, which voids that yes, so the question gets a new id.
    """
    understood = answer is not None and (
        scope.asks_by_itself or (answer.answered and bool(answer.citations or effects.records))
    )
    count = 0 if understood else pending.misunderstood + 1
    if count >= MAX_MISUNDERSTANDINGS:
        return _give_up(scope, effects, action, pending)
    answer_text = answer.text if answer is not None and answer.answered else ""
    if understood and not answer_text:
        # Offering a person here would make "yes" ambiguous.
        answer_text = scope.voice.not_found_about.replace("{questions}", f"“{shorten(scope.words)}”")
    question_result = ask_contact(
        scope,
        effects,
        action,
        pending.arguments,
        pending.contact_id,
        now,
        before=texts.join_parts(
            answer_text, _explain_repeat(scope.voice, count, after_yes=after_yes, answered=bool(answer_text))
        ),
        misunderstood=count,
        again=None if after_yes else pending,
    )
    draft = answer or AnswerDraft(text="", answered=True)
    return replace(draft, text=question_result.say, choices=list(question_result.choices), answered=True)


def _explain_repeat(voice: Voice, count: int, *, after_yes: bool, answered: bool) -> str:
    if after_yes:
        return voice.confirm_again
    if answered:
        return voice.confirm_open
    if count <= 1:
        return voice.confirm_unclear
    return voice.confirm_unread.replace("{yes}", voice.confirm_yes).replace("{no}", voice.confirm_no)


def _give_up(scope: ActionScope, effects: Effects, action: Action, pending: PendingConfirmation) -> AnswerDraft:
    effects.close_question()
    effects.remember(filling=None)
    effects.question = None
    reason = "no answer could be read as a yes or a no"
    effects.note(pending.action, action, pending.arguments, CallOutcome("refused", refused="declined", reason=reason))
    return AnswerDraft(
        text=scope.voice.confirm_given_up, answered=False, choices=[person_choice(scope.voice)], reasons=[reason]
    )


def has_room_for_approval(effects: Effects, now: datetime) -> bool:
    """Return whether another approval may be opened in this conversation."""
    return sum(approval.expires_at > now for approval in effects.memory.approvals) < MAX_OPEN_APPROVALS


def ask_colleague(
    scope: ActionScope,
    effects: Effects,
    action: Action,
    given: Arguments,
    contact: str,
    now: datetime,
    *,
    authority: str,
    why: str,
    people: int = 1,
    name: str = "",
) -> ActionResult | None:
    """Request an approval. ``authority``: what allows the action so far; each authority gets one approval. None when
    too many approvals are open. ``people``: how many different colleagues have to approve."""
    digest = args.arguments_digest(action.name, given)
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
        role=action.approver,
        people=people,
    )
    others = [other for other in effects.memory.approvals if other.id != approval.id and other.expires_at > now]
    if len(others) >= MAX_OPEN_APPROVALS:
        return None
    effects.remember(approvals=[*others, approval])
    effects.approval_requests.append(
        ApprovalRequested(approval=approval, summary=args.summarize_action(action, given), contact_name=name, at=now)
    )
    effects.handoff = f"approval needed: {action.title}, {why}"
    effects.question = ActionResult(action=action.name, outcome="asked", reason=why, say=scope.voice.approval_asked)
    return effects.question
