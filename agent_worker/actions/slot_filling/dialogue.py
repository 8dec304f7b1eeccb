"""One turn of the dialogue about an action: choose it, ask for its parameters, call it, and report the outcome."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from agent_worker.actions.one_time_codes import CHECK, SEND
from agent_worker.actions.parsing import Field, ParseContext, fields_of
from agent_worker.actions.slot_filling import extraction
from agent_worker.actions.slot_filling.action_matching import match_action
from agent_worker.actions.slot_filling.dialogue_texts import (
    SAYS,
    cancel_choice,
    choices_between,
    choices_for,
    dialogue_text,
    explain_unusable,
    question_for,
)
from agent_worker.actions.slot_filling.extraction import Extraction
from agent_worker.handoff.reply_templates import person_choice
from agent_worker.nlu.language_detection import detect_language
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.voice import Voice
from schemas.actions import Filling, QueuedAction
from schemas.choice_matching import match_choice
from schemas.messages import Choice
from schemas.ports import ActionOffer, ActionResult, AnswerDraft, Question

MAX_TEXT = 2_000
"""Characters of a message that are read."""
MAX_MISUNDERSTANDINGS = 2
"""Misunderstandings of one parameter; the next one offers a person."""
DIALOGUE_TIMEOUT = timedelta(minutes=30)
"""After this long the dialogue is forgotten."""
_MAX_ACTIONS = 3
"""Actions that one message may request."""
_AND = re.compile(r"\band (?:then |also )?(?=\w)|\bund (?:dann |auch )?(?=\w)|;|\n|(?<=[.!?])\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SlotFillingDialogue:
    """``today`` is the date in the tenant's time zone."""

    question: Question
    voice: Voice
    model: str
    now: datetime
    today: date

    async def reply(self) -> AnswerDraft | None:
        """None when the documents should answer: no action was requested, or something else was asked on the way."""
        filling = self.filling
        text = self._message_text()
        if filling is None:
            return await self._begin(text)
        if extraction.is_cancellation(text):
            return self._cancel(filling)
        other = self._another(filling, text)
        if other is not None:
            return await self._go_on(other, text, fresh=True)
        return await self._go_on(filling, text)

    def _message_text(self) -> str:
        """The message; for a choice that was typed as its number, its label."""
        text = self.question.text[:MAX_TEXT]
        last_reply = next((line for line in reversed(self.question.history) if line.author.kind != "contact"), None)
        choice = match_choice(text, last_reply.choices) if last_reply is not None else None
        return choice.label if choice is not None and choice.id.startswith(SAYS) else text

    @property
    def filling(self) -> Filling | None:
        """The open slot filling, unless it timed out or its action is no longer offered."""
        filling = self.question.filling
        if filling is None or self.now - filling.at > DIALOGUE_TIMEOUT or self._offer(filling.action) is None:
            return None
        return filling

    def reminder(self) -> str:
        """The open question again, after something else was answered."""
        filling = self.filling
        offer = self._offer(filling.action) if filling is not None else None
        if filling is None or offer is None:
            return ""
        return next(
            (question_for(field, filling.locale) for field in self._fields(offer) if field.name == filling.asked), ""
        )

    # ── choosing the action ──────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, text: str) -> AnswerDraft | None:
        requested = self._requested_actions(text)
        if not requested:
            return None
        (first, words), later = requested[0], requested[1:]
        then = [QueuedAction(action=offer.name, given=self._extract_values(offer, part)) for offer, part in later]
        filling = Filling(action=first.name, locale=self._language(text), then=then, at=self.now)
        return await self._go_on(filling, words if later else text, fresh=True)

    def _requested_actions(self, text: str) -> list[tuple[ActionOffer, str]]:
        """The requested actions, each once, with the words that request them."""
        offers = self._matchable_offers(text)
        parts = [part for each in _AND.split(text) if (part := each.strip())][:8]
        matches = [(match.offer, part) for part in parts if (match := match_action(part, offers)) is not None]
        if len({offer.name for offer, _ in matches}) < 2:
            overall = match_action(text, offers)
            offer = overall.offer if overall is not None else matches[0][0] if matches else self._read_for(text)
            return [(offer, text)] if offer is not None else []
        return list({offer.name: (offer, part) for offer, part in reversed(matches)}.values())[::-1][:_MAX_ACTIONS]

    def _matchable_offers(self, text: str) -> list[ActionOffer]:
        """One-time codes are only matched when the text mentions a code."""
        about_codes = "code" in text.lower()
        return [offer for offer in self.question.offers if about_codes or offer.name not in (SEND, CHECK)]

    def _read_for(self, text: str) -> ActionOffer | None:
        """A message that is nothing but an order number asks to see that order."""
        if len(text.split()) > 4:
            return None
        reads = [offer for offer in self.question.offers if offer.risk == "read" and offer.name != CHECK]
        context = ParseContext(self.today, self._language(text))
        return next(
            (o for o in reads for field in self._fields(o) if field.kind == "identifier" and field.read(text, context)),
            None,
        )

    def _another(self, filling: Filling, text: str) -> Filling | None:
        """The contact may now want a different action. Values that fit both are kept."""
        match = match_action(text, self._matchable_offers(text))
        if match is None or match.offer.name in (filling.action, CHECK):
            return None
        known = {**(filling.then[0].given if filling.then else {}), **filling.given}
        given = {field.name: known[field.name] for field in self._fields(match.offer) if field.name in known}
        return filling.model_copy(
            update={"action": match.offer.name, "given": given, "asked": "", "misunderstood": 0, "at": self.now}
        )

    # ── asking for parameters ────────────────────────────────────────────────────────────────────────────────────────

    async def _go_on(self, filling: Filling, text: str, *, fresh: bool = False) -> AnswerDraft | None:
        offer = self._offer(filling.action)
        if offer is None:
            return None
        asked_in = filling.locale
        filling = filling.model_copy(update={"locale": detect_language(text, asked_in), "at": self.now})
        fields, context = self._fields(offer), self._context(filling)
        settled = not fresh and not filling.asked
        if settled:
            extracted = extraction.extract_correction(text, fields, context)
            if not extracted and yes_or_no(text, asked_in) != "yes":
                return None
        else:
            extracted = extraction.extract(text, fields, filling.asked, context)
        if filling.asked and not extracted:
            return self._handle_misunderstanding(filling, fields, extracted, text)
        given = {**filling.given, **extracted.values}
        return await self._next(filling.model_copy(update={"given": given}), offer, fields, extracted)

    async def _next(
        self, filling: Filling, offer: ActionOffer, fields: Sequence[Field], extracted: Extraction
    ) -> AnswerDraft:
        for field in fields:
            if field.name in extracted.unclear:
                choices = choices_between(extracted.unclear[field.name], filling.locale)
                return self._ask(filling, field, dialogue_text("which", filling.locale), choices)
            if field.name not in filling.given and (field.required or field.ask(filling.locale)):
                why = (
                    explain_unusable(field, extracted.problem, self._context(filling)) + " "
                    if extracted.problem
                    else ""
                )
                return self._ask(filling, field, why + question_for(field, filling.locale))
        return await self._call(filling.model_copy(update={"asked": ""}), offer)

    def _ask(self, filling: Filling, field: Field, text: str, choices: Sequence[Choice] | None = None) -> AnswerDraft:
        misunderstood = filling.misunderstood if field.name == filling.asked else 0
        asking = filling.model_copy(update={"asked": field.name, "misunderstood": misunderstood})
        return self._draft(text, asking, choices_for(field, filling.locale) if choices is None else choices)

    def _handle_misunderstanding(
        self, filling: Filling, fields: Sequence[Field], extracted: Extraction, text: str
    ) -> AnswerDraft | None:
        if extracted.problem is None and extraction.is_question(text) and self.question.search_result.answerable:
            return None
        field = next((field for field in fields if field.name == filling.asked), None)
        if field is None or filling.misunderstood >= MAX_MISUNDERSTANDINGS:
            return self._draft(dialogue_text("give_up", filling.locale), None, [person_choice(self.voice)])
        more = filling.model_copy(update={"misunderstood": filling.misunderstood + 1})
        why = explain_unusable(field, extracted.problem, self._context(filling))
        choices = choices_for(field, filling.locale) or [cancel_choice(filling.locale)]
        return self._draft(f"{why} {question_for(field, filling.locale)}", more, choices)

    def _cancel(self, filling: Filling) -> AnswerDraft:
        return self._draft(dialogue_text("left", filling.locale), None)

    # ── calling the action ───────────────────────────────────────────────────────────────────────────────────────────

    async def _call(self, filling: Filling, offer: ActionOffer) -> AnswerDraft:
        result = await offer.call({name: value for name, value in filling.given.items() if value is not None})
        if result.outcome == "asked":
            return self._draft(result.say, filling.model_copy(update={"misunderstood": 0}), result.choices)
        if offer.name == SEND:
            return self._after_code_sent(result, offer, filling)
        if offer.name == CHECK and not result.facts.get("verified"):
            retry = filling.model_copy(update={"given": {}, "asked": "code"}) if result.facts.get("left") else None
            return self._draft(self._result_text(result, offer, filling), retry)
        if result.reason == "needs_identity":
            return await self._verify(filling, offer)
        if result.reason == "invalid_arguments":
            return self._ask_invalid(filling, offer, result)
        return await self._rest(self._result_text(result, offer, filling), filling)

    def _ask_invalid(self, filling: Filling, offer: ActionOffer, result: ActionResult) -> AnswerDraft:
        """Ask again for a value that the action's model refused."""
        problems = result.facts.get("problems", {})
        field = next((field for field in self._fields(offer) if field.name in problems), None)
        if field is None or filling.misunderstood >= MAX_MISUNDERSTANDINGS:
            return self._draft(dialogue_text("give_up", filling.locale), None, [person_choice(self.voice)])
        given = {name: value for name, value in filling.given.items() if name not in problems}
        update = {"given": given, "asked": field.name, "misunderstood": filling.misunderstood + 1}
        text = f"{dialogue_text('unfit', filling.locale)} {question_for(field, filling.locale)}"
        return self._draft(text, filling.model_copy(update=update), choices_for(field, filling.locale))

    def _after_code_sent(self, result: ActionResult, offer: ActionOffer, filling: Filling) -> AnswerDraft:
        """Ask for the code. When sending is in doubt the code may still arrive."""
        text = self._result_text(result, offer, filling)
        if result.outcome not in ("succeeded", "unknown"):
            return self._draft(text, None, [person_choice(self.voice)])
        check = filling.model_copy(update={"action": CHECK, "given": {}, "asked": "code", "misunderstood": 0})
        return self._draft(text, check)

    async def _verify(self, filling: Filling, offer: ActionOffer) -> AnswerDraft:
        """Verify the contact first, then continue with the action that requires it."""
        sending = self._offer(SEND)
        if sending is None or self._offer(CHECK) is None:
            return self._draft(dialogue_text("verify", filling.locale), None, [person_choice(self.voice)])
        names = {field.name for field in self._fields(sending)}
        then = [QueuedAction(action=offer.name, given=filling.given), *filling.then][:_MAX_ACTIONS]
        given = {name: value for name, value in filling.given.items() if name in names}
        proof = filling.model_copy(update={"action": SEND, "given": given, "then": then})
        return await self._next(proof, sending, self._fields(sending), Extraction())

    async def continue_after(self, draft: AnswerDraft, filling: Filling) -> AnswerDraft:
        """Continue after ``draft``, which reports the outcome of a confirmed ``filling``."""
        rest = await self._rest(draft.text, filling)
        return replace(rest, model=draft.model, handoff=draft.handoff, author=draft.author, reasons=draft.reasons)

    async def _rest(self, text: str, filling: Filling) -> AnswerDraft:
        """Continue with the next requested action."""
        waiting, then = filling.then[:1], filling.then[1:]
        offer = self._offer(waiting[0].action) if waiting else None
        if offer is None:
            return self._draft(text, None)
        following = Filling(action=offer.name, given=waiting[0].given, locale=filling.locale, then=then, at=self.now)
        draft = await self._next(following, offer, self._fields(offer), Extraction())
        joint = (
            "" if filling.action == CHECK else dialogue_text("then", filling.locale, title=offer.title or offer.name)
        )
        return _prepend(draft, "\n\n".join(part for part in (text, joint) if part))

    def _result_text(self, result: ActionResult, offer: ActionOffer, filling: Filling) -> str:
        if result.say:
            return result.say
        key: Any = "done" if result.outcome == "succeeded" else result.outcome
        return dialogue_text(key, filling.locale, title=offer.title or offer.name, reason=result.reason)

    # ── helpers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _offer(self, name: str) -> ActionOffer | None:
        return next((offer for offer in self.question.offers if offer.name == name), None)

    def _fields(self, offer: ActionOffer) -> list[Field]:
        return fields_of(offer.parameters, self._language(self.question.text))

    def _extract_values(self, offer: ActionOffer, text: str) -> dict[str, Any]:
        return extraction.extract(text, self._fields(offer), "", ParseContext(self.today, self._language(text))).values

    def _language(self, text: str) -> str:
        before = self.question.filling.locale if self.question.filling is not None else ""
        return detect_language(text, before or self.question.locale or self.voice.locale)

    def _context(self, filling: Filling) -> ParseContext:
        return ParseContext(self.today, filling.locale)

    def _draft(self, text: str, filling: Filling | None, choices: Sequence[Choice] = ()) -> AnswerDraft:
        return AnswerDraft(text=text, answered=True, choices=list(choices), model=self.model, filling=filling)


def _prepend(draft: AnswerDraft, text: str) -> AnswerDraft:
    """Put ``text`` before the draft. A confirmation question stays word for word."""
    return replace(draft, text=f"{text}\n\n{draft.text}")
