"""The local model: it answers with verbatim sentences from the documents and their sources, and performs actions after
asking for their parameters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from agent_worker.actions.slot_filling.dialogue import SlotFillingDialogue
from agent_worker.handoff.reply_templates import apology_draft, person_choice
from agent_worker.models.local.canned_replies import build_unanswered, find_canned_reply
from agent_worker.models.local.multiple_questions import (
    add_unanswered,
    format_paragraphs,
    introduce_language,
    prepend_answers,
    questions_beside_action,
    questions_of,
    quote_answers,
    quote_jointly,
    remove_questions,
)
from agent_worker.models.registry import Emit
from agent_worker.nlu.classification import is_upset
from agent_worker.reading.follow_ups import asks_by_itself
from agent_worker.settings import WorkerSettings
from agent_worker.voice import Voice, translate_voice
from schemas.ports import AnswerDraft, Clock, Question


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LocalModel:
    """Implements schemas.ports.Model. ``settings`` provides each tenant's voice, ``clock`` the current date."""

    def __init__(self, settings: WorkerSettings, name: str = "local", *, clock: Clock = _utc_now) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock

    async def answer(self, question: Question, emit: Emit) -> AnswerDraft:
        """Never raises ModelFailed. Declines what the documents do not contain."""
        rules, now = self._settings.of(question.tenant), self._clock()
        voice = translate_voice(rules.voice, question.locale)
        phrase = find_canned_reply(question, voice, self.name)
        beside = questions_beside_action(questions_of(question.parts), question)
        request = replace(question, text=remove_questions(question.text, beside))
        by_itself = asks_by_itself(request.text)
        dialogue = SlotFillingDialogue(request, voice, self.name, now, rules.actions.today(now), by_itself)
        may_fill = phrase is None and bool(question.offers) and not question.is_picked
        if may_fill and (action_draft := await dialogue.reply()) is not None:
            return _offer_person(prepend_answers(action_draft, beside, voice, question.locale), question, voice)
        draft, pieces = (phrase, [phrase.text]) if phrase is not None else self._extract(question, voice)
        if draft.handoff:
            return draft
        reminder, choices = dialogue.remind()
        if reminder:
            # Suggestions stay next to their question.
            suggests = len(draft.choices) > 1
            text = f"{reminder}\n\n{draft.text}" if suggests and not pieces else f"{draft.text}\n\n{reminder}"
            pieces = [*pieces, f"\n\n{reminder}"] if pieces else []
            draft = replace(draft, text=text, choices=draft.choices if suggests else [*draft.choices, *choices])
        for piece in pieces:
            await emit(piece)
        return replace(draft, filling=dialogue.keep_open())

    def _extract(self, question: Question, voice: Voice) -> tuple[AnswerDraft, list[str]]:
        quoted = quote_answers(question.parts, is_picked=question.is_picked)
        if not quoted.answers and question.search_result.answerable:
            quoted = quote_jointly(question) or quoted
        if not quoted.answers and len(quoted.missing) < 2:
            return build_unanswered(question, voice, self.name), []
        pieces, citations = format_paragraphs(quoted), quoted.cite()
        upset = is_upset(question.text)
        if upset and not pieces:
            return apology_draft(voice, self.name), []
        if pieces:
            pieces = [*introduce_language(quoted, voice, question.locale), *pieces]
        answer = AnswerDraft(text="".join(pieces), answered=bool(citations), citations=citations, model=self.name)
        draft = add_unanswered(answer, quoted.missing, question.excess_questions, voice)
        if not upset:
            return draft, [*pieces, draft.text.removeprefix(answer.text)]
        draft = _offer_person(draft, question, voice)
        return draft, [draft.text]


def _offer_person(draft: AnswerDraft, question: Question, voice: Voice) -> AnswerDraft:
    """Add an apology for an upset contact, and the offer of a person. A yes must not be taken for one where the reply
    has choices of its own."""
    if draft.handoff or not is_upset(question.text):
        return draft
    text = f"{voice.apology}\n\n{draft.text}"
    if draft.choices:
        return replace(draft, text=text)
    return replace(draft, text=f"{text}\n\n{voice.person_offer}", choices=[person_choice(voice)])
