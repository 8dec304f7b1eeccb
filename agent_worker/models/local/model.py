"""The model that needs no key and no network: it answers in the documents' own sentences, each with its source, and
does what it is asked for, once it has asked for what that needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from agent_worker.actions.slot_filling.dialogue import Talk
from agent_worker.handoff.reply_templates import not_found_draft
from agent_worker.models.local.multiple_questions import (
    before_action,
    beside_action,
    cite,
    one_answer,
    paragraphs,
    questions_of,
    quoted,
    unanswered,
    with_naming,
    without,
)
from agent_worker.models.local.set_phrases import set_phrase
from agent_worker.models.registry import Emit
from agent_worker.phrases import Voice, in_language
from agent_worker.settings import WorkerSettings
from schemas.ports import Clock, Draft, Question


def _now() -> datetime:
    return datetime.now(UTC)


class LocalModel:
    """Implements schemas.ports.Model. Of ``settings`` it uses each tenant's voice; ``clock`` tells what "tomorrow"
    is."""

    def __init__(self, settings: WorkerSettings, name: str = "local", *, clock: Clock = _now) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock

    async def answer(self, question: Question, emit: Emit) -> Draft:
        """Never raises ModelFailed; what the documents do not hold is declined."""
        rules, now = self._settings.of(question.tenant), self._clock()
        voice = in_language(rules.voice, question.locale)
        phrase = set_phrase(question, voice, self.name)
        beside = beside_action(questions_of(question.parts), question)
        wished = replace(question, text=without(question.text, beside))
        talk = Talk(wished, voice, self.name, now, rules.actions.today(now))
        if phrase is None and question.offers and (acted := await talk.reply()) is not None:
            return before_action(acted, beside, voice)
        draft, pieces = (phrase, [phrase.text]) if phrase is not None else self._extracted(question, voice)
        if draft.handoff:
            return draft
        if reminder := talk.reminder():
            pieces = [*pieces, f"\n\n{reminder}"] if pieces else []
            draft = replace(draft, text=f"{draft.text}\n\n{reminder}")
        for piece in pieces:
            await emit(piece)
        return replace(draft, filling=talk.filling)

    def _extracted(self, question: Question, voice: Voice) -> tuple[Draft, list[str]]:
        found, is_one = quoted(question.parts), False
        if not found.answers and question.found.answerable:
            found.answers, is_one = one_answer(question), True
        if not found.answers and len(found.missing) < 2:
            return not_found_draft(voice, self.name), []
        pieces = paragraphs(found.answers)
        citations = cite(found.citations)
        if is_one:
            asked = questions_of(question.parts)
            found.missing = [asked[n - 1].words for n in unanswered(asked, "".join(pieces), citations)]
        answer = Draft(text="".join(pieces), answered=bool(pieces), citations=citations, model=self.name)
        draft = with_naming(answer, found.missing, question.beyond, voice)
        return draft, [*pieces, draft.text.removeprefix(answer.text)]
