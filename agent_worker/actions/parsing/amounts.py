"""Amounts of money in the ways people write them."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from itertools import islice

from babel.numbers import format_decimal

from agent_worker.actions.parsing.numerals import WORD, WORDS, parse_number_words, write_digits
from agent_worker.actions.parsing.parsed_values import ParseContext, ParsedValue, Problem, deduplicate
from agent_worker.translations import choose_language

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
_LONG_NUMBER = re.compile(r"\d{6,18}")
"""A code or a reference rather than money, which is written with separators or with its currency."""
_MAX_AMOUNTS = 200
"""Amounts that are read from one text."""
_ARTICLES = frozenset({"ein", "eine", "einen", "einem", "einer", "one"})
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}


def amounts(text: str, context: ParseContext, currency: str) -> list[ParsedValue]:
    """Amounts in ``currency`` (ISO 4217; empty for any) as decimal text with two places. Amounts in another currency
    and negative ones carry their problem. A number without a currency counts only when an amount was asked for."""
    readings = _find_amounts(text, context, currency)
    if not readings and (digits := write_digits(text, context)) != text:
        return [replace(each, begin=0, end=len(text)) for each in _find_amounts(digits, context, currency)]
    return readings


def _find_amounts(text: str, context: ParseContext, currency: str) -> list[ParsedValue]:
    readings = [_read_marked(match, currency, context) for match in islice(_AMOUNT.finditer(text), _MAX_AMOUNTS)]
    if not readings and (share := _SHARE.search(text)):
        return [ParsedValue(share[0].lower(), share[0], *share.span(), problem="share")]
    if not readings and context.asked:
        readings = [
            _reading(_value(match["n"]), currency, currency, bool(match["minus"]), match.span(), context)
            for match in islice(_BARE.finditer(text), _MAX_AMOUNTS)
            if match["n"].lower() not in _ARTICLES and not (currency and _LONG_NUMBER.fullmatch(match["n"]))
        ]
    return deduplicate(reading for reading in readings if reading is not None)


def format_amount(value: Decimal, currency: str, locale: str) -> str:
    """ "12,50 €" for German locales, "€12.50" for others; the bare number without a currency."""
    if not currency:
        return f"{value:f}"
    sign = _SIGNS.get(currency)
    if locale.lower().startswith("de"):
        figures = f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
        return f"{figures} {sign or currency}"
    return f"{sign}{value:,.2f}" if sign else f"{currency} {value:,.2f}"


def format_example_amount(currency: str, locale: str) -> str:
    """An amount as a contact may write it in their language: "12.50", "12,50"."""
    value, language = Decimal("12.50"), choose_language(locale)
    if currency and language == "de":
        return format_amount(value, currency, locale)
    return str(format_decimal(value, "0.00", locale=language))


def _read_marked(match: re.Match[str], currency: str, context: ParseContext) -> ParsedValue | None:
    mark = (match["before"] or match["after"]).lower()
    named = next(code for code, pattern in _MARKED.items() if pattern.fullmatch(mark))
    minus = bool(match["minus"] or match["minus2"])
    value = _value(match["n"] or match["m"])
    if value is not None and match["cents"]:
        value += Decimal(WORDS.get(match["cents"].lower()) or match["cents"]) / 100
    return _reading(value, named, currency, minus, match.span(), context)


def _reading(
    value: Decimal | None, named: str, currency: str, minus: bool, span: tuple[int, int], context: ParseContext
) -> ParsedValue | None:
    if value is None:
        return None
    problem: Problem = "currency" if currency and named != currency else "negative" if minus and value else ""
    text = format_amount(-value if minus else value, named, context.locale)
    return ParsedValue(f"{value:.2f}", text, *span, problem=problem)


def _value(text: str) -> Decimal | None:
    """Of two kinds of separator the last is the decimal one; a single kind is decimal when one or two digits follow.
    Nobody writes money with three places, so "1.250" is a thousand."""
    if text[0].isalpha():
        number = parse_number_words(text)
        return None if number is None else Decimal(number[0]) + Decimal(number[1]) / 100
    text = _NO_CENTS.sub("", text)
    decimals = _CENTS.search(text)
    whole = _NO_DIGIT.sub("", text[: decimals.start()] if decimals else text)
    return Decimal(f"{whole}.{decimals[1] if decimals else '00'}")
