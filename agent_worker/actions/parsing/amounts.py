"""Amounts of money, with the many ways to write them."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import islice

from agent_worker.actions.parsing.numerals import WORD, WORDS, spoken
from agent_worker.actions.parsing.readings import Context, Problem, Reading, distinct

_MARKS = {
    "EUR": r"€|eur(?:os?)?\b",
    "USD": r"us-?\$|\$|usd\b|(?:us[- ])?dollars?\b",
    "GBP": r"£|gbp\b|pounds?\b|pfund\b",
    "CHF": r"chf\b|sfr\b|francs?\b|franken\b",
    "NOK": r"nok\b|kr\b|kroner\b",
}
_MARKED = {code: re.compile(pattern, re.IGNORECASE) for code, pattern in _MARKS.items()}
_MARK = rf"(?=[€$£a-z])(?:{'|'.join(_MARKS.values())})"
_FIGURES = r"\d{1,3}(?:[.,'’ ]\d{3}){1,5}(?:[.,]\d{1,2})?(?!\d)|\d{1,18}(?:[.,](?:\d{1,2}(?!\d)|[-–]))?"
_NUMBER = rf"(?=\w)(?:{_FIGURES}|(?:{WORD})(?:[ -](?:{WORD})){{0,3}}\b)"
_MINUS = r"(?:(?P<minus>(?<![\w.,])(?:[-−]\s?|minus\s))|(?<![\w.,#€$£-]))"
_AMOUNT = re.compile(
    rf"{_MINUS}(?:(?P<before>{_MARK})\s?(?P<minus2>[-−]\s?)?(?P<n>{_NUMBER})|(?P<m>{_NUMBER})\s?(?P<after>{_MARK})"
    rf"(?:\s?(?:and\s|und\s)?(?P<cents>\d\d(?![\d.,])|(?:{WORD})\b)(?!\s?(?:{_MARK})))?)",
    re.IGNORECASE,
)
_BARE = re.compile(rf"{_MINUS}(?P<n>{_NUMBER})(?![\w%])", re.IGNORECASE)
_SHARE = re.compile(
    r"\b(?:half|a third|a quarter|die hälfte|haelfte|ein drittel|ein viertel)\b|\d\s?(?:%|percent|prozent)",
    re.IGNORECASE,
)
_NO_CENTS = re.compile(r"[.,][-–]$")
_CENTS = re.compile(r"[.,](\d{1,2})$")
_NO_DIGIT = re.compile(r"\D")
_MOST = 200
"""Amounts of one text that are read."""
_ARTICLES = frozenset({"ein", "eine", "einen", "einem", "einer", "one"})
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}


def amounts(text: str, context: Context, currency: str) -> list[Reading]:
    """Amounts in ``currency`` (ISO 4217; any when it is empty) as decimal text with two places; those in another, and
    negative ones, with their problem. A number without a currency counts only where an amount was asked for."""
    found = [_marked(match, currency, context) for match in islice(_AMOUNT.finditer(text), _MOST)]
    if not found and (share := _SHARE.search(text)):
        return [Reading(share[0].lower(), share[0], *share.span(), problem="share")]
    if not found and context.asked:
        found = [
            _reading(_value(match["n"]), currency, currency, bool(match["minus"]), match.span(), context)
            for match in islice(_BARE.finditer(text), _MOST)
            if match["n"].lower() not in _ARTICLES
        ]
    return distinct(reading for reading in found if reading is not None)


def shown(value: Decimal, currency: str, locale: str) -> str:
    """ "12,50 €" for German customers, "€12.50" for others; without a currency as it is."""
    if not currency:
        return f"{value:f}"
    sign = _SIGNS.get(currency)
    if locale.lower().startswith("de"):
        figures = f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
        return f"{figures} {sign or currency}"
    return f"{sign}{value:,.2f}" if sign else f"{currency} {value:,.2f}"


def _marked(match: re.Match[str], currency: str, context: Context) -> Reading | None:
    mark = (match["before"] or match["after"]).lower()
    named = next(code for code, pattern in _MARKED.items() if pattern.fullmatch(mark))
    minus = bool(match["minus"] or match["minus2"])
    value = _value(match["n"] or match["m"])
    if value is not None and match["cents"]:
        value += Decimal(WORDS.get(match["cents"].lower()) or match["cents"]) / 100
    return _reading(value, named, currency, minus, match.span(), context)


def _reading(
    value: Decimal | None, named: str, currency: str, minus: bool, span: tuple[int, int], context: Context
) -> Reading | None:
    if value is None:
        return None
    problem: Problem = "currency" if currency and named != currency else "negative" if minus and value else ""
    said = shown(-value if minus else value, named, context.locale)
    return Reading(f"{value:.2f}", said, *span, problem=problem)


def _value(text: str) -> Decimal | None:
    """Of two kinds of separator the last is the decimal one; of one kind, it is when one or two figures follow. Nobody
    writes money with three places, so "1.250" is a thousand."""
    if text[0].isalpha():
        said = spoken(text)
        return None if said is None else Decimal(said[0]) + Decimal(said[1]) / 100
    text = _NO_CENTS.sub("", text)
    decimals = _CENTS.search(text)
    whole = _NO_DIGIT.sub("", text[: decimals.start()] if decimals else text)
    return Decimal(f"{whole}.{decimals[1] if decimals else '00'}")
