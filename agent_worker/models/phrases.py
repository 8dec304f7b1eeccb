"""What needs no model: the set phrases of the tenant."""

from __future__ import annotations

from agent_worker.handoff.drafts import handoff_draft, wordless_draft
from agent_worker.models.smalltalk import talk_of
from agent_worker.voice import Voice
from schemas.ports import Draft, Question


def set_phrase(question: Question, voice: Voice, model: str) -> Draft | None:
    """None when something was asked that the documents are to answer."""
    if question.wordless:
        return wordless_draft(question.wordless, voice, model, kind=question.kind, locale=question.locale)
    talk = talk_of(question.text, question.history)
    if talk == "person":
        return handoff_draft(voice, model)
    if not talk:
        return None
    phrases = {"greeting": voice.greeting, "thanks": voice.thanks, "goodbye": voice.goodbye}
    return Draft(text=phrases[talk], answered=True, model=model)
