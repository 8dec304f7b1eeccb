"""Ready-made replies: handing over to people, messages without words, and questions that have no answer."""

from __future__ import annotations

from agent_worker.settings import TenantRules
from agent_worker.voice import Voice, message_kind_name, translate_voice
from schemas.content import NAMELESS, kind_name
from schemas.messages import Choice
from schemas.ports import AnswerDraft, NonTextContent

PERSON = "person"
"""Id of the choice that asks for a person."""


def person_choice(voice: Voice) -> Choice:
    return Choice(id=PERSON, label=voice.person_choice)


def handoff_draft(voice: Voice, model: str = "", *, say: str = "") -> AnswerDraft:
    """Build the handoff's reply. The system is its author, so that a change of owner never drops it. ``say`` replaces
    the tenant's usual words."""
    return AnswerDraft(text=say or voice.handoff, answered=True, model=model, author="system", handoff=True)


def find_danger_text(rules: TenantRules, language: str) -> str:
    """The words for a contact whose life may be in danger: the tenant's own, or ours in this language."""
    own = next((topic.say for topic in rules.routes.risks if topic.built_in == "danger" and topic.say), "")
    return own or translate_voice(rules.voice, language).danger


_NO_CHOICE_KINDS = frozenset({"call_allowed", "call_declined"})
"""Kinds that get no choices."""
_UNDERSTOOD_KINDS = frozenset(
    {"location", "contacts", "shared", "mention", "story_mention", "missed_call", *_NO_CHOICE_KINDS}
)


def non_text_draft(
    non_text: NonTextContent, voice: Voice, model: str = "", *, kind: str = "", locale: str = ""
) -> AnswerDraft:
    """Build the reply to a message without text: thanks where that fits, else a notice that this kind cannot be read.
    ``kind``: of an unsupported message."""
    phrases = {
        "voice": voice.voice_note,
        "unclear": voice.voice_note_unclear,
        "file": voice.file,
        "missing": voice.file_missing,
        "location": voice.location,
        "contacts": voice.contacts,
        "shared": voice.shared,
    }
    shown_kind = kind if non_text == "unsupported" else non_text
    return AnswerDraft(
        text=phrases.get(non_text) or _describe_unsupported(kind, voice, locale),
        answered=shown_kind in _UNDERSTOOD_KINDS,
        choices=[] if shown_kind in _NO_CHOICE_KINDS else [person_choice(voice)],
        model=model,
        reasons=[f"the message contains no text: {shown_kind or non_text}"],
    )


def _describe_unsupported(kind: str, voice: Voice, locale: str) -> str:
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


def apology_draft(voice: Voice, model: str = "") -> AnswerDraft:
    text = f"{voice.apology} {voice.person_offer}"
    return AnswerDraft(text=text, answered=False, choices=[person_choice(voice)], model=model)


def wait_draft(voice: Voice, model: str = "") -> AnswerDraft:
    """Build a request to wait, because no model could answer."""
    return AnswerDraft(text=voice.models_unavailable, answered=False, choices=[person_choice(voice)], model=model)
