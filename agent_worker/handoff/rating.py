"""The rating of a handoff: the contact is asked once, after the resolution. The answer needs no reply."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from agent_worker.turn.inbound_events import InboundEvent
from agent_worker.voice import Voice
from schemas.choice_matching import match_choice
from schemas.conversation import Conversation
from schemas.desk import Score
from schemas.ids import derived_id
from schemas.messages import Choice, InboundMessage

RATING_PREFIX = "rating:"
"""Prefix of the ids of the choices; the score follows."""
_SCORES: tuple[Score, ...] = (1, 2, 3, 4, 5)
_BARE = re.compile(r"([1-5])(?:\s{0,3}(?:/\s{0,3}5|stars?|sterne?))?[\s.!)]*+", re.IGNORECASE)
_STARS = re.compile(r"(?:[★⭐]\ufe0f?\s*){1,5}")


def rating_choices(voice: Voice) -> list[Choice]:
    """Build the choices, the worst first, so that the number of a choice is its score on channels that number
    choices."""
    return [
        Choice(id=f"{RATING_PREFIX}{score}", label=label)
        for score, label in zip(_SCORES, voice.rating_scale, strict=True)
    ]


def rating_question_id(conversation: str, number: int) -> str:
    """The id of the one message that asks about this handoff."""
    return derived_id(conversation, "rating", number)


def is_rating(message: InboundMessage | None) -> bool:
    """Return whether it is one of our choices. Such a message needs no reply, even if the question is not open."""
    return message is not None and message.choice is not None and message.choice.id.startswith(RATING_PREFIX)


def find_ratings(
    conversation: Conversation, events: Sequence[InboundEvent], handled: frozenset[str], voices: Sequence[Voice]
) -> dict[str, Score | None]:
    """Find the contact's scores, by event id; None for a choice that no longer counts. A typed score counts only as the
    next message of the contact. ``voices``: the possible wordings of the question."""
    handoff = conversation.facts.handoff
    scores: dict[str, Score | None] = {}
    if handoff is None:
        return scores
    asked, given = bool(handoff.asked), handoff.score is not None
    for event in events:
        message = event.message
        if message is None or not event.is_from_contact or not handled.isdisjoint(event.ids):
            continue
        score = _read_picked_score(message, rating_question_id(conversation.id, handoff.number))
        if score is None and asked and not is_rating(message):
            score = _read_typed_score(message, voices)
        if score is not None or is_rating(message):
            scores[event.id] = None if given else score
            given = given or score is not None
        asked = False
    return scores


def _read_picked_score(message: InboundMessage, question: str) -> Score | None:
    if message.choice is None or not is_rating(message) or message.choice.in_reply_to != question:
        return None
    return _parse_score(message.choice.id.removeprefix(RATING_PREFIX))


def _read_typed_score(message: InboundMessage, voices: Sequence[Voice]) -> Score | None:
    text = unicodedata.normalize("NFKC", message.text).strip()
    if message.choice is not None or message.attachments or message.files:
        return None
    if bare := _BARE.fullmatch(text):
        return _parse_score(bare.group(1))
    if _STARS.fullmatch(text):
        return _parse_score(str(sum(text.count(star) for star in "★⭐")))
    for voice in voices:
        if (choice := match_choice(message.text, rating_choices(voice))) is not None:
            return _parse_score(choice.id.removeprefix(RATING_PREFIX))
    return None


def _parse_score(text: str) -> Score | None:
    return next((score for score in _SCORES if str(score) == text), None)
