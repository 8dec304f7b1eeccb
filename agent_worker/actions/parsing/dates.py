"""Dates as customers write them. An ambiguous date yields both readings, and the customer is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice

from babel.dates import format_date as format_in_language

from agent_worker.actions.parsing.date_languages import parse_date
from agent_worker.actions.parsing.numerals import WORD, WORDS
from agent_worker.actions.parsing.parsed_values import ParseContext, ParsedValue, deduplicate, drop_overlapping
from agent_worker.translations import choose_language

_MONTHS = (
    "jan(?:uary|uar)?|jänner", "feb(?:ruary|ruar)?", "mar(?:ch)?|märz|mrz|maerz", "apr(?:il)?", "may|mai", "june?|juni",
    "july?|juli", "aug(?:ust)?", "sept?(?:ember)?", "oct(?:ober)?|okt(?:ober)?", "nov(?:ember)?",
    "dec(?:ember)?|dez(?:ember)?",
)  # fmt: skip
_WEEKDAYS = (
    "mon(?:day)?|montag", "tue(?:s(?:day)?)?|dienstag", "wed(?:nesday)?|mittwoch", "thu(?:r(?:s(?:day)?)?)?|donnerstag",
    "fri(?:day)?|freitag", "sat(?:urday)?|samstag|sonnabend", "sun(?:day)?|sonntag",
)  # fmt: skip
_MONTH = "|".join(_MONTHS)
_WEEKDAY = "|".join(_WEEKDAYS)
_NAMED = {
    0: r"today|heute",
    2: r"(?:the )?day after tomorrow|übermorgen|uebermorgen",
    1: r"tomorrow|tmrw|(?<!guten )(?<!am )morgen",
}
_I = re.IGNORECASE
_MONTH_NAMES = tuple(re.compile(each, _I) for each in _MONTHS)
_WEEKDAY_NAMES = tuple(re.compile(each, _I) for each in _WEEKDAYS)
_NAMED_DAYS = {days: re.compile(rf"\b(?:{pattern})\b", _I) for days, pattern in _NAMED.items()}
_ISO = re.compile(r"(?<![\w-])(\d{4})-(\d{1,2})-(\d{1,2})(?![\w-])")
_DOTS = re.compile(r"(?<![\w.,])(\d{1,2})\.\s?(\d{1,2})(?:\.\s?(\d{4}|\d{2}))?\.?(?![\w,]|\.\d|\s?(?:€|eur))", _I)
_SLASHES = re.compile(r"(?<![\w/])(\d{1,2})/(\d{1,2})(?:/(\d{4}|\d{2}))?(?![\w/])")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.)?\s?(?:of\s)?({_MONTH})\b\.?(?:,?\s(\d{{4}}))?", _I)
_MONTH_DAY = re.compile(
    rf"\b({_MONTH})\b\.?\s(?:the\s)?(\d{{1,2}})(?:st|nd|rd|th)?\b(?!\s?(?:€|eur))(?:,?\s(\d{{4}}))?", _I
)
_DAY_OF_MONTH = re.compile(r"\b(?:(\d{1,2})(?:st|nd|rd|th)|(?:am|zum|den)\s(\d{1,2})\.?)(?![\w.,/-]|\s?(?:€|eur))", _I)
_SHIFT = re.compile(
    rf"\b(?:(?P<n>\d{{1,3}}|{WORD}|an?)\s)?(?P<unit>days?|weeks?|tage?|wochen?)\s"
    r"(?P<way>later|after|before|earlier|später|danach|darauf|davor|früher|vorher)\b",
    _I,
)
_BACK = frozenset({"before", "earlier", "davor", "früher", "vorher"})
_IN = re.compile(rf"\bin\s(\d{{1,3}}|an?|{WORD}|couple of)\s(days?|tagen?|weeks?|wochen?)\b", _I)
_NEXT = r"next|this|coming|nächsten?r?|naechsten?r?|diesen?r?|kommenden?r?"
_DAY_OF_WEEK = re.compile(rf"\b(?:({_NEXT})\s)?({_WEEKDAY})s?\b(\s(?:in a week|in einer woche))?", _I)
_MAX_DATES = 100
"""Dates of one form that are read from a text."""
_SHORT = frozenset({"mon", "sat", "sun", "wed", "may", "mar"})
"""Abbreviations that are also words or names. They count only when a date was asked for."""


def dates(text: str, context: ParseContext) -> list[ParsedValue]:
    """Dates as ISO 8601. A date without a year is the next such date; a weekday is the next one after today."""
    readings: list[ParsedValue] = []
    spans: dict[int, set[tuple[int, int]]] = {}
    for reader in _READERS:
        new = [reading for reading in islice(reader(text, context), _MAX_DATES) if not _is_covered(reading, spans)]
        for reading in new:
            for position in range(reading.begin, reading.end):
                spans.setdefault(position, set()).add((reading.begin, reading.end))
        readings += new
    if not readings and context.asked and (day := parse_date(text, context)) is not None:
        return [ParsedValue(day.isoformat(), format_date(day, context.locale), 0, len(text))]
    return deduplicate(sorted(readings, key=lambda reading: reading.begin))


def _is_covered(reading: ParsedValue, spans: dict[int, set[tuple[int, int]]]) -> bool:
    """Return whether a longer form has covered the reading already. Two readings of one form do not cover each other.
    ``spans``: by character position, the spans of the readings so far."""
    own = {(reading.begin, reading.end)}
    return any(spans.get(position, own) - own for position in range(reading.begin, reading.end))


def format_date(day: date, locale: str) -> str:
    """ "Friday, 4 December 2026", "viernes, 4 de diciembre de 2026"."""
    language = choose_language(locale)
    if language == "en":
        return f"{day:%A}, {day.day} {day:%B %Y}"
    return format_in_language(day, "full", locale=language)


def format_example_date(year: int, locale: str) -> str:
    """A date as a contact may write it in their language: "24 December 2026"."""
    language = choose_language(locale)
    return format_in_language(date(year, 12, 24), "long", locale="en_GB" if language == "en" else language)


def _of(day: date, context: ParseContext, match: re.Match[str]) -> ParsedValue:
    return ParsedValue(day.isoformat(), format_date(day, context.locale), *match.span())


def _no_day(match: re.Match[str]) -> ParsedValue:
    return ParsedValue(match[0], match[0], *match.span(), problem="no_such_day")


def _day(context: ParseContext, year: str | None, month: int, day: int) -> date | None:
    """None when the calendar has no such day."""
    try:
        if year:
            return date(int(year) + (2000 if len(year) == 2 else 0), month, day)
        candidates = (
            date(context.today.year + more, month, day) for more in (0, 1) if _exists(context, more, month, day)
        )
        return next((found for found in candidates if found >= context.today), None)
    except ValueError:
        return None


def _exists(context: ParseContext, more: int, month: int, day: int) -> bool:
    try:
        date(context.today.year + more, month, day)
    except ValueError:
        return False
    return True


def _read_iso(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    for match in _ISO.finditer(text):
        day = _day(context, match[1], int(match[2]), int(match[3]))
        yield _of(day, context, match) if day else _no_day(match)


def _read_written(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    for pattern, at, name in ((_DAY_MONTH, 1, 2), (_MONTH_DAY, 2, 1)):
        for match in pattern.finditer(text):
            month = next(n for n, one in enumerate(_MONTH_NAMES, 1) if one.fullmatch(match[name]))
            day = _day(context, match[3], month, int(match[at]))
            yield _of(day, context, match) if day else _no_day(match)


def _read_numeric(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    for match in _DOTS.finditer(text):
        day = _day(context, match[3], int(match[2]), int(match[1]))
        if day is not None:
            yield _of(day, context, match)
        elif context.asked or match[3]:
            yield _no_day(match)
    for match in _SLASHES.finditer(text):
        first, second = int(match[1]), int(match[2])
        days = [_day(context, match[3], month, day) for month, day in _orders(context.locale, first, second)]
        dates_found = dict.fromkeys(day for day in days if day is not None)
        if not dates_found and (context.asked or match[3]):
            yield _no_day(match)
        yield from (_of(day, context, match) for day in dates_found)


def _orders(locale: str, first: int, second: int) -> list[tuple[int, int]]:
    """``(month, day)`` in the locale's order; both orders when the locale does not decide and both are possible."""
    if locale.upper().replace("_", "-").endswith(("-US", "-PH")):
        return [(first, second)]
    if locale.lower() in ("en", ""):
        return [pair for pair in ((second, first), (first, second)) if pair[0] <= 12] or [(second, first)]
    return [(second, first)]


def _read_exact(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    """Dates given by day and month. A weekday beside one ("Monday, 7 December") only repeats it."""
    for reader in (_read_iso, _read_written, _read_numeric):
        yield from (reading for reading in reader(text, context) if not reading.problem)


def _read_named(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    yield from drop_overlapping(
        _of(context.today + timedelta(days=days), context, match)
        for days, pattern in _NAMED_DAYS.items()
        for match in pattern.finditer(text)
    )


def _read_offsets(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    for match in _IN.finditer(text):
        count = {"a": 1, "an": 1, "couple of": 2}.get(match[1].lower()) or _number(match[1])
        week = match[2].lower().startswith(("week", "woche"))
        yield _of(context.today + timedelta(days=count * (7 if week else 1)), context, match)


def _read_shifts(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    """ "The day after", "two weeks later": counted from the day that is corrected."""
    for match in _SHIFT.finditer(text) if context.near is not None else ():
        count = 1 if match["n"] is None or match["n"].lower() in ("a", "an") else _number(match["n"])
        days = count * (7 if match["unit"].lower().startswith("w") else 1)
        sign = -1 if match["way"].lower() in _BACK else 1
        yield _of((context.near or context.today) + timedelta(days=sign * days), context, match)


def _read_days(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    """ "The 8th": in the month of the day that is corrected, else the next one."""
    if not context.asked and context.near is None:
        return
    start = context.near or context.today
    for match in _DAY_OF_MONTH.finditer(text):
        day = int(match[1] or match[2])
        months = ((start.year + (start.month + more - 1) // 12, (start.month + more - 1) % 12 + 1) for more in range(3))
        days = (found for year, month in months if (found := _day(context, str(year), month, day)) is not None)
        coming = next((found for found in days if found > context.today), None)
        yield _of(coming, context, match) if coming else _no_day(match)


def _number(word: str) -> int:
    return WORDS[word.lower()] if word.lower() in WORDS else int(word)


def _read_weekdays(text: str, context: ParseContext) -> Iterator[ParsedValue]:
    dated = {date.fromisoformat(reading.value).weekday() for reading in islice(_read_exact(text, context), _MAX_DATES)}
    for match in _DAY_OF_WEEK.finditer(text):
        weekday = next(n for n, one in enumerate(_WEEKDAY_NAMES) if one.fullmatch(match[2]))
        if weekday in dated or (match[2].lower() in _SHORT and not context.asked):
            continue
        ahead = (weekday - context.today.weekday() - 1) % 7 + 1
        coming = context.today + timedelta(days=ahead + (7 if match[3] else 0))
        if context.near is not None and not match[1] and not match[3]:
            same_week = context.near + timedelta(days=weekday - context.near.weekday())
            coming = same_week if same_week > context.today else coming
        yield _of(coming, context, match)
        # On a Monday, "next Friday" means this week's to some people and the following week's to others.
        this_week = context.today.weekday() + ahead < 7
        if match[1] and match[1].lower().startswith(("next", "n")) and this_week:
            yield _of(coming + timedelta(days=7), context, match)


_READERS = (
    _read_iso,
    _read_written,
    _read_numeric,
    _read_named,
    _read_weekdays,
    _read_offsets,
    _read_shifts,
    _read_days,
)
"""The longer forms first."""
