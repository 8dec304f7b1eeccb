"""Drafts that people request: the agent's answer without sending it, acting, or changing a turn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import structlog

from agent_worker.handoff.handback import HINT
from agent_worker.handoff.promises import add_promises, quote_promise
from agent_worker.knowledge.text.query_splitting import is_question
from agent_worker.models.local.small_talk import asks_for_person
from agent_worker.models.registry import Models, select_model
from agent_worker.nlu.classification import topics_in
from agent_worker.reading.follow_ups import contextual_query
from agent_worker.settings import TenantRules
from agent_worker.turn.answered_watermark import AnsweredWatermark
from agent_worker.voice import translate_voice
from schemas.conversation import Conversation
from schemas.desk import DraftGenerated, DraftRequested
from schemas.errors import ModelFailed
from schemas.messages import Author, TranscriptMessage
from schemas.ports import AnswerDraft, AssuranceLookup, Knowledge, Question, SearchResult

log = structlog.get_logger("parley.worker")
LOCAL = "local"
_RECENT = 12
"""Lines that are searched for a question."""


class DraftWriter:
    def __init__(self, knowledge: Knowledge, models: Models) -> None:
        self._knowledge = knowledge
        self._models = models

    async def write_draft(
        self,
        request: DraftRequested,
        conversation: Conversation,
        rules: TenantRules,
        lines: Sequence[TranscriptMessage],
        locale: str,
        assurance: AssuranceLookup,
        now: datetime,
    ) -> DraftGenerated:
        """``lines``: the transcript with the contact's latest messages and its marks. Raises what the search raises;
        models that fail are a reason to have no draft."""
        build = partial(DraftGenerated, id=request.id, at=now)
        start, text = find_question(lines, conversation)
        if not text:
            return build(text="", reason="the contact has asked nothing")
        if not topics_in(text).keys().isdisjoint(("danger", "emergency")):
            return build(text="", reason="the contact may be in danger")
        if asks_for_person(text):
            return build(text="", reason="the contact asks for a person")
        question = await self._build_question(request, conversation, text, lines[:start], locale, assurance)
        try:
            draft = await self._ask(question, rules, text, locale)
        except ModelFailed as error:
            return build(text="", reason=f"no model could answer: {error.message}")
        if draft.handoff or not draft.answered:
            return build(text="", model=draft.model, reason=_explain_no_draft(draft, question.search_result))
        return build(text=draft.text, citations=draft.citations, model=draft.model)

    async def _ask(self, question: Question, rules: TenantRules, text: str, locale: str) -> AnswerDraft:
        async def discard(*_: object) -> None:
            """Ignore streamed text: people read the draft as a whole."""

        model = select_model(rules, text, locale) if rules.models else rules.model
        voice = translate_voice(rules.voice, locale)
        if model == LOCAL and (promise := quote_promise(question.search_result, voice)) is not None:
            return promise
        after = [name for name in (rules.routes.strong,) if name]
        return await self._models.answer(model, question, discard, discard, then=after)

    async def _build_question(
        self,
        request: DraftRequested,
        conversation: Conversation,
        text: str,
        history: Sequence[TranscriptMessage],
        locale: str,
        assurance: AssuranceLookup,
    ) -> Question:
        origin, handoff = conversation.origin, conversation.facts.handoff
        query = contextual_query(text, history)
        search_result = await self._knowledge.search(
            origin.tenant,
            f"{query}\n{request.hint}".strip(),
            party=(origin.tenant, origin.channel, origin.account, conversation.id),
            assurance=assurance,
            language=locale,
        )
        return Question(
            tenant=origin.tenant,
            text=text,
            history=[*history, *_hint_lines(request)],
            search_result=search_result
            if handoff is None
            else add_promises(search_result, origin.tenant, handoff, text),
            locale=locale,
            contact=origin.contact_id,
        )


def find_question(transcript: Sequence[TranscriptMessage], conversation: Conversation) -> tuple[int, str]:
    """The index of the line where the question begins, and its text: the contact's unanswered lines, or their last
    question. The text is empty when there is none."""
    answered = AnsweredWatermark.from_facts(conversation.facts)
    lines = [
        (index, line)
        for index, line in enumerate(transcript)
        if line.author.kind == "contact" and line.text.strip() and index >= len(transcript) - _RECENT
    ]
    waiting = [(index, line) for index, line in lines if answered.is_unanswered(line)]
    if not waiting:
        waiting = [each for each in lines if is_question(each[1].text)][-1:] or lines[-1:]
    return (waiting[0][0], "\n".join(line.text.strip() for _, line in waiting)) if waiting else (len(transcript), "")


def _hint_lines(request: DraftRequested) -> list[TranscriptMessage]:
    if not request.hint:
        return []
    text = f"A colleague wants the answer to say: {request.hint}"
    return [TranscriptMessage(id=f"{HINT}{request.id}", author=Author(kind="system"), text=text, created_at=request.at)]


def _explain_no_draft(draft: AnswerDraft, search_result: SearchResult) -> str:
    if draft.handoff:
        return "; ".join(draft.reasons) or "the agent would pass this to a person"
    failed = [reason for reason in draft.reasons if reason]
    if not search_result.answerable:
        return "; ".join([*failed, f"the documents contain no answer (confidence {search_result.confidence:.2f})"])
    return "; ".join(failed) or "the documents do not answer this"
