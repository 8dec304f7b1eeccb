"""Numbers, amounts, dates and times, brought to one form so that two texts can be compared."""

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
_REACH = 3
"""Words between a number and its unit: "30 full calendar days"."""


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in plain digits with a decimal point; ``unit`` is empty where none was written."""

    value: str
    unit: str = ""


def plain(text: str) -> str:
    """One form of writing: no invisible characters, no full-width digits."""
    shown = unicodedata.normalize("NFKC", text)
    return "".join(_digit(char) for char in shown if unicodedata.category(char) != "Cf")


def _digit(char: str) -> str:
    return str(unicodedata.digit(char)) if char.isdigit() and not char.isascii() else char


def figures(text: str) -> list[Figure]:
    """Every figure of a text, in order, number words included ("two working days")."""
    tokens = list(_TOKEN.finditer(plain(text)))
    out = []
    for at, token in enumerate(tokens):
        value = _value(token)
        if value:
            out.append(Figure(value, _unit(token, tokens, at)))
    return out


def _value(token: re.Match[str]) -> str:
    if token["number"]:
        return _normal(token["number"])
    return _WORDS.get((token["word"] or "").casefold(), "")


def _normal(number: str) -> str:
    sign = "-" if number[0] in "-−–" else ""
    digits = number.lstrip("-−–" + _CURRENCY)
    if ":" in digits:
        return sign + digits
    if _THOUSANDS.fullmatch(digits):
        return sign + (_SEPARATOR.sub("", digits).lstrip("0") or "0")
    *whole, last = _SEPARATOR.split(digits)
    if not whole:
        return sign + (last.lstrip("0") or "0")
    # The last separator is the decimal one; two and more of the same are a date or a version and stay as they are.
    if len(whole) > 1 and len(set(_SEPARATOR.findall(digits))) == 1:
        return sign + digits.replace(",", ".")
    return sign + ("".join(whole).lstrip("0") or "0") + ("." + last.rstrip("0") if last.rstrip("0") else "")


def _unit(token: re.Match[str], tokens: list[re.Match[str]], at: int) -> str:
    for symbol in _CURRENCY:
        if symbol in token[0]:
            return _UNIT_OF[symbol]
    if at and tokens[at - 1][0] in _CURRENCY:
        return _UNIT_OF[tokens[at - 1][0]]
    for follower in tokens[at + 1 : at + 1 + _REACH]:
        if follower["stop"] or _value(follower):
            return ""
        unit = _UNIT_OF.get((follower["word"] or "").casefold())
        if unit:
            return unit
    return ""


def is_unit(word: str) -> bool:
    """Units are compared with their numbers, however they are written ("EUR" and "euro")."""
    return word.casefold() in _UNIT_OF


def missing(claimed: list[Figure], written: list[Figure]) -> list[Figure]:
    """The claimed figures that the source does not hold with the same unit. A source without a unit (a table's
    cell) bears any."""
    return [one for one in claimed if not any(_bears(other, one) for other in written)]


def _bears(source: Figure, claim: Figure) -> bool:
    return source.value == claim.value and (not claim.unit or source.unit in ("", claim.unit))
