"""Numbers, amounts, dates and times in a common form, so that two texts can be compared."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_UNITS = {
    "EUR": "€ eur euro euros",
    "USD": "$ usd dollar dollars",
    "GBP": "£ gbp pound pounds",
    "CHF": "chf franc francs",
    "%": "% percent pct",
    "second": "second seconds sec s",
    "minute": "minute minutes min mins",
    "hour": "hour hours h hr hrs",
    "day": "day days tag tage tagen",
    "week": "week weeks woche wochen",
    "month": "month months monat monate monaten",
    "year": "year years jahr jahre jahren",
    "mm": "mm millimetre millimetres millimeter millimeters",
    "cm": "cm centimetre centimetres centimeter centimeters",
    "m": "m metre metres meter meters",
    "km": "km kilometre kilometres kilometer kilometers",
    "g": "g gram grams gramme grammes",
    "kg": "kg kilo kilos kilogram kilograms",
    "ml": "ml millilitre millilitres milliliter milliliters",
    "l": "l litre litres liter liters",
    "degree": "° °c °f degree degrees c f",
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_SMALL = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
)
_WORDS = {word: str(n) for n, word in enumerate(_SMALL.split(), 2)} | {
    "nineteen": "19",
    "dozen": "12",
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "100",
    "thousand": "1000",
}
_CURRENCY = "€$£"
_NUMBER = r"(?<![\w.,])[-−–]?[€$£]?\d+(?:[.,:]\d+)*"
_TOKEN = re.compile(
    rf"(?P<number>{_NUMBER})(?:st|nd|rd|th)?|(?P<word>[^\W\d_]+|[€$£%]|°[CF]?)|(?P<stop>[.,;:!?()])", re.I
)
_SEPARATOR = re.compile(r"[.,]")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")
_MAX_UNIT_DISTANCE = 3
"""Words between a number and its unit: "30 full calendar days"."""
_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 604_800,
    "month": 2_592_000,
    "year": 31_536_000,
}
_DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Quantity:
    """``value`` in digits with a decimal point; ``unit`` is empty if none was written."""

    value: str
    unit: str = ""


def normalize_characters(text: str) -> str:
    """A common form without invisible characters and full-width digits."""
    normalized = unicodedata.normalize("NFKC", text)
    return "".join(_digit(char) for char in normalized if unicodedata.category(char) != "Cf")


def _digit(char: str) -> str:
    return str(unicodedata.digit(char)) if char.isdigit() and not char.isascii() else char


def find_quantities(text: str) -> list[Quantity]:
    """All numbers of a text in order, including number words ("two working days")."""
    tokens = list(_TOKEN.finditer(normalize_characters(text)))
    out = []
    for at, token in enumerate(tokens):
        value = _value(token)
        if value:
            out.append(Quantity(value, _unit(token, tokens, at)))
    return out


def _value(token: re.Match[str]) -> str:
    if token["number"]:
        return _normalize_number(token["number"])
    return _WORDS.get((token["word"] or "").casefold(), "")


def _normalize_number(number: str) -> str:
    sign = "-" if number[0] in "-−–" else ""
    digits = number.lstrip("-−–" + _CURRENCY)
    if ":" in digits:
        return sign + digits
    if _THOUSANDS.fullmatch(digits):
        return sign + (_SEPARATOR.sub("", digits).lstrip("0") or "0")
    *integer_parts, last = _SEPARATOR.split(digits)
    if not integer_parts:
        return sign + (last.lstrip("0") or "0")
    # The last separator is the decimal one. Several equal separators make a date or a version, which stays unchanged.
    if len(integer_parts) > 1 and len(set(_SEPARATOR.findall(digits))) == 1:
        return sign + digits.replace(",", ".")
    return sign + ("".join(integer_parts).lstrip("0") or "0") + ("." + last.rstrip("0") if last.rstrip("0") else "")


def _unit(token: re.Match[str], tokens: list[re.Match[str]], at: int) -> str:
    for symbol in _CURRENCY:
        if symbol in token[0]:
            return _UNIT_OF[symbol]
    if at and tokens[at - 1][0] in _CURRENCY:
        return _UNIT_OF[tokens[at - 1][0]]
    for follower in tokens[at + 1 : at + 1 + _MAX_UNIT_DISTANCE]:
        if follower["stop"] or _value(follower):
            return ""
        unit = _UNIT_OF.get((follower["word"] or "").casefold())
        if unit:
            return unit
    return ""


def is_unit(word: str) -> bool:
    """Units are compared together with their numbers, however they are written ("EUR" and "euro")."""
    return word.casefold() in _UNIT_OF


def missing_quantities(claimed: list[Quantity], written: list[Quantity]) -> list[Quantity]:
    """The claimed quantities that the source does not contain with the same unit. A source without a unit, such as a
    table cell, matches any unit."""
    return [quantity for quantity in claimed if not any(_supports(other, quantity) for other in written)]


def _supports(source: Quantity, claim: Quantity) -> bool:
    return source.value == claim.value and (not claim.unit or source.unit in ("", claim.unit))


def changed_quantities(asked: list[Quantity], written: list[Quantity]) -> list[Quantity]:
    """The asked quantities of a kind of which the source has only others: 3 weeks where it says 14 days. Two weeks are
    14 days."""
    measures = [_measure(each) for each in written if each.unit]
    return [
        quantity
        for quantity in asked
        if quantity.unit
        and _measure(quantity) not in measures
        and any(kind == _measure(quantity)[1] for _, kind in measures)
    ]


def _measure(quantity: Quantity) -> tuple[str, str]:
    """The value and what it measures. Durations are in seconds."""
    seconds = _SECONDS.get(quantity.unit)
    if seconds is None:
        return quantity.value, quantity.unit
    try:
        return str(round(float(quantity.value) * seconds)), _DURATION
    except ValueError:  # a time of day or a version
        return quantity.value, quantity.unit
