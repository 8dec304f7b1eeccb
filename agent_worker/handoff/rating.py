"""How it went: asked once when people are done, and the contact's answer, which is neither a question nor a turn."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from agent_worker.phrases import Voice
from agent_worker.turn.inbound_events import Event, is_handled
from schemas.choice_matching import chosen
from schemas.conversation import Conversation
from schemas.desk import Score
from schemas.ids import derived_id
from schemas.messages import Choice, InboundMessage

RATING = "rating:"
"""Begins the ids of the choices; the score follows."""
_SCORES: tuple[Score, ...] = (1, 2, 3, 4, 5)
_BARE = re.compile(r"([1-5])(?:\s{0,3}(?:/\s{0,3}5|stars?|sterne?))?[\s.!)]*+", re.IGNORECASE)
_STARS = re.compile(r"(?:[★⭐]\ufe0f?\s*){1,5}")


def choices_of(voice: Voice) -> list[Choice]:
    """From the worst, so that the number of a choice is its score where choices are numbered."""
    return [
        Choice(id=f"{RATING}{score}", label=label) for score, label in zip(_SCORES, voice.rating_scale, strict=True)
    ]


def question_id(conversation: str, number: int) -> str:
    """The message that asks about this handoff: there is one."""
    return derived_id(conversation, "rating", number)


def is_rating(message: InboundMessage | None) -> bool:
    """Whether it is one of our choices: it asks nothing, whether the question is open or not."""
    return message is not None and message.choice is not None and message.choice.id.startswith(RATING)


def ratings(
    conversation: Conversation, events: Sequence[Event], handled: frozenset[str], voices: Sequence[Voice]
) -> dict[str, Score | None]:
    """By event: scores that the contact gives, None for what is one of the choices and counts no more. What is typed
    counts only as the next thing that the contact writes. ``voices``: whose words the question may have been in."""
    handoff = conversation.facts.handoff
    found: dict[str, Score | None] = {}
    if handoff is None:
        return found
    asked, given = bool(handoff.asked), handoff.score is not None
    for event in events:
        message = event.message
        if message is None or not event.is_from_contact or is_handled(event, handled):
            continue
        score = _picked(message, question_id(conversation.id, handoff.number))
        if score is None and asked and not is_rating(message):
            score = _typed(message, voices)
        if score is not None or is_rating(message):
            found[event.id] = None if given else score
            given = given or score is not None
        asked = False
    return found


def _picked(message: InboundMessage, question: str) -> Score | None:
    if message.choice is None or not is_rating(message) or message.choice.in_reply_to != question:
        return None
    return _score(message.choice.id.removeprefix(RATING))


def _typed(message: InboundMessage, voices: Sequence[Voice]) -> Score | None:
    text = unicodedata.normalize("NFKC", message.text).strip()
    if message.choice is not None or message.attachments or message.files:
        return None
    if bare := _BARE.fullmatch(text):
        return _score(bare.group(1))
    if _STARS.fullmatch(text):
        return _score(str(sum(text.count(star) for star in "★⭐")))
    for voice in voices:
        if (meant := chosen(message.text, choices_of(voice))) is not None:
            return _score(meant.id.removeprefix(RATING))
    return None


def _score(text: str) -> Score | None:
    return next((score for score in _SCORES if str(score) == text), None)
