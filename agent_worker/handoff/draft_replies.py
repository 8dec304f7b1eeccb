"""What the agent would answer, for people to read: nothing is sent, nothing is done, and nobody's turn is changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import structlog

from agent_worker.handoff.handback import HINT
from agent_worker.handoff.promises import told_by_people, with_promises
from agent_worker.knowledge.text.query_splitting import is_question, with_context
from agent_worker.models.local.small_talk import asks_for_person
from agent_worker.models.registry import Models, select_model
from agent_worker.nlu.classification import topics_in
from agent_worker.phrases import translate_voice
from agent_worker.settings import TenantRules
from agent_worker.turn.answered_watermark import Answered
from schemas.conversation import Conversation
from schemas.desk import DraftMade, DraftRequested
from schemas.errors import ModelFailed
from schemas.messages import Author, TranscriptMessage
from schemas.ports import Asker, Draft, Found, Knowledge, Question

log = structlog.get_logger("parley.worker")
LOCAL = "local"
_BACK = 12
"""Lines in which a question is looked for."""


class Drafting:
    def __init__(self, knowledge: Knowledge, models: Models) -> None:
        self._knowledge = knowledge
        self._models = models

    async def make(
        self,
        asked: DraftRequested,
        conversation: Conversation,
        rules: TenantRules,
        talk: Sequence[TranscriptMessage],
        locale: str,
        who: Asker,
        now: datetime,
    ) -> DraftMade:
        """``talk``: with the contact's latest messages and its marks; ``who``: what the contact may see. Raises what
        the search raises; models that fail are a reason to have no answer."""
        made = partial(DraftMade, id=asked.id, at=now)
        place, text = question_of(talk, conversation)
        if not text:
            return made(text="", reason="the contact has asked nothing")
        if "danger" in topics_in(text):
            return made(text="", reason="the contact may be in danger")
        if asks_for_person(text):
            return made(text="", reason="the contact asks for a person")
        question = await self._question(asked, conversation, text, talk[:place], locale, who)
        try:
            draft = await self._ask(question, rules, text, locale)
        except ModelFailed as error:
            return made(text="", reason=f"no model could answer: {error.message}")
        if draft.handoff or not draft.answered:
            return made(text="", model=draft.model, reason=_why_not(draft, question.found))
        return made(text=draft.text, citations=draft.citations, model=draft.model)

    async def _ask(self, question: Question, rules: TenantRules, text: str, locale: str) -> Draft:
        async def unseen(*_: object) -> None:
            """It is for nobody's eyes but theirs, and only as a whole."""

        model = select_model(rules, text, locale) if rules.models else rules.model
        voice = translate_voice(rules.voice, locale)
        if model == LOCAL and (said := told_by_people(question.found, voice)) is not None:
            return said
        after = [name for name in (rules.routes.strong,) if name]
        return await self._models.answer(model, question, unseen, unseen, then=after)

    async def _question(
        self,
        asked: DraftRequested,
        conversation: Conversation,
        text: str,
        before: Sequence[TranscriptMessage],
        locale: str,
        who: Asker,
    ) -> Question:
        origin = conversation.origin
        query = with_context(text, before)
        found = await self._knowledge.search(
            origin.tenant, f"{query}\n{asked.hint}".strip(), channel=origin.channel, assurance=who, language=locale
        )
        return Question(
            tenant=origin.tenant,
            text=text,
            history=[*before, *_hint(asked)],
            found=with_promises(found, origin.tenant, conversation.facts.handoff, text),
            locale=locale,
            contact=origin.contact_id,
        )


def question_of(talk: Sequence[TranscriptMessage], conversation: Conversation) -> tuple[int, str]:
    """What is to be answered, and where in the talk it begins: the contact's lines that wait, or their last question.
    Empty when there is none."""
    answered = Answered.of(conversation.facts)
    lines = [
        (place, line)
        for place, line in enumerate(talk)
        if line.author.kind == "contact" and line.text.strip() and place >= len(talk) - _BACK
    ]
    waiting = [(place, line) for place, line in lines if answered.waits(line)]
    if not waiting:
        waiting = [each for each in lines if is_question(each[1].text)][-1:] or lines[-1:]
    return (waiting[0][0], "\n".join(line.text.strip() for _, line in waiting)) if waiting else (len(talk), "")


def _hint(asked: DraftRequested) -> list[TranscriptMessage]:
    if not asked.hint:
        return []
    text = f"A colleague wants the answer to say: {asked.hint}"
    return [TranscriptMessage(id=f"{HINT}{asked.id}", author=Author(kind="system"), text=text, created_at=asked.at)]


def _why_not(draft: Draft, found: Found) -> str:
    if draft.handoff:
        return "; ".join(draft.reasons) or "the agent would pass this to a person"
    failed = [reason for reason in draft.reasons if reason]
    if not found.answerable:
        return "; ".join([*failed, f"the documents hold no answer (confidence {found.confidence:.2f})"])
    return "; ".join(failed) or "the documents do not answer this"
