"""What one turn does: answers to open questions, actions that a model asks for, and words of others about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Literal

from agent_worker.actions.execution import consent, texts
from agent_worker.actions.execution.call import Outcome
from agent_worker.actions.execution.confirmation import ask_again, ask_contact
from agent_worker.actions.execution.contact_intent import Wish
from agent_worker.actions.execution.effects import Effects, Notice
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.execution.runner import Known, Performer
from agent_worker.actions.execution.scope import Scope
from agent_worker.actions.spec import Action
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
from schemas.ports import ActionResult, Clock, Draft, Journal, Offer

CALLS = 12
"""Actions that one turn may ask for: a model that calls on and on comes to an end."""


class Acting:
    """Of one attempt at one turn; ``effects`` are what it leaves behind."""

    def __init__(self, scope: Scope, executor: Executor, journal: Journal, known: Known, clock: Clock) -> None:
        self.effects = Effects(scope.conversation.facts.actions or ActionMemory())
        self._scope = scope
        self._executor = executor
        self._journal = journal
        self._clock = clock
        self._performer = Performer(scope, self.effects, executor, known, self._wished, clock)
        self._calls = 0
        self._question = self.effects.memory.confirmation
        self._again: PendingConfirmation | None = None
        self._interrupted = False

    # ── before a model is asked ──────────────────────────────────────────────────────────────────────────────────────

    async def resume(self, handled: Sequence[str]) -> Draft | None:
        """What an earlier attempt at this turn has begun is told, and nothing is begun beside it. A draft when that is
        all that the turn is about."""
        entries = await self._begun(handled)
        told = [await self._resumed(entry) for entry in entries]
        self._interrupted = bool(entries)
        if entries and {entry.intended.turn_id for entry in entries} == {self._scope.turn_id}:
            return _draft(texts.joined(*(notice.text for notice in told)))
        self.effects.notices += told
        return None

    async def tell_begun(self, handled: Sequence[str]) -> None:
        """The same, where people have taken the conversation over meanwhile and nothing else is answered."""
        self.effects.notices += [await self._resumed(entry) for entry in await self._begun(handled)]

    async def _begun(self, handled: Sequence[str]) -> list[JournalEntry]:
        authorities = {*handled, *([self._question.id] if self._question else [])}
        return await self._journal.under(self._scope.conversation.id, authorities) if self._scope.rules.writing else []

    async def _resumed(self, entry: JournalEntry) -> Notice:
        pending = self.effects.memory.confirmation
        if pending is not None and entry.intended.authority == pending.id:
            self.effects.close_question()
        result = await self._performer.earlier(entry)
        return Notice(f"{entry.intended.key}-resumed", result.say)

    async def consented(self, waiting: Sequence[InboundMessage], latest: str) -> Draft | None:
        """Act on the answer to the open question, if there is one. None when there is something else to answer."""
        pending, scope = self._question, self._scope
        reading = consent.read(
            pending,
            waiting,
            latest=latest,
            last_turn=scope.conversation.facts.last_turn_id,
            epoch=scope.conversation.epoch,
            locale=scope.locale,
        )
        if self._interrupted:
            return self._only_told(reading, waiting)
        if reading.answer == "gone":
            return _draft(scope.voice.confirm_gone, "the question is not open any more")
        if pending is None or not reading.answer:
            return None
        if reading.answer == "unclear":
            return self._unclear(pending)
        if reading.answer == "yes_but":
            self._again = pending
            self.effects.answered = reading.messages
            return None
        draft = await self._answered(pending, agreed=reading.answer == "yes")
        if len(reading.messages) == len(waiting) or self.effects.asked is not None:
            return draft
        # Something else was asked before the yes.
        self.effects.answered = reading.messages
        self.effects.notices.append(Notice(f"{pending.id}-answered", draft.text))
        return None

    def _unclear(self, pending: PendingConfirmation) -> Draft | None:
        action, now = self._scope.rules.actions.get(pending.action), self._clock()
        if action is None or pending.expires_at <= now:
            return None
        return ask_again(self._scope, self.effects, action, pending, now)

    def _only_told(self, reading: consent.Reading, waiting: Sequence[InboundMessage]) -> Draft | None:
        """Nothing is done beside what an earlier attempt has done; a yes to something else is asked for once more."""
        if reading.answer == "yes" and self.effects.memory.confirmation is not None:
            self._again = self.effects.memory.confirmation
        self.effects.answered = reading.messages
        if self._again is not None or len(reading.messages) < len(waiting):
            return None
        told, self.effects.notices = self.effects.notices, []
        return _draft(texts.joined(*(notice.text for notice in told)))

    async def _answered(self, pending: PendingConfirmation, *, agreed: bool) -> Draft:
        action = self._scope.rules.actions.get(pending.action)
        if agreed and action is not None and pending.expires_at <= self._clock():
            return _of(self._ask_again(action, pending, self._scope.voice.confirm_expired))
        self.effects.close_question()
        if not agreed:
            refused = Outcome("refused", refused="declined", reason="the contact said no")
            self.effects.note(pending.action, action, pending.arguments, refused)
            return _draft(self._scope.voice.declined, "the contact said no")
        return _of(
            await self._performer.allowed(
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

    # ── what a model may ask for ─────────────────────────────────────────────────────────────────────────────────────

    def today(self, now: datetime) -> date:
        return self._scope.rules.today(now)

    def offers(self) -> list[Offer]:
        return [self._offer(action) for action in self._scope.rules.actions.values()]

    def _offer(self, action: Action) -> Offer:
        async def call(raw: Mapping[str, Any]) -> ActionResult:
            self._calls += 1
            if self._calls > CALLS:
                return self._performer.refuse(action, dict(raw), "too_many_calls", f"more than {CALLS} in a turn")
            speaker = self._scope.speaker
            return await self._performer.asked(action, dict(raw), speaker, may_write=not self._interrupted)

        return Offer(
            name=action.name,
            description=action.description,
            parameters=action.parameters,
            risk=action.risk,
            examples=action.examples,
            title=action.titled(self._scope.locale),
            call=call,
        )

    def _wished(self, action: Action, given: Arguments) -> bool:
        scope = self._scope
        wish = Wish(
            scope.words, scope.earlier, self.effects.memory.filling, scope.rules.today(self._clock()), scope.locale
        )
        return wish.names(action, given, self.offers())

    def finish(self, draft: Draft) -> Draft:
        """The model's draft; but where something has to be asked first, the question stands as it is, and one that is
        still open is asked again."""
        self.effects.remember(filling=self._still_filling(draft.filling))
        if (pending := self._still_open(draft)) is not None:
            return self._open_again(pending, draft)
        if self.effects.asked is None:
            return draft
        asked = _of(self.effects.asked)
        if draft.text.endswith(asked.text):
            # What was answered, or done, before the question.
            asked = replace(asked, text=draft.text, citations=draft.citations)
        return replace(asked, model=draft.model, tokens=draft.tokens, cost=draft.cost, reasons=draft.reasons)

    def _still_open(self, draft: Draft) -> PendingConfirmation | None:
        """The question from before, if the contact who was asked wrote something else and nothing took its place."""
        pending, memory = self._question, self.effects.memory
        if pending is None or memory.confirmation is None or memory.confirmation.digest != pending.digest:
            return None
        if draft.handoff or self.effects.handoff or self._scope.speaker != pending.contact_id:
            return None
        in_time = self._again is not None or pending.expires_at > self._clock()
        return pending if in_time and pending.epoch == self._scope.conversation.epoch else None

    def _open_again(self, pending: PendingConfirmation, draft: Draft) -> Draft:
        action = self._scope.rules.actions.get(pending.action)
        if action is None or any(record.name == pending.action for record in self.effects.records):
            # The same action was refused for other arguments: the contact wants those, and not the old ones.
            self.effects.close_question()
            return draft
        return ask_again(
            self._scope,
            self.effects,
            action,
            pending,
            self._clock(),
            answer=None if self.effects.asked is not None else draft,
            after_yes=self._again is not None,
        )

    def _still_filling(self, now: Filling | None) -> Filling | None:
        """What is asked for from now on; what somebody else in the thread is being asked stays open."""
        before, speaker = self.effects.memory.filling, self._scope.speaker
        if now is not None:
            return now.model_copy(update={"contact_id": speaker})
        return before if before is not None and before.contact_id not in ("", speaker) else None

    # ── what others say about it ─────────────────────────────────────────────────────────────────────────────────────

    async def decided(self, word: ApprovalDecided) -> None:
        """A colleague's word on an approval; of several the first counts."""
        approval = next((each for each in self.effects.memory.approvals if each.id == word.approval_id), None)
        if approval is None:
            return
        if word.decision == "deny":
            self._not_approved(approval, "denied", word.reason)
            return
        self._close_approval(approval)
        result = await self._performer.allowed(
            approval.action, approval.arguments, approval.digest, approval.contact_id, approval.id, approved=True
        )
        self.effects.notices.append(Notice(approval.id, result.say))

    def expire(self, now: datetime) -> None:
        """Nobody has decided in time."""
        for approval in self.effects.memory.approvals:
            if approval.expires_at <= now:
                self._not_approved(approval, "expired")

    def _not_approved(self, approval: PendingApproval, refusal: Literal["denied", "expired"], reason: str = "") -> None:
        self._close_approval(approval)
        action, voice = self._scope.rules.actions.get(approval.action), self._scope.voice
        self.effects.note(
            approval.action, action, approval.arguments, Outcome("refused", refused=refusal, reason=reason)
        )
        text = voice.approval_denied if refusal == "denied" else voice.approval_expired
        self.effects.notices.append(Notice(approval.id, text))

    def _close_approval(self, approval: PendingApproval) -> None:
        """It can be decided once."""
        self.effects.remember(approvals=[each for each in self.effects.memory.approvals if each.id != approval.id])
        self.effects.hand_back = True

    async def resolved(self, word: ActionResolved) -> None:
        """What was in doubt is known by now, or given up on."""
        entry = await self._journal.entry(self._scope.conversation.id, word.key)
        if entry is None:
            return
        known = word if entry.in_doubt or entry.settled is None else entry.settled
        settled = ActionSettled(
            key=word.key,
            action=word.action,
            outcome=known.outcome,
            result=known.result,
            reason=known.reason,
            resolved=True,
            at=word.at,
        )
        await self._executor.settle(self._scope, settled)
        result = await self._performer.told(
            entry, Outcome(settled.outcome, settled.key, settled.result, settled.reason)
        )
        say = result.say
        if settled.outcome == "unknown":
            say, self.effects.handoff = self._scope.voice.unclear_still, f"in doubt: {word.action}"
        self.effects.notices.append(Notice(f"{word.key}-resolved", say))


def handed_over(draft: Draft, effects: Effects) -> Draft:
    """Said by the system: an owner change must never drop it."""
    return replace(draft, handoff=True, author="system") if effects.handoff else draft


def _draft(text: str, *reasons: str) -> Draft:
    return Draft(text=text, answered=True, reasons=list(reasons))


def _of(result: ActionResult) -> Draft:
    return Draft(text=result.say, answered=True, choices=list(result.choices))
