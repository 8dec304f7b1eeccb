"""One turn of the dialogue about an action: choose it, ask for its parameters, call it, and report the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from agent_worker.actions.one_time_codes import CHECK, SEND
from agent_worker.actions.parsing import Field, ParseContext, fields_of
from agent_worker.actions.slot_filling import extraction, references
from agent_worker.actions.slot_filling.action_matching import MIN_SCORE, match_action
from agent_worker.actions.slot_filling.answer_validation import may_be_aside, mentions
from agent_worker.actions.slot_filling.dialogue_texts import (
    NEVER_MIND,
    SAYS,
    SEND_CODE,
    cancel_choice,
    choices_between,
    choices_for,
    choices_for_code,
    dialogue_text,
    explain_unusable,
    prepend_text,
    question_for,
    result_text,
)
from agent_worker.actions.slot_filling.extraction import Extraction, choose_between
from agent_worker.actions.slot_filling.queue import add_given, correct_first, queue_behind_check, without_none
from agent_worker.actions.slot_filling.requested_actions import MAX_ACTIONS, list_requested, select_matchable
from agent_worker.handoff.reply_templates import person_choice
from agent_worker.nlu.language_detection import detect_language
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.translations import translate
from agent_worker.voice import Voice
from schemas.actions import Filling, QueuedAction
from schemas.messages import Choice
from schemas.ports import ActionOffer, ActionResult, AnswerDraft, Question

MAX_TEXT = 2_000
"""Characters of a message that are read."""
MAX_MISUNDERSTANDINGS = 2
"""Misunderstandings of one parameter; the next one offers a person."""
DIALOGUE_TIMEOUT = timedelta(minutes=30)
"""After this long the dialogue is forgotten."""


@dataclass(frozen=True, slots=True)
class SlotFillingDialogue:
    """``today`` is the date in the tenant's time zone. ``asks_by_itself``: the message asks something that needs
    nothing said before it."""

    question: Question
    voice: Voice
    model: str
    now: datetime
    today: date
    asks_by_itself: bool = False

    async def reply(self) -> AnswerDraft | None:
        """None when the documents should answer: no action was requested, or something else was asked on the way."""
        filling = self.filling
        said = self.question.text[:MAX_TEXT]
        choice = references.read_choice(said, self.question.history)
        if choice == NEVER_MIND:
            return self._cancel(filling)
        if choice == SEND_CODE and (sending := self._offer(SEND)) is not None:
            return await self._go_on(self._switch(filling, sending), "", fresh=True)
        text = choice.removeprefix(SAYS) or said
        checking = self._entered_code(filling, text)
        if checking is not None:
            return await self._go_on(checking, text)
        if filling is None:
            return await self._begin(text)
        if extraction.is_cancellation(text):
            return self._cancel(filling)
        corrected = self._correct_waiting(filling, text)
        if corrected is not None:
            return await self._go_on(corrected, "", fresh=True)
        other = self._another(filling, text)
        if other is not None:
            return await self._go_on(other, text, fresh=True)
        return await self._go_on(filling, text)

    @property
    def filling(self) -> Filling | None:
        """The open slot filling, unless it timed out or its action is no longer offered."""
        filling = self.question.filling
        if filling is None or self.now - filling.at > DIALOGUE_TIMEOUT or self._offer(filling.action) is None:
            return None
        return filling

    def remind(self) -> tuple[str, list[Choice]]:
        """The open question again, after something else was answered, and the choices if it is the one for a code."""
        filling = self.filling
        field = self._find_field(filling.action, filling.asked) if filling is not None else None
        if filling is None or field is None:
            return "", []
        locale = self._language(self.question.text)
        choices = choices_for_code(locale, again=True) if filling.action == CHECK else []
        return question_for(field, locale), choices

    def keep_open(self) -> Filling | None:
        """The open slot filling, to go on in the language in which something else was answered."""
        filling = self.filling
        return filling.model_copy(update={"locale": self._language("")}) if filling is not None else None

    # ── choosing the action ──────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, text: str) -> AnswerDraft | None:
        requested = list_requested(text, self.question.offers, ParseContext(self.today, self._language(text)))
        if not requested:
            return None
        (first, words), later = requested[0], requested[1:]
        values = [{**references.recall_values(each, part), **self._extract_values(each, part)} for each, part in later]
        then = [QueuedAction(action=each.name, given=given) for (each, _), given in zip(later, values, strict=True)]
        given = references.recall_values(first, words)
        filling = Filling(action=first.name, given=given, locale=self._language(text), then=then, at=self.now)
        return await self._go_on(filling, words if later else text, fresh=True)

    def _another(self, filling: Filling, text: str) -> Filling | None:
        """The contact may now want a different action. Values that fit both are kept."""
        offers = select_matchable(text, self.question.offers, awaits_code=filling.action == CHECK)
        match = match_action(text, offers)
        if match is None or match.offer.name in (filling.action, CHECK):
            return None
        if (filling.action == CHECK or match.score < MIN_SCORE) and self._is_value(filling, text):
            return None  # "not NP-10232, NP-10231" is about the present action, and "my code: 123456" asks for none
        return self._switch(filling, match.offer, text)

    def _correct_waiting(self, filling: Filling, text: str) -> Filling | None:
        """The action that waits for a code, with another value: the code for an order that was not meant is of no use.
        None if the message is the code, corrects nothing, or clearly asks for something else."""
        waiting = filling.then[0] if filling.then and filling.action in (SEND, CHECK) else None
        offer = self._offer(waiting.action) if waiting is not None else None
        if waiting is None or offer is None or (filling.action == CHECK and self._is_value(filling, text)):
            return None
        match = match_action(text, select_matchable(text, self.question.offers))
        if match is not None and match.score >= MIN_SCORE and match.offer.name != offer.name:
            return None
        found = extraction.extract_correction(text, self._fields(offer), self._context(filling), waiting.given)
        return correct_first(filling, found.values, self.now)

    def _switch(self, filling: Filling | None, offer: ActionOffer, text: str = "") -> Filling:
        """Another action in place of the open one, with the values that fit both."""
        known = references.recall_values(offer, text)
        if filling is None:
            filling = Filling(action=offer.name, locale=self._language(text), at=self.now)
        known |= {**(filling.then[0].given if filling.then else {}), **filling.given}
        given = {field.name: known[field.name] for field in self._fields(offer) if field.name in known}
        return filling.model_copy(
            update={"action": offer.name, "given": given, "asked": "", "misunderstood": 0, "at": self.now}
        )

    def _is_value(self, filling: Filling, text: str) -> bool:
        """Return whether the message gives the open action a value."""
        offer = self._offer(filling.action)
        if offer is None or not filling.asked:
            return offer is not None and bool(self._extract_correction(filling, offer, text))
        return bool(extraction.extract(text, self._fields(offer), filling.asked, self._context(filling)))

    # ── asking for parameters ────────────────────────────────────────────────────────────────────────────────────────

    async def _go_on(self, filling: Filling, text: str, *, fresh: bool = False) -> AnswerDraft | None:
        offer = self._offer(filling.action)
        if offer is None:
            return None
        asked_in = filling.locale
        filling = filling.model_copy(update={"locale": self._language(text), "at": self.now})
        fields, context = self._fields(offer), self._context(filling)
        settled = not fresh and not filling.asked
        if settled:
            extracted = self._extract_correction(filling, offer, text)
            if not extracted and extracted.problem is None:
                return await self._continue_settled(filling, offer, text, asked_in)
        else:
            extracted = extraction.extract(text, fields, filling.asked, context, {} if fresh else filling.given)
        if filling.asked and not extracted:
            return self._handle_misunderstanding(filling, extracted, text)
        given = {**filling.given, **extracted.values}
        for wrong in {*extracted.unclear, extracted.rejected, extracted.problem_of if settled else ""} & given.keys():
            del given[wrong]
        return await self._next(filling.model_copy(update={"given": given}), offer, fields, extracted)

    async def _continue_settled(
        self, filling: Filling, offer: ActionOffer, text: str, locale: str
    ) -> AnswerDraft | None:
        """Go on with an action whose parameters need no question: after a yes; where a code was offered, also when it
        is requested, and not at all after a no."""
        answer = yes_or_no(text, locale)
        offers = select_matchable(text, self.question.offers)
        requested = match_action(text, offers) if filling.action == SEND else None
        if answer == "yes" or (requested is not None and requested.offer.name == SEND):
            return await self._next(filling, offer, self._fields(offer), Extraction())
        return self._cancel(filling) if answer == "no" and filling.action == SEND else None

    def _extract_correction(self, filling: Filling, offer: ActionOffer, text: str) -> Extraction:
        """Changes to the parameters when all are given: new values, or "the other one"."""
        fields, context = self._fields(offer), self._context(filling)
        extracted = extraction.extract_correction(text, fields, context, filling.given)
        if extracted.values or extracted.unclear or not references.means_other(text):
            return extracted
        return references.other_value(filling, offer, fields) or extracted

    async def _next(
        self, filling: Filling, offer: ActionOffer, fields: Sequence[Field], extracted: Extraction
    ) -> AnswerDraft:
        missing = next((field for field in fields if self._is_missing(field, filling, extracted)), None)
        if missing is None:
            return await self._call(filling.model_copy(update={"asked": ""}), offer)
        # What is refused anyway, or needs proof of identity first, is not asked about.
        preview = await offer.preview(without_none(filling.given))
        if preview.refusal is not None:
            offered = {name: [each.value for each in unclear] for name, unclear in extracted.unclear.items()}
            keeping = filling.model_copy(update={"alternatives": {**filling.alternatives, **offered}})
            return await self._conclude(preview.refusal, keeping, offer)
        draft = self._ask_for(missing, filling, extracted)
        return prepend_text(draft, preview.say) if preview.say else draft

    def _is_missing(self, field: Field, filling: Filling, extracted: Extraction) -> bool:
        if field.name in extracted.unclear:
            return True
        return field.name not in filling.given and bool(field.required or field.ask(filling.locale))

    def _ask_for(self, field: Field, filling: Filling, extracted: Extraction) -> AnswerDraft:
        if unclear := extracted.unclear.get(field.name):
            offered = {**filling.alternatives, field.name: [reading.value for reading in unclear]}
            filling = filling.model_copy(update={"alternatives": offered})
            return self._ask(
                filling, field, dialogue_text("which", filling.locale), choices_between(unclear, filling.locale)
            )
        is_unusable = extracted.problem is not None and extracted.problem_of == field.name
        why = explain_unusable(field, extracted.problem, self._context(filling)) if is_unusable else ""
        return self._ask(filling, field, f"{why} {question_for(field, filling.locale)}".strip())

    def _ask(self, filling: Filling, field: Field, text: str, choices: Sequence[Choice] | None = None) -> AnswerDraft:
        misunderstood = filling.misunderstood if field.name == filling.asked else 0
        asking = filling.model_copy(update={"asked": field.name, "misunderstood": misunderstood})
        return self._draft(text, asking, choices_for(field, filling.locale) if choices is None else choices)

    def _handle_misunderstanding(self, filling: Filling, extracted: Extraction, text: str) -> AnswerDraft | None:
        field = self._find_field(filling.action, filling.asked)
        is_question = self.asks_by_itself or extraction.is_question(text)
        if field is not None and extracted.problem is None and is_question:
            found, is_code, by_itself = self.question.search_result, filling.action == CHECK, self.asks_by_itself
            if may_be_aside(text, found, field, filling.locale, is_code=is_code, by_itself=by_itself):
                return None
        if field is not None and field.kind not in ("text", "choice") and yes_or_no(text, filling.locale) == "no":
            return self._cancel(filling)
        if field is None or filling.misunderstood >= MAX_MISUNDERSTANDINGS:
            again = choices_for_code(filling.locale, again=True)[:1] if filling.action == CHECK else []
            return self._draft(dialogue_text("give_up", filling.locale), None, [*again, person_choice(self.voice)])
        more = filling.model_copy(update={"misunderstood": filling.misunderstood + 1})
        if between := choose_between(filling.alternatives, [field], filling.locale).get(field.name):
            return self._draft(dialogue_text("which", filling.locale), more, choices_between(between, filling.locale))
        if filling.action == CHECK:
            why = translate(filling.locale).codes["awaited"]
            return self._draft(why, more, choices_for_code(filling.locale, again=True))
        why = explain_unusable(field, extracted.problem, self._context(filling))
        choices = choices_for(field, filling.locale) or [cancel_choice(filling.locale), person_choice(self.voice)]
        return self._draft(f"{why} {question_for(field, filling.locale)}", more, choices)

    def _cancel(self, filling: Filling | None) -> AnswerDraft:
        return self._draft(dialogue_text("left", filling.locale if filling is not None else self._language("")), None)

    # ── calling the action ───────────────────────────────────────────────────────────────────────────────────────────

    async def _call(self, filling: Filling, offer: ActionOffer) -> AnswerDraft:
        result = await offer.call(without_none(filling.given))
        remaining = [field for field in self._fields(offer) if field.name not in offer.previewed]
        if result.reason == "turned_down" and offer.previewed and len(remaining) == 1:
            if (await offer.preview(without_none(filling.given))).refusal is not None:
                return await self._conclude(result, filling, offer)  # another value would not help
            # What the preview looked at is in order, so this value was refused.
            (field,) = remaining
            given = {name: value for name, value in filling.given.items() if name != field.name}
            retry = filling.model_copy(update={"given": given, "misunderstood": 0})
            return self._ask(retry, field, f"{result.say} {question_for(field, filling.locale)}")
        return await self._conclude(result, filling, offer)

    async def _conclude(self, result: ActionResult, filling: Filling, offer: ActionOffer) -> AnswerDraft:
        """Report a result, and go on with what follows from it."""
        if result.outcome == "asked":
            return self._draft(result.say, filling.model_copy(update={"misunderstood": 0}), result.choices)
        if offer.name == SEND:
            return self._after_code_sent(result, offer, filling)
        if offer.name == CHECK and not result.facts.get("verified"):
            return self._after_wrong_code(result, offer, filling)
        if result.reason == "needs_identity":
            return await self._verify(filling, offer)
        if result.reason == "invalid_arguments":
            return self._ask_invalid(filling, offer, result)
        text = result_text(result, offer, filling.locale)
        if result.reason == "turned_down" and not offer.previewed and not filling.then:
            return self._draft(text, filling.model_copy(update={"misunderstood": 0}))  # another value may do
        return await self._rest(text, filling)

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
        text, then = result_text(result, offer, filling.locale), add_given(filling.then, self._offer, filling.given)
        check = Filling(action=CHECK, asked="code", locale=filling.locale, then=then, at=self.now)
        if result.facts.get("sent") is False and not result.facts.get("usable"):
            again = filling.model_copy(update={"asked": "", "then": then})
            return self._draft(text, again, [person_choice(self.voice)])
        if result.outcome in ("succeeded", "unknown"):
            could_send = result.facts.get("sent") is not False
            choices = choices_for_code(filling.locale, again=True) if could_send else [cancel_choice(filling.locale)]
            return self._draft(text, check, choices)
        checking = self._offer(CHECK)
        if checking is None or not checking.expected:
            return self._draft(text, None, [person_choice(self.voice)])
        return self._draft(f"{text} {translate(filling.locale).codes['last']}", check, [person_choice(self.voice)])

    def _after_wrong_code(self, result: ActionResult, offer: ActionOffer, filling: Filling) -> AnswerDraft:
        """Ask for the code again or, when there is none that could be right, offer to send one."""
        text = result_text(result, offer, filling.locale)
        if result.facts.get("left"):
            again = filling.model_copy(update={"given": {}, "asked": "code"})
            return self._draft(text, again, choices_for_code(filling.locale, again=True))
        sending = self._offer(SEND)
        if sending is None or result.outcome != "succeeded":
            return self._draft(text, None, [person_choice(self.voice)])
        known = references.recall_values(sending, "")
        proposed = Filling(action=SEND, given=known, locale=filling.locale, then=filling.then, at=self.now)
        return self._draft(text, proposed, choices_for_code(filling.locale))

    def _entered_code(self, filling: Filling | None, text: str) -> Filling | None:
        """The check of a code that the contact enters although something else was asked, or nothing."""
        checking = self._offer(CHECK)
        if checking is None or (filling is not None and filling.action == CHECK):
            return None
        locale, fields = self._language(text), self._fields(checking)
        if not extraction.extract(text, fields, "code", ParseContext(self.today, locale)).values:
            return None
        if not checking.expected and not mentions(text, fields[0], locale):
            return None
        queued = queue_behind_check(filling)[:MAX_ACTIONS]
        return Filling(action=CHECK, asked="code", locale=locale, then=queued, at=self.now)

    async def _verify(self, filling: Filling, offer: ActionOffer) -> AnswerDraft:
        """Verify the contact first, then continue with the action that requires it."""
        sending = self._offer(SEND)
        if sending is None or self._offer(CHECK) is None:
            return self._draft(dialogue_text("verify", filling.locale), None, [person_choice(self.voice)])
        names = {field.name for field in self._fields(sending)}
        waiting = QueuedAction(action=offer.name, given=filling.given, alternatives=filling.alternatives)
        then = [waiting, *filling.then][:MAX_ACTIONS]
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
            more = self.voice.what_else if filling.action == CHECK else ""
            return self._draft(" ".join(part for part in (text, more) if part), None)
        following = Filling(action=offer.name, given=waiting[0].given, locale=filling.locale, then=then, at=self.now)
        fields = self._fields(offer)
        unclear = choose_between(waiting[0].alternatives, fields, filling.locale)
        draft = await self._next(following, offer, fields, Extraction(unclear=unclear))
        title = offer.title or offer.name
        joint = "" if filling.action == CHECK else dialogue_text("then", filling.locale, title=title)
        return prepend_text(draft, "\n\n".join(part for part in (text, joint) if part))

    # ── helpers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _offer(self, name: str) -> ActionOffer | None:
        return next((offer for offer in self.question.offers if offer.name == name), None)

    def _find_field(self, action: str, name: str) -> Field | None:
        offer = self._offer(action)
        return next((field for field in self._fields(offer) if field.name == name), None) if offer is not None else None

    def _fields(self, offer: ActionOffer) -> list[Field]:
        return fields_of(offer.parameters, self._language(self.question.text))

    def _extract_values(self, offer: ActionOffer, text: str) -> dict[str, Any]:
        return extraction.extract(text, self._fields(offer), "", ParseContext(self.today, self._language(text))).values

    def _language(self, text: str) -> str:
        """The turn's language, in which the whole reply is written."""
        if self.question.locale:
            return self.question.locale
        before = self.question.filling.locale if self.question.filling is not None else ""
        return detect_language(text, before or self.voice.locale)

    def _context(self, filling: Filling) -> ParseContext:
        return ParseContext(self.today, filling.locale)

    def _draft(self, text: str, filling: Filling | None, choices: Sequence[Choice] = ()) -> AnswerDraft:
        return AnswerDraft(text=text, answered=True, choices=list(choices), model=self.model, filling=filling)
