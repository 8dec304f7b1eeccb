"""Search of texts and figures in an answer, whatever their spacing, case and spelling of numbers."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from agent_worker.grounding.numbers import Quantity, find_quantities, is_unit, missing_quantities, normalize_characters
from agent_worker.grounding.sentence_splitter import CITATION_MARK, split_sentences
from agent_worker.learning.evals.suite import Fragment

_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-"})
_WORD = re.compile(r"[^\W\d_]+")
_SPACE_BEFORE_MARK = re.compile(r"(?<!\s)\s++([.,;:!?])")


def find_sentences(text: str) -> list[str]:
    """The sentences of an answer, without citation marks."""
    return [sentence for each in split_sentences(text) if (sentence := remove_marks(each).strip())]


def remove_marks(text: str) -> str:
    return _SPACE_BEFORE_MARK.sub(r"\1", CITATION_MARK.sub("", text))


def normalize(text: str) -> str:
    return " ".join(remove_marks(normalize_characters(text)).translate(_QUOTES).casefold().split())


def contains(text: str, fragment: Fragment) -> bool:
    """True if the text has the fragment. A figure counts in any spelling: "4.50 euro" is in "€4,50"."""
    if not isinstance(fragment, str):
        return any(is_same_number(quantity.value, fragment) for quantity in find_quantities(text))
    if has_phrase(normalize(text), normalize(fragment)):
        return True
    figure = _as_figure(fragment)
    return figure is not None and not missing_quantities([figure], find_quantities(text))


def has_phrase(text: str, phrase: str) -> bool:
    """True if the phrase stands in the text by itself: "4.50" is no part of "14.50", and "art" none of "start". Both
    are normalized."""
    at = text.find(phrase)
    while at >= 0:
        if _begins_word(text, at) and _ends_word(text, at + len(phrase)):
            return True
        at = text.find(phrase, at + 1)
    return False


def _begins_word(text: str, at: int) -> bool:
    if at == 0 or at == len(text) or not text[at].isalnum():
        return True
    before = text[at - 1]
    is_in_number = text[at].isdigit() and before in ".," and text[at - 2 : at - 1].isdigit()
    return not before.isalnum() and not is_in_number


def _ends_word(text: str, at: int) -> bool:
    """``at``: of the first character after the phrase."""
    if at in (0, len(text)) or not text[at - 1].isalnum():
        return True
    is_in_number = text[at - 1].isdigit() and text[at] in ".," and text[at + 1 : at + 2].isdigit()
    return not text[at].isalnum() and not is_in_number


def is_same_number(one: object, other: object) -> bool:
    """True for equal numbers, also if they are written as texts."""
    try:
        return Decimal(str(one)) == Decimal(str(other))
    except InvalidOperation:
        return False


def _as_figure(fragment: str) -> Quantity | None:
    """The fragment as a number with its unit; None if it has other words."""
    quantities = find_quantities(fragment)
    words = _WORD.findall(fragment)
    return quantities[0] if len(quantities) == 1 and all(map(is_unit, words)) else None
