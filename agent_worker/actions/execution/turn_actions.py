"""The actions of one turn: answers to open questions, requests from the model, and news about actions from colleagues
and the resolver."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Literal

from agent_worker.actions.execution import consent, texts
from agent_worker.actions.execution.call import CallOutcome
from agent_worker.actions.execution.confirmation import ask_again, ask_contact
from agent_worker.actions.execution.contact_intent import ContactIntent
from agent_worker.actions.execution.effects import Effects, Notice
from agent_worker.actions.execution.entity_mentions import add_mentions, mentions_for, read_mentions, shared_fields
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.execution.runner import ActionRunner, LoadIdentity
from agent_worker.actions.execution.scope import ActionScope
from agent_worker.actions.one_time_codes import CHECK
from agent_worker.actions.parsing import ParseContext, fields_of
from agent_worker.actions.spec import Action
from agent_worker.handoff.reply_templates import person_choice
from agent_worker.learning.turn_recorder import current_recorder
from agent_worker.nlu.classification import Topic
from schemas.actions import (
    ActionMemory,
    ActionResolved,
    ActionSettled,
    ApprovalDecided,
    Arguments,
    Filling,
    JournalEntry,
    PendingApproval,
    PendingConfirmation,
)
from schemas.messages import InboundMessage
from schemas.ports import ActionOffer, ActionPreview, ActionResult, AnswerDraft, Clock, Journal

MAX_CALLS = 12
"""Actions that one turn may request, so that a model cannot go on forever."""


class TurnActions:
    """The actions of one attempt at a turn. ``effects`` holds the results."""

    def __init__(
        self, scope: ActionScope, executor: Executor, journal: Journal, load_identity: LoadIdentity, clock: Clock
    ) -> None:
        self.effects = Effects(scope.conversation.facts.actions or ActionMemory())
        self._scope = scope
        self._executor = executor
        self._journal = journal
        self._clock = clock
        self._runner = ActionRunner(scope, self.effects, executor, load_identity, self._is_requested, clock)
        self._calls = 0
        self._question = self.effects.memory.confirmation
        self._again: PendingConfirmation | None = None
        self._interrupted = False

    # ── before the model is called ───────────────────────────────────────────────────────────────────────────────────

    async def resume(self, handled: Sequence[str]) -> AnswerDraft | None:
        """Report what an earlier attempt at this turn has started; nothing else is started in this one. Returns a draft
        if the turn is about nothing else."""
        entries = await self._load_begun(handled)
        notices = [await self._resume_entry(entry) for entry in entries]
        self._interrupted = bool(entries)
        if entries and {entry.intended.turn_id for entry in entries} == {self._scope.turn_id}:
            return _draft(texts.join_parts(*(notice.text for notice in notices)))
        self.effects.notices += notices
        return None

    async def report_begun(self, handled: Sequence[str]) -> None:
        """Report what an earlier attempt has started, when people have taken over and nothing else is answered."""
        self.effects.notices += [await self._resume_entry(entry) for entry in await self._load_begun(handled)]

    async def _load_begun(self, handled: Sequence[str]) -> list[JournalEntry]:
        if not self._scope.rules.may_have_begun(self._scope.conversation.facts.actions):
            return []
        authorities = {*handled, *([self._question.id] if self._question else [])}
        entries = await self._journal.find_by_authority(self._scope.conversation.id, authorities)
        current_recorder().note_entries(entries)
        return entries

    async def _resume_entry(self, entry: JournalEntry) -> Notice:
        pending = self.effects.memory.confirmation
        if pending is not None and entry.intended.authority == pending.id:
            self.effects.close_question()
        result = await self._runner.report_entry(entry)
        return Notice(f"{entry.intended.key}-resumed", result.say)

    async def act_on_consent(self, waiting: Sequence[InboundMessage], latest: str) -> AnswerDraft | None:
        """Act on the answer to the open question. None when there is something else to answer."""
        pending, scope = self._question, self._scope
        reading = consent.read_confirmation(
            pending,
            waiting,
            latest=latest,
            last_turn=scope.conversation.facts.last_turn_id,
            epoch=scope.conversation.epoch,
            locale=scope.locale,
            **self._describe_for_consent(pending),
        )
        if self._interrupted:
            return self._report_only(reading, waiting)
        if reading.answer == "gone":
            return _draft(scope.voice.confirm_gone, "the question is no longer open")
        if pending is None or not reading.answer:
            return None
        if reading.answer == "unclear":
            return self._handle_unclear(pending)
        if reading.answer == "yes_but":
            self._again = pending
            self.effects.answered = reading.messages
            return None
        draft = await self._act_on_answer(pending, agreed=reading.answer == "yes")
        if len(reading.messages) == len(waiting) or self.effects.question is not None:
            return draft
        # The contact also asked something else before the yes.
        self.effects.answered = reading.messages
        self.effects.notices.append(Notice(f"{pending.id}-answered", draft.text))
        return None

    def _describe_for_consent(self, pending: PendingConfirmation | None) -> dict[str, str]:
        """What the action and its parameters are called in the question."""
        action = self._scope.rules.actions.get(pending.action) if pending is not None else None
        if pending is None or action is None:
            return {}
        locale = pending.locale or self._scope.locale
        objects = " ".join(field.title(locale) for field in fields_of(action.parameters, locale))
        return {"title": action.title_in(locale), "objects": objects}

    def _handle_unclear(self, pending: PendingConfirmation) -> AnswerDraft | None:
        action, now = self._scope.rules.actions.get(pending.action), self._clock()
        if action is None or pending.expires_at <= now:
            return None
        return ask_again(self._scope, self.effects, action, pending, now)

    def _report_only(
        self, reading: consent.ConfirmationAnswer, waiting: Sequence[InboundMessage]
    ) -> AnswerDraft | None:
        """Do nothing beside what an earlier attempt has done; a yes to another question is asked for again."""
        if reading.answer == "yes" and self.effects.memory.confirmation is not None:
            self._again = self.effects.memory.confirmation
        self.effects.answered = reading.messages
        if self._again is not None or len(reading.messages) < len(waiting):
            return None
        notices, self.effects.notices = self.effects.notices, []
        return _draft(texts.join_parts(*(notice.text for notice in notices)))

    async def _act_on_answer(self, pending: PendingConfirmation, *, agreed: bool) -> AnswerDraft:
        action = self._scope.rules.actions.get(pending.action)
        if agreed and action is not None and pending.expires_at <= self._clock():
            return _draft_from(self._ask_again(action, pending, self._scope.voice.confirm_expired))
        self.effects.close_question()
        if not agreed:
            refused = CallOutcome("refused", refused="declined", reason="the contact said no")
            self.effects.note(pending.action, action, pending.arguments, refused)
            return _draft(self._scope.voice.action_declined, "the contact said no")
        return _draft_from(
            await self._runner.run_allowed(
                pending.action, pending.arguments, pending.digest, pending.contact_id, pending.id
            )
        )

    def _ask_again(self, action: Action, pending: PendingConfirmation, before: str) -> ActionResult:
        return ask_contact(
            self._scope,
            self.effects,
            action,
            pending.arguments,
            pending.contact_id,
            self._clock(),
            before=before,
        )

    # ── requests from the model ──────────────────────────────────────────────────────────────────────────────────────

    def today(self, now: datetime) -> date:
        return self._scope.rules.today(now)

    def offers(self) -> list[ActionOffer]:
        return [self._offer(action) for action in self._scope.rules.actions.values() if not action.topic]

    async def request_by_topic(self, topics: Collection[Topic]) -> AnswerDraft | None:
        """Request the action that one of these topics asks for. None if no action does, or if it is not clear whose
        request this is."""
        scope = self._scope
        action = next((each for each in scope.rules.actions.values() if each.topic in topics), None)
        if action is None or not scope.speaker or self._interrupted:
            return None
        result = await self._runner.request(action, {}, scope.speaker, may_write=True)
        if result.outcome == "asked":
            return _draft_from(result)
        return AnswerDraft(
            text=result.say, answered=False, choices=[person_choice(scope.voice)], reasons=[result.reason]
        )

    def _offer(self, action: Action) -> ActionOffer:
        async def call(raw: Mapping[str, Any]) -> ActionResult:
            self._calls += 1
            if self._calls > MAX_CALLS:
                return self._runner.refuse(action, dict(raw), "too_many_calls", f"more than {MAX_CALLS} in a turn")
            speaker = self._scope.speaker
            self._remember_mentions(raw)
            return await self._runner.request(action, dict(raw), speaker, may_write=not self._interrupted)

        async def preview(given: Mapping[str, Any]) -> ActionPreview:
            return await self._runner.preview(action, dict(given), self._scope.speaker)

        return ActionOffer(
            name=action.name,
            description=action.description,
            parameters=action.parameters,
            risk=action.risk,
            examples=action.examples,
            title=action.title_in(self._scope.locale),
            call=call,
            preview=preview,
            previewed=tuple(action.preview_model.model_fields) if action.preview is not None else (),
            mentions=mentions_for(self.effects.memory.mentions, action, self._scope.speaker, self._clock()),
            expected=action.name == CHECK and self._expects_code(),
        )

    def _expects_code(self) -> bool:
        """Return whether the contact has a one-time code that is still valid."""
        code = self.effects.memory.code
        return code is not None and code.contact_id == self._scope.speaker and self._clock() < code.expires_at

    def _remember_mentions(self, given: Mapping[str, Any] | None = None) -> None:
        """Remember the identifiers in the contact's words; of ``given``, only what these contain."""
        scope, now = self._scope, self._clock()
        if not scope.speaker:
            return
        context = ParseContext(scope.rules.today(now), scope.locale)
        fields = shared_fields(scope.rules.actions.values(), scope.locale)
        values = read_mentions(fields, scope.words, context)
        if given is not None:
            stated = read_mentions(fields, scope.words, replace(context, asked=True))
            values = [each for each in stated if each not in values and given.get(each[0]) == each[1]]
        if values or self.effects.memory.mentions:
            self.effects.remember(mentions=add_mentions(self.effects.memory.mentions, values, scope.speaker, now))

    def _is_requested(self, action: Action, given: Arguments) -> bool:
        scope = self._scope
        intent = ContactIntent(
            scope.words, scope.earlier, self.effects.memory.filling, scope.rules.today(self._clock()), scope.locale
        )
        return intent.requests(action, given, self.offers())

    def finish(self, draft: AnswerDraft) -> AnswerDraft:
        """The model's draft, unless a question has to be asked: that question is used word for word, and one that is
        still open is repeated."""
        self._remember_mentions()
        self.effects.remember(filling=self._filling_to_keep(draft.filling))
        if (pending := self._open_question(draft)) is not None:
            return self._repeat_question(pending, draft)
        if self.effects.question is None:
            return draft
        question = _draft_from(self.effects.question)
        if draft.text.endswith(question.text):
            # The draft also contains what was answered or done before the question.
            question = replace(question, text=draft.text, citations=draft.citations)
        return replace(question, model=draft.model, tokens=draft.tokens, cost=draft.cost, reasons=draft.reasons)

    def _open_question(self, draft: AnswerDraft) -> PendingConfirmation | None:
        """The earlier question, if the contact who was asked wrote something else and nothing has replaced it."""
        pending, memory = self._question, self.effects.memory
        if pending is None or memory.confirmation is None or memory.confirmation.digest != pending.digest:
            return None
        if draft.handoff or self.effects.handoff or self._scope.speaker != pending.contact_id:
            return None
        in_time = self._again is not None or pending.expires_at > self._clock()
        return pending if in_time and pending.epoch == self._scope.conversation.epoch else None

    def _repeat_question(self, pending: PendingConfirmation, draft: AnswerDraft) -> AnswerDraft:
        action = self._scope.rules.actions.get(pending.action)
        is_corrected = draft.filling is not None and draft.filling.action == pending.action and draft.filling.asked
        if action is None or is_corrected or any(record.name == pending.action for record in self.effects.records):
            # The contact no longer wants these arguments: others were refused, or are being asked for.
            self.effects.close_question()
            return draft
        return ask_again(
            self._scope,
            self.effects,
            action,
            pending,
            self._clock(),
            answer=None if self.effects.question is not None else draft,
            after_yes=self._again is not None,
        )

    def _filling_to_keep(self, current: Filling | None) -> Filling | None:
        """The slot filling to store. Another contact's slot filling in the same thread stays open."""
        stored, speaker = self.effects.memory.filling, self._scope.speaker
        if current is not None:
            return current.model_copy(update={"contact_id": speaker})
        return stored if stored is not None and stored.contact_id not in ("", speaker) else None

    # ── news from colleagues and the resolver ────────────────────────────────────────────────────────────────────────

    async def apply_decision(self, word: ApprovalDecided) -> None:
        """Apply a colleague's decision on an approval. The first decision counts, or where several people have to
        approve, the first yes of each of them."""
        approval = next((each for each in self.effects.memory.approvals if each.id == word.approval_id), None)
        if approval is None:
            return
        if (word.person or word.by) not in approval.approved_by:
            self.effects.decisions.append(word)
        if word.decision == "deny":
            self._not_approved(approval, "denied", word.reason)
            return
        approved_by = sorted({*approval.approved_by, word.person or word.by})
        if len(approved_by) < approval.people:
            self._keep_approval(approval.model_copy(update={"approved_by": approved_by}))
            return
        self._close_approval(approval)
        result = await self._runner.run_allowed(
            approval.action, approval.arguments, approval.digest, approval.contact_id, approval.id, approved=True
        )
        self.effects.notices.append(Notice(approval.id, result.say))

    def expire(self, now: datetime) -> None:
        """Drop the approvals that nobody decided in time."""
        for approval in self.effects.memory.approvals:
            if approval.expires_at <= now:
                self._not_approved(approval, "expired")

    def _not_approved(self, approval: PendingApproval, refusal: Literal["denied", "expired"], reason: str = "") -> None:
        self._close_approval(approval)
        action, voice = self._scope.rules.actions.get(approval.action), self._scope.voice
        self.effects.note(
            approval.action, action, approval.arguments, CallOutcome("refused", refused=refusal, reason=reason)
        )
        text = voice.approval_denied if refusal == "denied" else voice.approval_expired
        self.effects.notices.append(Notice(approval.id, text))

    def _keep_approval(self, approval: PendingApproval) -> None:
        """Another person still has to approve it."""
        approvals = self.effects.memory.approvals
        self.effects.remember(approvals=[approval if each.id == approval.id else each for each in approvals])

    def _close_approval(self, approval: PendingApproval) -> None:
        """An approval can be decided only once."""
        self.effects.remember(approvals=[each for each in self.effects.memory.approvals if each.id != approval.id])
        self.effects.hand_back = True

    async def apply_resolution(self, resolution: ActionResolved) -> None:
        """Report an outcome that the resolver found out or gave up on."""
        entry = await self._journal.entry(self._scope.conversation.id, resolution.key)
        if entry is None:
            return
        current_recorder().note_entries([entry])
        outcome = resolution if entry.in_doubt or entry.settled is None else entry.settled
        settled = ActionSettled(
            key=resolution.key,
            action=resolution.action,
            outcome=outcome.outcome,
            result=outcome.result,
            reason=outcome.reason,
            resolved=True,
            at=resolution.at,
        )
        await self._executor.settle(self._scope, settled)
        result = await self._runner.report(
            entry, CallOutcome(settled.outcome, settled.key, settled.result, settled.reason)
        )
        say = result.say
        if settled.outcome == "unknown":
            say, self.effects.handoff = self._scope.voice.action_check_failed, f"in doubt: {resolution.action}"
        self.effects.notices.append(Notice(f"{resolution.key}-resolved", say))


def as_handoff(draft: AnswerDraft, effects: Effects) -> AnswerDraft:
    """Hand the draft over when the effects demand it. The system is its author, so an owner change does not drop it."""
    return replace(draft, handoff=True, author="system") if effects.handoff else draft


def _draft(text: str, *reasons: str) -> AnswerDraft:
    return AnswerDraft(text=text, answered=True, reasons=list(reasons))


def _draft_from(result: ActionResult) -> AnswerDraft:
    return AnswerDraft(text=result.say, answered=True, choices=list(result.choices))
