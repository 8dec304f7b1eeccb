"""Recognize long numbers that are no cards: a tenant's own numbers, bank accounts, and numbers named by the word
before."""

from __future__ import annotations

import re
from collections.abc import Iterable

MIN_PREFIX = 2
"""Characters that a tenant's pattern must begin with: a pattern without them could match anything, also a card."""
_WILD = {"#": r"\d", "@": r"[^\W\d_]"}
_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
_NAMED = re.compile(
    # Words for parcels and articles. Customers call a card number an order's or an account's more often than shops
    # assign such numbers with a card's length, beginning and check digit.
    r"(?:tracking|track(?:ing)?.?code|sendung|paket|shipment|parcel|suivi|env[ií]o|spedizione|serial|serien|imei|iban"
    r"|sku|ean|isbn|gtin|artikel|трек|快递)"
    # Text that belongs to that word, or may stand between it and the number.
    r"[^\W\d_]{0,12}+[\s.:#-]{0,3}+(?:(?:no|nr|num|number|nummer|num[ée]ro|n°|nº|id|code|is|ist|est|es)[\s.:#=-]{0,3}+){0,2}\Z",
    re.IGNORECASE,
)
_CARD = re.compile(
    r"card|kart|carte|tarjeta|cart[ãa]o|carta|kaart|kort|visa|master|amex|maestro|credit|debit|kredit|crédito|cvv|cvc"
    r"|\bcc\b|\bpan\b|\bexp|карт|信用卡|银行卡|カード|카드|بطاقة|כרטיס",
    re.IGNORECASE,
)
_BEFORE, _AFTER = 48, 24
LONGEST_PATTERN = 100
"""Characters of a tenant's pattern, each of which stands for one."""
_LONGEST_IBAN = 45
"""Characters, including spaces."""
_LETTER = re.compile(r"[^\W\d_]")
_WILDCARDS = re.compile("[#@]")
_SPACES = re.compile(r"[ \u00a0-]")


def compile_own_numbers(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """Compile a tenant's number patterns. In a pattern ``#`` stands for a digit, ``@`` for a letter, and everything
    else for itself: ``PS-#####``. None when there are none. Raises ValueError that explains what is wrong with a
    pattern."""
    expressions = [_pattern(each) for each in patterns]
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(expressions)})(?![^\W_])", re.IGNORECASE) if expressions else None


def _pattern(text: str) -> str:
    prefix = _WILDCARDS.split(text)[0]
    if "#" not in text or len(prefix.strip()) < MIN_PREFIX:
        raise ValueError(f"{text!r} must begin with {MIN_PREFIX} fixed characters and contain a # for each digit")
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"{text[:20]!r}… must have at most {LONGEST_PATTERN} characters")
    return "".join(_WILD.get(letter) or re.escape(letter) for letter in text)


def is_covered(pattern: re.Pattern[str] | None, text: str, start: int, end: int) -> bool:
    """Return whether a match of the pattern covers all of these characters."""
    if pattern is None:
        return False
    near = pattern.finditer(text, max(0, start - LONGEST_PATTERN), end + LONGEST_PATTERN)
    return any(found.start() <= start and found.end() >= end for found in near)


def is_bank_account(text: str, start: int, end: int) -> bool:
    """Return whether these characters are part of an IBAN, judged by its own check digits."""
    for found in _IBAN.finditer(text, max(0, start - _LONGEST_IBAN), end + _LONGEST_IBAN):
        if found.start() <= start < found.end() and _is_iban(found[0]):
            return True
    return False


def find_bank_accounts(text: str) -> list[tuple[int, int]]:
    """Beginning and end of every IBAN, in order."""
    found = ((match.start(), _iban_length(match[0])) for match in _IBAN.finditer(text))
    return [(start, start + length) for start, length in found if length]


def is_named_otherwise(text: str, start: int) -> bool:
    """Return whether the word right before says that it is an order, a parcel, a telephone …"""
    before = text[max(0, start - _BEFORE) : start]
    return _LETTER.search(before) is not None and _NAMED.search(before) is not None


def is_named_card(text: str, start: int, end: int) -> bool:
    return _CARD.search(text[max(0, start - _BEFORE) : end + _AFTER]) is not None


def _is_iban(text: str) -> bool:
    return _iban_length(text) > 0


def _iban_length(text: str) -> int:
    """Characters of the IBAN at the beginning of a match, which may include words that follow; 0 if there is none."""
    compact = _SPACES.sub("", text).upper()
    length = next((n for n in range(min(34, len(compact)), 14, -1) if _passes_mod97(compact[:n])), 0)
    return length and [at for at, letter in enumerate(text, 1) if not _SPACES.match(letter)][length - 1]


def _passes_mod97(iban: str) -> bool:
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1
