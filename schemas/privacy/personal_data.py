"""Find personal data in texts by patterns: addresses, telephone numbers, bank accounts, and names that are known.

Patterns miss what has no fixed form, such as the name of somebody who is only mentioned."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal

from schemas.privacy.cards import OwnNumbers
from schemas.privacy.harmless_numbers import find_bank_accounts

Kind = Literal["email", "number", "account", "phone", "address", "name"]
Substitute = Callable[[Kind, str], str]
"""``(kind, value)`` → what stands for the value."""
KINDS: tuple[Kind, ...] = ("email", "number", "account", "phone", "address", "name")

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++){1,4}")
_TELEPHONE = re.compile(r"(?<![\w.,-])(?:\+|\(?0)?[\d(](?:[\s().\-/]{0,2}\d){6,16}(?![\w-])")
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(?:\s\d{1,2})?")
_MIN_PHONE_DIGITS = 7
_MIN_NAME_LENGTH = 3
_HOUSE = r"\d{1,4}(?:\s?[a-zA-Z])?(?!\w)"
_TOWN = r"(?:,?\s{1,2}\d{4,5}(?:\s?[A-Z]{2})?\s[^\W\d_][\w-]{1,30})?"
"""A postcode and a town, as they follow a street."""
_STREET = re.compile(
    # The kind of street as the end of a word, as in Dutch and German: "Lindenstraße 12, 10115 Berlin".
    rf"(?<!\w)(?:[A-ZÄÖÜ]\w{{1,30}}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|ufer|damm|straat|laan|gracht|plein)"
    rf"|(?i:(?:rue|avenue|boulevard|place|chemin|calle|avenida|plaza|paseo|via|viale|piazza|corso|rua|travessa|ulica"
    rf"|ul\.))(?:\s[^\W\d_][\w'’-]{{0,30}}){{1,4}},?)\s{_HOUSE}{_TOWN}"
    # The number first, as in English and French: "12 Main Street", "5, rue de la Paix".
    r"|(?<!\w)\d{1,5}[a-zA-Z]?,?\s(?:[A-Z][\w'’-]{0,30}\s){1,4}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Square|Terrace|Close|Crescent)(?!\w)"
    rf"|(?<!\w)\d{{1,4}},?\s(?i:rue|avenue|boulevard|place|chemin|impasse|allée)(?:\s[^\W\d_][\w'’-]{{0,30}}){{1,4}}{_TOWN}"
)


class PersonalData:
    """Finds the personal data of one conversation. ``own``: the form of the numbers that the tenant gives out, such as
    those of orders; ``names``: of the people in it."""

    def __init__(self, own: OwnNumbers | None = None, names: Iterable[str] = (), *, same_case: bool = False) -> None:
        """``same_case``: a name counts only as it is spelled, because it may also be an ordinary word."""
        self._own = own
        words = {word for name in names for word in [name, *name.split()] if len(word) >= _MIN_NAME_LENGTH}
        longest_first = sorted(map(re.escape, words), key=len, reverse=True)
        flags = re.NOFLAG if same_case else re.IGNORECASE
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", flags) if words else None

    def replace(self, text: str, substitute: Substitute) -> str:
        """The text with every value that was found replaced."""
        text = _EMAIL.sub(lambda found: substitute("email", found[0]), text)
        if self._own is not None:
            text = self._own.sub(lambda found: substitute("number", found[0]), text)
        for start, end in reversed(find_bank_accounts(text)):
            text = f"{text[:start]}{substitute('account', text[start:end])}{text[end:]}"
        text = _TELEPHONE.sub(
            lambda found: substitute("phone", found[0]) if _is_telephone(found[0]) else found[0], text
        )
        text = _STREET.sub(lambda found: substitute("address", found[0]), text)
        return text if self._names is None else self._names.sub(lambda found: substitute("name", found[0]), text)


def find_addresses(text: str, own: OwnNumbers | None) -> list[str]:
    """The e-mail addresses and telephone numbers in a text."""
    found: list[str] = []

    def note(kind: Kind, value: str) -> str:
        if kind in ("email", "phone"):
            found.append(" ".join(value.split()))
        return " "

    PersonalData(own).replace(text, note)
    return found


def _is_telephone(text: str) -> bool:
    """Dates have as many digits; other numbers are shorter, or begin with no plus or zero."""
    digits = sum(map(str.isdigit, text))
    is_likely = text.lstrip("(")[0] in "+0" or digits >= _MIN_PHONE_DIGITS + 3
    return is_likely and digits >= _MIN_PHONE_DIGITS and not _DATE.fullmatch(text)
