"""One turn of the talk about an action: pick it, ask for what it needs, call it, tell what came of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from agent_worker.actions.one_time_codes import CHECK, SEND
from agent_worker.actions.parsing import Context, Field, fields_of
from agent_worker.actions.slot_filling import extraction
from agent_worker.actions.slot_filling.action_matching import pick
from agent_worker.actions.slot_filling.extraction import Heard
from agent_worker.actions.slot_filling.phrases import SAYS, choices_for, question_for, say, unread, way_out, which
from agent_worker.handoff.reply_templates import person_choice
from agent_worker.nlu.language_detection import language_of
from agent_worker.phrases import Voice
from schemas.actions import Filling, Waiting
from schemas.choice_matching import chosen
from schemas.messages import Choice
from schemas.ports import ActionResult, Draft, Offer, Question

LONGEST = 2_000
"""Characters of a message that are read for what it wants of an action."""
PATIENCE = 2
"""Misunderstandings of one parameter; after one more a person is offered."""
FORGOTTEN = timedelta(minutes=30)
"""After which nobody remembers what was being talked about."""
_MOST = 3
"""Actions that one message may ask for."""
_AND = re.compile(r"\band (?:then |also )?(?=\w)|\bund (?:dann |auch )?(?=\w)|;|\n|(?<=[.!?])\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Talk:
    """``today`` is the day where the tenant is: it tells what "tomorrow" is."""

    question: Question
    voice: Voice
    model: str
    now: datetime
    today: date

    async def reply(self) -> Draft | None:
        """None when it is for the documents to answer: nothing was asked of any action, or something on the way."""
        filling = self.filling
        text = self._said()
        if filling is None:
            return await self._begin(text)
        if extraction.leaves(text):
            return self._left(filling)
        other = self._another(filling, text)
        if other is not None:
            return await self._go_on(other, text, fresh=True)
        return await self._go_on(filling, text)

    def _said(self) -> str:
        """The words; of a choice that was typed as its number, its label."""
        text = self.question.text[:LONGEST]
        last = next((line for line in reversed(self.question.history) if line.author.kind != "contact"), None)
        picked = chosen(text, last.choices) if last is not None else None
        return picked.label if picked is not None and picked.id.startswith(SAYS) else text

    @property
    def filling(self) -> Filling | None:
        """What was being asked for, unless that was long ago or is not offered any more."""
        filling = self.question.filling
        if filling is None or self.now - filling.at > FORGOTTEN or self._offer(filling.action) is None:
            return None
        return filling

    def reminder(self) -> str:
        """Asks again what was asked before something else was."""
        filling = self.filling
        offer = self._offer(filling.action) if filling is not None else None
        if filling is None or offer is None:
            return ""
        return next((question_for(one, filling.locale) for one in self._fields(offer) if one.name == filling.asked), "")

    # ── which action ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, text: str) -> Draft | None:
        wanted = self._wanted(text)
        if not wanted:
            return None
        (first, words), later = wanted[0], wanted[1:]
        then = [Waiting(action=offer.name, given=self._given(offer, part)) for offer, part in later]
        filling = Filling(action=first.name, locale=self._language(text), then=then, at=self.now)
        return await self._go_on(filling, words if later else text, fresh=True)

    def _wanted(self, text: str) -> list[tuple[Offer, str]]:
        """Actions with the words that ask for them, each once."""
        offers = self._pickable(text)
        parts = [part for each in _AND.split(text) if (part := each.strip())][:8]
        picks = [(found.offer, part) for part in parts if (found := pick(part, offers)) is not None]
        if len({offer.name for offer, _ in picks}) < 2:
            whole = pick(text, offers)
            offer = whole.offer if whole is not None else picks[0][0] if picks else self._read_for(text)
            return [(offer, text)] if offer is not None else []
        return list({offer.name: (offer, part) for offer, part in reversed(picks)}.values())[::-1][:_MOST]

    def _pickable(self, text: str) -> list[Offer]:
        """Codes are spoken of by that word, or not at all."""
        about_codes = "code" in text.lower()
        return [offer for offer in self.question.offers if about_codes or offer.name not in (SEND, CHECK)]

    def _read_for(self, text: str) -> Offer | None:
        """Who writes nothing but an order number wants to see that order."""
        if len(text.split()) > 4:
            return None
        reads = [offer for offer in self.question.offers if offer.risk == "read" and offer.name != CHECK]
        context = Context(self.today, self._language(text))
        return next(
            (o for o in reads for one in self._fields(o) if one.kind == "identifier" and one.read(text, context)), None
        )

    def _another(self, filling: Filling, text: str) -> Filling | None:
        """The contact may want something else now. What was told for both is kept."""
        found = pick(text, self._pickable(text))
        if found is None or found.offer.name in (filling.action, CHECK):
            return None
        told = {**(filling.then[0].given if filling.then else {}), **filling.given}
        given = {one.name: told[one.name] for one in self._fields(found.offer) if one.name in told}
        return filling.model_copy(
            update={"action": found.offer.name, "given": given, "asked": "", "misunderstood": 0, "at": self.now}
        )

    # ── what it needs ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _go_on(self, filling: Filling, text: str, *, fresh: bool = False) -> Draft | None:
        offer = self._offer(filling.action)
        if offer is None:
            return None
        filling = filling.model_copy(update={"locale": language_of(text, filling.locale), "at": self.now})
        fields, context = self._fields(offer), self._context(filling)
        settled = not fresh and not filling.asked
        if settled:
            heard = extraction.hear_correction(text, fields, context)
            if not heard and not extraction.agrees(text):
                return None
        else:
            heard = extraction.hear(text, fields, filling.asked, context)
        if filling.asked and not heard:
            return self._misunderstood(filling, fields, heard, text)
        given = {**filling.given, **heard.values}
        return await self._next(filling.model_copy(update={"given": given}), offer, fields, heard)

    async def _next(self, filling: Filling, offer: Offer, fields: Sequence[Field], heard: Heard) -> Draft:
        for one in fields:
            if one.name in heard.unclear:
                choices = which(heard.unclear[one.name], filling.locale)
                return self._ask(filling, one, say("which", filling.locale), choices)
            if one.name not in filling.given and (one.required or one.ask(filling.locale)):
                why = unread(one, heard.problem, self._context(filling)) + " " if heard.problem else ""
                return self._ask(filling, one, why + question_for(one, filling.locale))
        return await self._call(filling.model_copy(update={"asked": ""}), offer)

    def _ask(self, filling: Filling, one: Field, text: str, choices: Sequence[Choice] | None = None) -> Draft:
        again = filling.misunderstood if one.name == filling.asked else 0
        asking = filling.model_copy(update={"asked": one.name, "misunderstood": again})
        return self._draft(text, asking, choices_for(one, filling.locale) if choices is None else choices)

    def _misunderstood(self, filling: Filling, fields: Sequence[Field], heard: Heard, text: str) -> Draft | None:
        if heard.problem is None and extraction.asks(text) and self.question.found.answerable:
            return None
        one = next((one for one in fields if one.name == filling.asked), None)
        if one is None or filling.misunderstood >= PATIENCE:
            return self._draft(say("give_up", filling.locale), None, [person_choice(self.voice)])
        more = filling.model_copy(update={"misunderstood": filling.misunderstood + 1})
        why = unread(one, heard.problem, self._context(filling))
        choices = choices_for(one, filling.locale) or [way_out(filling.locale)]
        return self._draft(f"{why} {question_for(one, filling.locale)}", more, choices)

    def _left(self, filling: Filling) -> Draft:
        return self._draft(say("left", filling.locale), None)

    # ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _call(self, filling: Filling, offer: Offer) -> Draft:
        result = await offer.call({name: value for name, value in filling.given.items() if value is not None})
        if result.outcome == "asked":
            return self._draft(result.say, filling.model_copy(update={"misunderstood": 0}), result.choices)
        if offer.name == SEND:
            return self._sent(result, offer, filling)
        if offer.name == CHECK and not result.facts.get("verified"):
            again = filling.model_copy(update={"given": {}, "asked": "code"}) if result.facts.get("left") else None
            return self._draft(self._told(result, offer, filling), again)
        if result.reason == "needs_identity":
            return await self._verify(filling, offer)
        if result.reason == "invalid_arguments":
            return self._again(filling, offer, result)
        return await self._rest(self._told(result, offer, filling), filling)

    def _again(self, filling: Filling, offer: Offer, result: ActionResult) -> Draft:
        """What the action's own types refuse is asked for once more."""
        problems = result.facts.get("problems", {})
        one = next((one for one in self._fields(offer) if one.name in problems), None)
        if one is None or filling.misunderstood >= PATIENCE:
            return self._draft(say("give_up", filling.locale), None, [person_choice(self.voice)])
        given = {name: value for name, value in filling.given.items() if name not in problems}
        update = {"given": given, "asked": one.name, "misunderstood": filling.misunderstood + 1}
        text = f"{say('unfit', filling.locale)} {question_for(one, filling.locale)}"
        return self._draft(text, filling.model_copy(update=update), choices_for(one, filling.locale))

    def _sent(self, result: ActionResult, offer: Offer, filling: Filling) -> Draft:
        """Of a mail in doubt the code may come, too."""
        told = self._told(result, offer, filling)
        if result.outcome not in ("succeeded", "unknown"):
            return self._draft(told, None, [person_choice(self.voice)])
        check = filling.model_copy(update={"action": CHECK, "given": {}, "asked": "code", "misunderstood": 0})
        return self._draft(told, check)

    async def _verify(self, filling: Filling, offer: Offer) -> Draft:
        """First the proof, then what it is needed for."""
        sending = self._offer(SEND)
        if sending is None or self._offer(CHECK) is None:
            return self._draft(say("verify", filling.locale), None, [person_choice(self.voice)])
        names = {one.name for one in self._fields(sending)}
        then = [Waiting(action=offer.name, given=filling.given), *filling.then][:_MOST]
        given = {name: value for name, value in filling.given.items() if name in names}
        proof = filling.model_copy(update={"action": SEND, "given": given, "then": then})
        return await self._next(proof, sending, self._fields(sending), Heard())

    async def after(self, draft: Draft, filling: Filling) -> Draft:
        """``draft`` tells what came of ``filling`` by the contact's word."""
        rest = await self._rest(draft.text, filling)
        return replace(rest, model=draft.model, handoff=draft.handoff, author=draft.author, reasons=draft.reasons)

    async def _rest(self, told: str, filling: Filling) -> Draft:
        """What else was asked for has its turn now."""
        waiting, then = filling.then[:1], filling.then[1:]
        offer = self._offer(waiting[0].action) if waiting else None
        if offer is None:
            return self._draft(told, None)
        following = Filling(action=offer.name, given=waiting[0].given, locale=filling.locale, then=then, at=self.now)
        draft = await self._next(following, offer, self._fields(offer), Heard())
        joint = "" if filling.action == CHECK else say("then", filling.locale, title=offer.title or offer.name)
        return _led(draft, "\n\n".join(part for part in (told, joint) if part))

    def _told(self, result: ActionResult, offer: Offer, filling: Filling) -> str:
        if result.say:
            return result.say
        key: Any = "done" if result.outcome == "succeeded" else result.outcome
        return say(key, filling.locale, title=offer.title or offer.name, reason=result.reason)

    # ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _offer(self, name: str) -> Offer | None:
        return next((offer for offer in self.question.offers if offer.name == name), None)

    def _fields(self, offer: Offer) -> list[Field]:
        return fields_of(offer.parameters, self._language(self.question.text))

    def _given(self, offer: Offer, text: str) -> dict[str, Any]:
        return extraction.hear(text, self._fields(offer), "", Context(self.today, self._language(text))).values

    def _language(self, text: str) -> str:
        before = self.question.filling.locale if self.question.filling is not None else ""
        return language_of(text, before or self.question.locale or self.voice.locale)

    def _context(self, filling: Filling) -> Context:
        return Context(self.today, filling.locale)

    def _draft(self, text: str, filling: Filling | None, choices: Sequence[Choice] = ()) -> Draft:
        return Draft(text=text, answered=True, choices=list(choices), model=self.model, filling=filling)


def _led(draft: Draft, told: str) -> Draft:
    """``told`` first. A question for a yes stays as it is, word for word, below it."""
    return replace(draft, text=f"{told}\n\n{draft.text}")
