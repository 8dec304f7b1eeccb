"""Find payment card numbers in text, however they are spaced, and mask them before anything is stored. Every message
passes here, so a text without a long number costs a single search.

A number is a card number when a network issues such numbers, the check digit is right, and nothing shows that it is
something else: a tenant's own pattern, an IBAN, a telephone's ``+``, or the word right before. Masking is idempotent,
and equal texts stay equal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from schemas.privacy.harmless_numbers import is_bank_account, is_covered, is_named_card, is_named_otherwise

OwnNumbers = re.Pattern[str]
SHORTEST, LONGEST = 13, 19
SHORTEST_CODE = 3
"""Digits of a security code."""
_MANY_DIGITS = 1_000
"""From this many digits on, a text may hold hundreds of cards, each of which takes up to 50 microseconds."""
_SPACED = frozenset({4, 6, 8})
"""Digits of the first group, as cards are printed."""
# Spaces and line ends of all kinds, dashes, dots, underscores, invisible marks, and the parts of keycaps.
_BETWEEN = r"\s\u002d\u2010-\u2015\u2212\uff0d.\uff0e\u00b7\u2022_\u00ad\u200b-\u200f\u2060\ufeff\ufe0f\u20e3"
# Marks that separate the numbers of a list, and sometimes the groups of a card number.
_LISTING = r"/\uff0f,\uff0c:\uff1a|'\u2019="
_DIGIT = r"\d\u2460-\u2468\u24ea\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u2080-\u2089"
_MAYBE = re.compile(rf"[{_DIGIT}](?:[{_BETWEEN}{_LISTING}]{{0,5}}+[{_DIGIT}]){{12}}")
_MAYBE_ASCII = re.compile(r"[0-9](?:[\s._/,:|'=-]{0,5}+[0-9]){12}", re.ASCII)
_NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_RUN = re.compile(rf"[{_DIGIT}](?:[{_BETWEEN}]{{0,4}}+[{_DIGIT}]){{12,}}")
_ANY = rf"[{_BETWEEN}{_LISTING}]{{1,5}}+"
_SAME = rf"(?P<mark>[{_BETWEEN}]{{0,2}}+[{_LISTING}][{_BETWEEN}]{{0,2}}+|\s{{5}})"
_LISTED = re.compile(
    # Grouped as cards are printed, with anything between the groups; or by ones or twos, with the same mark between
    # all.
    rf"(?<![{_DIGIT}])(?:[{_DIGIT}]{{4}}{_ANY}(?:[{_DIGIT}]{{4}}{_ANY}[{_DIGIT}]{{4}}{_ANY}[{_DIGIT}]{{4}}"
    rf"(?:{_ANY}[{_DIGIT}]{{3}}(?![{_DIGIT}]))?|[{_DIGIT}]{{6}}{_ANY}[{_DIGIT}]{{4,5}})"
    rf"|[{_DIGIT}](?:{_SAME}[{_DIGIT}])(?:(?P=mark)[{_DIGIT}]){{11,17}}+"
    rf"|[{_DIGIT}]{{2}}(?:{_SAME.replace('mark', 'mark2')}[{_DIGIT}]{{2}})(?:(?P=mark2)[{_DIGIT}]{{2}}){{6}})"
    rf"(?![{_DIGIT}])"
)
_GROUP_OF_LIST = re.compile(rf"(?<![{_DIGIT}])[{_DIGIT}]{{4}}{_ANY}$")
_GROUPS_OF_LIST = re.compile(rf"(?:{_ANY}[{_DIGIT}]{{4}}(?![{_DIGIT}])){{2}}")
_LONGEST_GROUP_OF_LIST = 10
_GROUP = re.compile(rf"[{_DIGIT}]+")
_CODE = re.compile(
    r"(\b(?:cvv2?|cvc2?|cvn|csc|(?:card )?security code|pr[üu]fziffer|pr[üu]fnummer|sicherheitscode|cryptogramme)\b"
    r"[^\w\n]{0,3}(?:(?:is|ist|est|es|code|number|nr|no)\b[^\w\n]{0,3}){0,2})\d{3,4}(?!\d)",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(
    r"(\s{0,8}[,;|/]?\s{0,8}(?:exp\w{0,12}\W{0,2})?(?:\d{1,2}\s?[/.|,:=-]\s?\d{2,4})?[\s,;|/:=]{1,4})"
    r"\d{3,4}(?![\d.,]?\d)"
)
_TRACK = re.compile(r"(\^[^^?\n]{2,26}\^|=)\d{7,40}+\??")
_ID_BEFORE = re.compile(r"[0-9][A-Za-z]{1,24}\Z|(?<![A-Za-z])[A-Za-z]{1,3}\Z")
_ID_AFTER = re.compile(r"[A-Za-z]{1,8}[0-9]")
_NO_DIGIT = re.compile(r"\D")
_WORDS = frozenset({"cc", "mc", "pan", "no", "nr", "is"})
_USUAL = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 3, 3, 3)})
TRACK = "[track]"
"""Replaces what a card's magnetic stripe holds after its number."""
CODE = "[cvv]"
_MASKED = "[card ····"


@dataclass(frozen=True, slots=True)
class _Card:
    start: int
    end: int
    last: str


def mask_cards(text: str, own: OwnNumbers | None = None) -> str:
    """Replace every card number by ``[card ····1111]``, and remove security codes. ``own`` matches the tenant's own
    numbers."""
    digits = _count_digits(text)
    if digits < SHORTEST_CODE:
        return text
    if digits >= SHORTEST and (_MAYBE_ASCII if text.isascii() else _MAYBE).search(text):
        text = _mask_runs(text, own)
    if "cv" in text.lower() or "[card " in text:
        return mask_security_codes(text)
    return text


def has_masked_card(text: str) -> bool:
    """Return whether ``mask_cards`` has replaced a card number."""
    return _MASKED in text


def is_costly(text: str) -> bool:
    """Return whether masking may take more than a few milliseconds, and belongs off the event loop."""
    return len(text) > _MANY_DIGITS and _count_digits(text) > _MANY_DIGITS


def mask_security_codes(text: str) -> str:
    """Mask security codes alone, which ``mask_cards`` only looks for beside a card or by their short names."""
    return _CODE.sub(rf"\1{CODE}", text)


def _count_digits(text: str) -> int:
    """An upper bound of the number of digits. Most messages are ASCII and have few, which this tells in a tenth of a
    search's time."""
    return len(text.encode().translate(None, _NO_DIGITS)) if text.isascii() else len(text)


def _mask_runs(text: str, own: OwnNumbers | None) -> str:
    # The second pass sees what the first has left.
    text = _replace_cards(text, (card for run in _RUN.finditer(text) for card in _cards(text, run, own)))
    return _replace_cards(
        text, (card for run in _LISTED.finditer(text) if (card := _match_listed(text, run, own)) is not None)
    )


def _replace_cards(text: str, cards: Iterable[_Card]) -> str:
    pieces, at = list[str](), 0
    for card in cards:
        if card.start < at:
            continue
        pieces += (text[at : card.start], f"{_MASKED}{card.last}]")
        at = card.end
        if (track := _TRACK.match(text, at)) is not None:
            pieces += (track[1], TRACK)
            at = track.end()
        elif (code := _FOLLOWS.match(text, at)) is not None:
            pieces += (code[1], CODE)
            at = code.end()
    return "".join([*pieces, text[at:]]) if at else text


def _match_listed(text: str, run: re.Match[str], own: OwnNumbers | None) -> _Card | None:
    """The card written with marks that also separate the numbers of a list; the list must not go on around it."""
    digits, (start, end) = _ascii_digits(run[0]), run.span()
    if not is_card(digits) or _is_telephone(text, start, len(digits)) or _is_in_id(text, start, end):
        return None
    if is_covered(own, text, start, end) or is_bank_account(text, start, end):
        return None
    if _is_list(text, start, end) and not is_named_card(text, start, end):
        return None
    return _Card(start, end, digits[-4:])


def _is_list(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - _LONGEST_GROUP_OF_LIST) : start]
    return _GROUP_OF_LIST.search(before) is not None or _GROUPS_OF_LIST.match(text, end) is not None


def _cards(text: str, run: re.Match[str], own: OwnNumbers | None) -> list[_Card]:
    """The cards in one run of digits. A number begins and ends at the boundary of a group of digits."""
    groups = [(group.start(), group.end()) for group in _GROUP.finditer(text, run.start(), run.end())]
    if _is_telephone(text, run.start(), sum(end - start for start, end in groups)):
        return []
    cards: list[_Card] = []
    first = 0
    while first < len(groups):
        windows = _windows(text, groups, first) if _may_begin(groups, first) else []
        last_index = next((last for last, digits in windows if _fits(text, groups, first, last, digits, own)), None)
        if last_index is None:
            first += 1
            continue
        end = groups[last_index][1]
        cards.append(_Card(groups[first][0], end, _ascii_digits(text[groups[first][0] : end])[-4:]))
        first = last_index + 1
    return cards


def _may_begin(groups: list[tuple[int, int]], first: int) -> bool:
    length = groups[first][1] - groups[first][0]
    return first == 0 or length in _SPACED or length >= SHORTEST


def _windows(text: str, groups: list[tuple[int, int]], first: int) -> list[tuple[int, str]]:
    """Numbers of a card's length that begin with this group: index of the last group, and the digits. First those that
    leave nothing over, then the most likely lengths."""
    digits, by_length = "", {}
    for last in range(first, len(groups)):
        digits += _ascii_digits(text[groups[last][0] : groups[last][1]])
        if len(digits) > LONGEST:
            break
        if len(digits) >= SHORTEST and has_issuer(digits):
            by_length[len(digits)] = (last, digits)
    likely = [by_length[length] for length in LENGTHS if length in by_length]
    return sorted(likely, key=lambda window: window[0] != len(groups) - 1)


def _fits(text: str, groups: list[tuple[int, int]], first: int, last: int, digits: str, own: OwnNumbers | None) -> bool:
    start, end = groups[first][0], groups[last][1]
    shape = tuple(stop - begin for begin, stop in groups[first : last + 1])
    if not (_is_shaped(shape, begins=first == 0) and is_card(digits)) or _is_in_id(text, start, end):
        return False
    if is_covered(own, text, start, end) or is_bank_account(text, start, end):
        return False
    if shape in _USUAL or not (is_named_otherwise(text, start) or _is_common(digits)):
        return True
    return is_named_card(text, start, end)


def _is_shaped(shape: tuple[int, ...], *, begins: bool) -> bool:
    """Return whether the groups are spaced like a card: not at all, from a group of 4, 6 or 8, or evenly. Other numbers
    in a row (telephones, dates) are even too, so an evenly spaced card must begin the row."""
    if len(shape) == 1 or shape[0] in _SPACED:
        return True
    return begins and all(one == other for one, other in pairwise(shape[:-1])) and shape[-1] <= shape[0]


def _is_common(digits: str) -> bool:
    """Return whether the number is plausible: thirteen digits are rarely a card today, but often an article number or a
    German or Austrian mobile number."""
    return len(digits) == SHORTEST and (is_ean(digits) or digits[:3] in ("491", "436"))


def _is_telephone(text: str, start: int, digits: int) -> bool:
    return digits <= 15 and text[max(0, start - 8) : start].rstrip("( ")[-1:] == "+"


def _is_in_id(text: str, start: int, end: int) -> bool:
    """Return whether Latin letters make it part of a longer id: ``1Z…``, ``PS…``, a hash. A word may run into a number,
    and a magnetic stripe's first track begins with a ``B``."""
    before = _ID_BEFORE.search(text, max(0, start - 24), start)
    if before is not None and before[0].lower() not in _WORDS:
        return not (before[0] in ("B", "b") and (text[end : end + 1] == "^" or text[start - 2 : start - 1] == "%"))
    return _ID_AFTER.match(text, end, end + 9) is not None


def _ascii_digits(text: str) -> str:
    """The digits of the text in ASCII."""
    if text.isascii():
        return text if text.isdigit() else _NO_DIGIT.sub("", text)
    return "".join(str(unicodedata.digit(letter)) for letter in text if unicodedata.digit(letter, None) is not None)


# Card networks: first digits with their lengths (ISO/IEC 7812), and check digits. A number that no network issues is
# not masked, whatever its check digit.
_BY_LENGTH: dict[int, tuple[tuple[str, str], ...]] = {
    13: (("4", "4"), ("50", "50"), ("56", "58"), ("63", "63"), ("67", "67")),
    14: (("300", "305"), ("3095", "3095"), ("36", "36"), ("38", "39"), ("50", "50"), ("56", "58"), ("63", "67")),
    15: (("34", "34"), ("37", "37"), ("1800", "1800"), ("2131", "2131"), ("50", "50"), ("56", "58"), ("63", "67")),
    16: (
        ("4", "4"),
        ("51", "55"),
        ("2221", "2720"),
        ("2200", "2205"),
        ("300", "305"),
        ("3095", "3095"),
        ("352", "358"),
        ("36", "36"),
        ("38", "39"),
        ("50", "50"),
        ("56", "69"),
        ("81", "82"),
        ("9792", "9792"),
    ),
    17: (("2200", "2205"), ("352", "358"), ("50", "50"), ("56", "69"), ("81", "81")),
    18: (("2200", "2205"), ("352", "358"), ("50", "50"), ("56", "69"), ("81", "81")),
    19: (("4", "4"), ("2200", "2205"), ("352", "358"), ("36", "36"), ("50", "50"), ("56", "69"), ("81", "81")),
}
"""By length, ranges of first digits: Visa, Mastercard, Mir, Diners Club, JCB, American Express, Maestro, Discover,
UnionPay, RuPay, Troy and the national cards that share their ranges."""
LENGTHS = (16, 15, 14, 19, 18, 17, 13)
"""The most likely lengths first."""
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_card(digits: str) -> bool:
    """``digits`` are ASCII."""
    return has_issuer(digits) and passes_luhn(digits)


def has_issuer(digits: str) -> bool:
    """Return whether a network issues numbers with this beginning and length."""
    ranges = _BY_LENGTH.get(len(digits), ())
    return any(first <= digits[: len(first)] <= last for first, last in ranges)


def passes_luhn(digits: str) -> bool:
    """Return whether the check digit of ISO/IEC 7812 (Luhn) is right. Zeros alone pass, and are nobody's card."""
    odd = sum(int(digit) for digit in digits[-1::-2])
    even = sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return (odd + even) % 10 == 0


def is_ean(digits: str) -> bool:
    """Return whether the check digit of an article number (EAN-13) is right. Many article numbers begin like cards."""
    return len(digits) == 13 and sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits)) % 10 == 0
