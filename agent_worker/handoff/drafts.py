"""What is said when a conversation goes to people."""

from __future__ import annotations

from agent_worker.voice import Voice
from schemas.messages import Choice
from schemas.ports import Draft, Wordless

PERSON = "person"
"""Id of the choice that asks for a person."""


def person_choice(voice: Voice) -> Choice:
    return Choice(id=PERSON, label=voice.person_choice)


def handoff_draft(voice: Voice, model: str = "", *, say: str = "") -> Draft:
    """Said by the system: an owner change must never drop it. ``say`` in place of the tenant's usual words."""
    return Draft(text=say or voice.handoff, answered=True, model=model, author="system", handoff=True)


def wordless_draft(kind: Wordless, voice: Voice, model: str = "") -> Draft:
    """Of what nobody here can read or hear, the contact is told so."""
    phrases = {"voice": voice.voice_note, "file": voice.file, "missing": voice.file_missing}
    text = phrases.get(kind, voice.unsupported)
    reasons = [f"nothing was said in words: {kind}"]
    return Draft(text=text, answered=False, choices=[person_choice(voice)], model=model, reasons=reasons)


def not_found_draft(voice: Voice, model: str = "") -> Draft:
    return Draft(text=voice.not_found, answered=False, choices=[person_choice(voice)], model=model)


def wait_draft(voice: Voice, model: str = "") -> Draft:
    """Nobody could look into it: that is no word on what the documents hold."""
    return Draft(text=voice.wait, answered=False, choices=[person_choice(voice)], model=model)
