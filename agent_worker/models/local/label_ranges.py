"""Ranges in the labels of table rows: which rows hold for an age, a weight, a length or a number of people that a
question names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

_MAX_AGE, _MAX_TEXT = 130, 300
"""The greatest age, and the characters that are read."""
_AGE = re.compile(
    r"\b(\d{1,2})\s?-?(?:yrs?|years?|y)?\s?-?(?:olds?|yo|o|jahre\salt|jähr\w{1,4}|ans|años|anni|lat)\b|"
    r"\b(?:aged?|(?:he|she|who|son|daughter|kid|child)(?:['’]?s|\sis)?)\s(\d{1,2})\b(?!\s?[:.,]?\d|\s?[€£$%ap])",
    re.IGNORECASE,
)
_AGES_BETWEEN = re.compile(r"\b(\d{1,2})\s?(?:–|-|to|bis|à|a)\s?(\d{1,2})\b", re.IGNORECASE)
_AGES_UNDER = re.compile(r"\b(?:under|below|younger\sthan|unter|moins\sde|menores\sde)\s(\d{1,2})\b", re.IGNORECASE)
_AGES_UP_TO = re.compile(r"\b(?:up\sto|bis|jusqu['’]à|hasta)\s(\d{1,2})\b", re.IGNORECASE)
_AGES_FROM = re.compile(
    r"\b(\d{1,2})\s?(?:\+|and\s(?:over|above|older|up)|or\s(?:over|older)|und\sälter)|\b(?:over|from|ab|über)\s(\d{1,2})\b",
    re.IGNORECASE,
)

_UNITS = {
    "kg": r"kgs?|kilos?|kilogram(?:me)?s?|kilogramm|kilogrammes?|kilogramos?",
    "lb": r"lbs?",
    "cm": r"cms?|centimet(?:re|er)s?|zentimeter|centim[eè]tres?|cent[ií]metros?",
    "people": (
        r"people|persons?|pers|pax|guests?|participants?|visitors?|heads|personen|gäste|leute|personnes|invités|"
        r"personas|invitados|persone|ospiti|pessoas|osób|osoby"
    ),
}
_UNIT = "|".join(f"(?P<{name}>{words})" for name, words in _UNITS.items())
_SIZE = re.compile(rf"\b(\d{{1,4}})(?:\s|-)?(?:{_UNIT})\b", re.IGNORECASE)
_UNIT_WORD = re.compile(rf"\b(?:{_UNIT})\b", re.IGNORECASE)
_SIZES_BETWEEN = re.compile(r"\b(\d{1,4})[^\W\d]{0,3}\s?(?:–|-|to|bis|à|a)\s?(\d{1,4})", re.IGNORECASE)
_SIZES_BELOW = re.compile(
    r"(?:\b(?:under|below|less\sthan|fewer\sthan|smaller\sthan|unter|weniger\sals|moins\sde|menos\sde|meno\sdi)|<)\s?(\d{1,4})",
    re.IGNORECASE,
)
_SIZES_UP_TO = re.compile(r"(?:\b(?:up\sto|bis(?:\szu)?|jusqu['’]à|hasta|fino\sa|max\.?)|≤)\s?(\d{1,4})", re.IGNORECASE)
_SIZES_ABOVE = re.compile(
    r"(?:\b(?:over|above|more\sthan|larger\sthan|über|mehr\sals|plus\sde|más\sde|oltre|più\sdi)|>)\s?(\d{1,4})",
    re.IGNORECASE,
)
_SIZES_FROM = re.compile(
    r"(?:\b(?:from|at\sleast|ab|à\spartir\sde|desde|min\.?)|≥)\s?(\d{1,4})|"
    r"\b(\d{1,4})[^\W\d]{0,3}\s?(?:\+|(?:and|or)\s(?:over|above|more|up|larger)|und\smehr)",
    re.IGNORECASE,
)
_NO_LIMIT = 10**6


def find_of_age(question: str, labels: Sequence[str]) -> list[int]:
    """The places of the labels whose ages include one that the last line names: "10 yr old" and "5 to 15"."""
    said = _AGE.finditer(question.rpartition("\n")[2][:_MAX_TEXT])
    ages = [int(match[1] or match[2]) for match in said]
    ranges = [_read_ages(label) for label in labels] if ages else []
    return [place for place, (least, most) in enumerate(ranges) if any(least <= age <= most for age in ages)]


def _read_ages(label: str) -> tuple[int, int]:
    """The least and the greatest age of "Child (5 to 15)", "under 5" or "16 and over"; an empty range for none."""
    label = label[:_MAX_TEXT]
    if match := _AGES_BETWEEN.search(label):
        return int(match[1]), int(match[2])
    if match := _AGES_UNDER.search(label):
        return 0, int(match[1]) - 1
    if match := _AGES_UP_TO.search(label):
        return 0, int(match[1])
    if match := _AGES_FROM.search(label):
        return int(match[1] or match[2]), _MAX_AGE
    return 1, 0


def find_of_size(question: str, labels: Sequence[str]) -> list[int]:
    """The places of the labels whose sizes include one that the last line names in the same unit: "32 kilos" and "over
    25 kg". Empty if no label is left out."""
    said = {(int(match[1]), match.lastgroup) for match in _SIZE.finditer(question.rpartition("\n")[2][:_MAX_TEXT])}
    found = [
        place
        for place, label in enumerate(labels if said else ())
        if any(unit == read and _is_within(label[:_MAX_TEXT], size) for size, unit in said for read in _units_in(label))
    ]
    return found if len(found) < len(labels) else []


def _units_in(label: str) -> set[str | None]:
    return {match.lastgroup for match in _UNIT_WORD.finditer(label[:_MAX_TEXT])} or {
        match.lastgroup for match in _SIZE.finditer(label[:_MAX_TEXT])
    }


def _is_within(label: str, size: int) -> bool:
    """True if one of the label's ranges includes the size: "up to 25 kg / over 25 kg" has two."""
    return any(least <= size <= most for least, most in _read_sizes(label))


def _read_sizes(label: str) -> Iterator[tuple[int, int]]:
    for pattern, to_range in _RANGES:
        for match in pattern.finditer(label):
            yield to_range([int(number) for number in match.groups() if number])


_RANGES: tuple[tuple[re.Pattern[str], Callable[[list[int]], tuple[int, int]]], ...] = (
    (_SIZES_BETWEEN, lambda numbers: (numbers[0], numbers[1])),
    (_SIZES_BELOW, lambda numbers: (0, numbers[0] - 1)),
    (_SIZES_UP_TO, lambda numbers: (0, numbers[0])),
    (_SIZES_ABOVE, lambda numbers: (numbers[0] + 1, _NO_LIMIT)),
    (_SIZES_FROM, lambda numbers: (numbers[0], _NO_LIMIT)),
)
