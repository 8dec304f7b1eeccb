"""Detection of messages that are no answer to the question for a parameter, whatever a parser finds in them."""

from __future__ import annotations

import re

from agent_worker.actions.parsing import Field, ParseContext, ParsedValue
from agent_worker.actions.slot_filling.dialogue_texts import question_for
from agent_worker.nlu.yes_no import is_own_yes_or_no
from schemas.ports import SearchResult

_MAX_OTHER_WORDS = 4
"""Words beside a number that alone is the answer: "it is 123456, thanks"."""
_MAY_ANSWER_ABOVE = 0.5
"""Confidence from which the documents may answer a question."""
_ECHO_WORDS = 3
"""Words from which a repeated sentence of the question is no answer."""
_MAIL = re.compile(r"mail|correo|почт|пошт|メール|메일", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


def may_be_aside(text: str, result: SearchResult, field: Field, locale: str, *, is_code: bool, by_itself: bool) -> bool:
    """Return whether a question on the way is about something else, and so no failed try to give the value of
    ``field``: one that the documents may answer, or that needs nothing said before it (``by_itself``). While a code is
    awaited the documents have to be sure: "what code?" and "which mail?" are about the code."""
    is_separate = by_itself and not mentions(text, field, locale)
    if not is_code:
        return is_separate or (result.may_answer and result.confidence >= _MAY_ANSWER_ABOVE)
    if result.answerable and not mentions(text, field, locale):
        return True
    return is_separate and _MAIL.search(text) is None


def may_answer(text: str, field: Field, context: ParseContext) -> bool:
    """Return whether the message may answer the question for ``field``. Our own question, sent back, never does; a
    text has to say something."""
    if _repeats(text, question_for(field, context.locale)):
        return False
    if field.kind != "text":
        return True
    is_empty = not _LETTER_OR_DIGIT.search(text)
    return not (is_empty or text.rstrip().endswith("?") or is_own_yes_or_no(text, context.locale))


def is_plausible(text: str, field: Field, reading: ParsedValue, context: ParseContext) -> bool:
    """Return whether a number of a given length is meant as the value: the message consists of little else, or names
    the parameter. An identifier with a fixed beginning is meant wherever it stands."""
    if field.kind != "identifier" or not reading.value.isdigit():
        return True
    others = _words(f"{text[: reading.begin]} {text[reading.end :]}")
    return len(others) <= _MAX_OTHER_WORDS or mentions(text, field, context.locale)


def mentions(text: str, field: Field, locale: str) -> bool:
    """Return whether the text calls the parameter by its name."""
    return not set(_words(text)).isdisjoint(_words(field.title(locale)))


def _repeats(text: str, question: str) -> bool:
    """Return whether the message is our own question, or one of its sentences."""
    said = _words(text)
    return len(said) >= _ECHO_WORDS and any(said == _words(part) for part in (question, *_SENTENCE.split(question)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
