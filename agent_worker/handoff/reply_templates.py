"""Ready-made replies: handing over to people, messages without words, and questions that have no answer."""

from __future__ import annotations

from agent_worker.phrases import Voice, message_kind_name
from schemas.content import NAMELESS, kind_name
from schemas.messages import Choice
from schemas.ports import AnswerDraft, NonTextContent

PERSON = "person"
"""Id of the choice that asks for a person."""


def person_choice(voice: Voice) -> Choice:
    return Choice(id=PERSON, label=voice.person_choice)


def handoff_draft(voice: Voice, model: str = "", *, say: str = "") -> AnswerDraft:
    """By the system, so that an owner change never drops it. ``say`` replaces the tenant's usual words."""
    return AnswerDraft(text=say or voice.handoff, answered=True, model=model, author="system", handoff=True)


_SETTLED = frozenset({"call_allowed", "call_declined"})
"""Kinds after which nothing is left to offer."""
_UNDERSTOOD = frozenset({"location", "contacts", "shared", "mention", "story_mention", "missed_call", *_SETTLED})


def wordless_draft(
    wordless: NonTextContent, voice: Voice, model: str = "", *, kind: str = "", locale: str = ""
) -> AnswerDraft:
    """The reply to a message without words: thanks where that is fitting, else the kind that cannot be read here.
    ``kind``: of an unsupported message."""
    phrases = {
        "voice": voice.voice_note,
        "file": voice.file,
        "missing": voice.file_missing,
        "location": voice.location,
        "contacts": voice.contacts,
        "shared": voice.shared,
    }
    said = kind if wordless == "unsupported" else wordless
    return AnswerDraft(
        text=phrases.get(wordless) or _unsupported(kind, voice, locale),
        answered=said in _UNDERSTOOD,
        choices=[] if said in _SETTLED else [person_choice(voice)],
        model=model,
        reasons=[f"nothing was said in words: {said or wordless}"],
    )


def _unsupported(kind: str, voice: Voice, locale: str) -> str:
    phrases = {
        "mention": voice.greeting,
        "story_mention": voice.story_mention,
        "missed_call": voice.missed_call,
        "call_allowed": voice.call_allowed,
        "call_declined": voice.call_declined,
        "order": voice.order,
    }
    if kind in phrases:
        return phrases[kind]
    if kind in NAMELESS:
        return voice.unsupported
    return voice.unsupported_kind.replace("{kind}", message_kind_name(kind, kind_name(kind), locale or voice.locale))


def not_found_draft(voice: Voice, model: str = "") -> AnswerDraft:
    return AnswerDraft(text=voice.not_found, answered=False, choices=[person_choice(voice)], model=model)


def wait_draft(voice: Voice, model: str = "") -> AnswerDraft:
    """A request to wait, because no model could answer. It says nothing about the documents."""
    return AnswerDraft(text=voice.wait, answered=False, choices=[person_choice(voice)], model=model)
