"""Replies from the tenant's set phrases, which need no model, and what is said where nothing surely answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent_worker.actions.slot_filling.dialogue_texts import dialogue_text
from agent_worker.handoff.reply_templates import (
    apology_draft,
    handoff_draft,
    non_text_draft,
    not_found_draft,
    person_choice,
)
from agent_worker.models.local.extraction import find_answer, find_priced
from agent_worker.models.local.multiple_questions import QuestionAnswer, QuotedAnswers, introduce_language
from agent_worker.models.local.quote_format import format_quotes
from agent_worker.models.local.small_talk import classify_small_talk
from agent_worker.nlu.classification import is_upset, topics_in
from agent_worker.reading.suggestions import (
    closest_draft,
    last_suggestions,
    section_id,
    section_label,
    suggestion_draft,
    suggestions_of,
)
from agent_worker.voice import Voice, list_set_phrases, translate_voice
from schemas.messages import Choice
from schemas.ports import AnswerDraft, Question


def build_unanswered(question: Question, voice: Voice, model: str) -> AnswerDraft:
    """The reply when the documents do not surely answer: the sections that may be meant, else that nothing was found.
    An upset contact is offered a person instead."""
    if is_upset(question.text):
        return apology_draft(voice, model)
    choices = suggestions_of([question.search_result])
    draft = suggestion_draft(choices, voice, model) if choices else not_found_draft(voice, model)
    return _quote_closest(question, choices, voice, model) or draft


def _quote_closest(question: Question, choices: Sequence[Choice], voice: Voice, model: str) -> AnswerDraft | None:
    """The section that probably answers, under its heading, and the other ``choices``. None where none does, or where
    it lacks what is asked for."""
    found = question.search_result
    text = question.resolved or question.text
    is_near = found.probable or (found.suggestable and find_priced(text, found.passages) is not None)
    quotes = find_answer(text, found.passages) if is_near else []
    if not quotes:
        return None
    quoted, section = QuotedAnswers([QuestionAnswer(quotes, [])]), quotes[0].passage
    others = [choice for choice in choices if choice.id != section_id(section)]
    pieces = [
        voice.closest.replace("{heading}", section_label(section)),
        "\n\n",
        *introduce_language(quoted, voice, question.locale),
        *format_quotes(quotes),
        *(["\n\n", voice.or_one_of_these] if others else []),
    ]
    closest = AnswerDraft(text="".join(pieces), answered=False, citations=quoted.cite(), model=model)
    return closest_draft(closest, others, voice)


def find_canned_reply(question: Question, voice: Voice, model: str) -> AnswerDraft | None:
    """The set phrase for the message; None when the documents have to answer, as after a yes to the only section."""
    if question.is_picked:
        return None
    voice = translate_voice(voice, question.locale)
    if question.non_text:
        return non_text_draft(question.non_text, voice, model, kind=question.kind, locale=question.locale)
    kind = classify_small_talk(question.text, question.history, list_set_phrases(voice), question.locale)
    if kind in ("person", "complaint_again"):
        return handoff_draft(translate_voice(voice, topics_in(question.text, question.locale).get("person", "")), model)
    # After an action's question, a short answer is a parameter.
    if not kind or (question.filling is not None and kind in ("go_on", "declined")):
        return None
    if kind == "go_on" and (offered := last_suggestions(question.history)):
        # A yes to several of them picks none.
        again = suggestion_draft(offered, voice, model)
        return replace(again, text=dialogue_text("which", question.locale)) if len(offered) > 1 else again
    phrases = {
        "greeting": voice.greeting,
        "thanks": voice.thanks,
        "goodbye": voice.goodbye,
        "abilities": voice.abilities,
        "presence": voice.presence,
        "complaint": voice.complaint,
        "declined": voice.offer_declined,
        "go_on": voice.what_else,
    }
    if kind == "complaint":
        return AnswerDraft(text=phrases[kind], answered=False, choices=[person_choice(voice)], model=model)
    return AnswerDraft(text=phrases[kind], answered=True, model=model)
