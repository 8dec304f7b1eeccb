"""What needs no model: the set phrases of the tenant."""

from __future__ import annotations

from agent_worker.handoff.reply_templates import handoff_draft, person_choice, wordless_draft
from agent_worker.models.local.small_talk import talk_of
from agent_worker.nlu.classification import topics_in
from agent_worker.phrases import Voice, in_language, phrases_of
from schemas.ports import Draft, Question


def set_phrase(question: Question, voice: Voice, model: str) -> Draft | None:
    """None when something was asked that the documents are to answer."""
    voice = in_language(voice, question.locale)
    if question.wordless:
        return wordless_draft(question.wordless, voice, model, kind=question.kind, locale=question.locale)
    talk = talk_of(question.text, question.history, phrases_of(voice), question.locale)
    if talk in ("person", "complaint_again"):
        return handoff_draft(in_language(voice, topics_in(question.text, question.locale).get("person", "")), model)
    # A short answer fills in what an action needs, where one has asked.
    if not talk or (question.filling is not None and talk in ("go_on", "declined")):
        return None
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
    if talk == "complaint":
        return Draft(text=phrases[talk], answered=False, choices=[person_choice(voice)], model=model)
    return Draft(text=phrases[talk], answered=True, model=model)
