"""Removal of personal data from text: cards, one-time codes, e-mail addresses, phones, the tenant's numbers, names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas.privacy.cards import OwnNumbers, mask_cards
from schemas.privacy.one_time_codes import mask_one_time_codes

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++){1,4}")
_TELEPHONE = re.compile(r"(?<![\w.,-])(?:\+|\(?0)?[\d(](?:[\s().\-/]{0,2}\d){6,16}(?![\w-])")
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(?:\s\d{1,2})?")
_AMOUNT_OF_DIGITS = 7
_SHORTEST_NAME = 3


class Anonymity:
    """Anonymizes the texts of one conversation. ``names``: the names of the people in it."""

    def __init__(self, own: OwnNumbers | None, names: Iterable[str]) -> None:
        self._own = own
        words = {word for name in names for word in [name, *name.split()] if len(word) >= _SHORTEST_NAME}
        longest_first = sorted(map(re.escape, words), key=len, reverse=True)
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE) if words else None

    def __call__(self, text: str) -> str:
        text = _EMAIL.sub("[email]", mask_one_time_codes(mask_cards(text, self._own), self._own))
        if self._own is not None:
            text = self._own.sub("[number]", text)
        text = _TELEPHONE.sub(_telephone, text)
        return text if self._names is None else self._names.sub("[name]", text)


def _telephone(found: re.Match[str]) -> str:
    """Hide a telephone number. Dates have as many digits; other numbers are shorter, or begin with no plus or zero."""
    digits = sum(map(str.isdigit, found[0]))
    called = found[0].lstrip("(")[0] in "+0" or digits >= _AMOUNT_OF_DIGITS + 3
    return "[phone]" if called and digits >= _AMOUNT_OF_DIGITS and not _DATE.fullmatch(found[0]) else found[0]
