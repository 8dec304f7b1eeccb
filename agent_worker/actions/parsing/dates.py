"""Days as customers write them. What can mean two days is read as both, and the customer is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice

from agent_worker.actions.parsing.numerals import WORD, WORDS
from agent_worker.actions.parsing.readings import Context, Reading, apart, distinct

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
_IN = re.compile(rf"\bin\s(\d{{1,3}}|an?|{WORD}|couple of)\s(days?|tagen?|weeks?|wochen?)\b", _I)
_WHICH = r"next|this|coming|nächsten?r?|naechsten?r?|diesen?r?|kommenden?r?"
_DAY_OF_WEEK = re.compile(rf"\b(?:({_WHICH})\s)?({_WEEKDAY})s?\b(\s(?:in a week|in einer woche))?", _I)
_MOST = 100
"""Days of one form that are read in a text."""
_SHORT = frozenset({"mon", "sat", "sun", "wed", "may", "mar"})
"""Abbreviations that are words or names, too: they count only where a day was asked for."""


def dates(text: str, context: Context) -> list[Reading]:
    """Days as ISO 8601. Of a day without a year the next one is meant; a weekday is the next one after today."""
    found: list[Reading] = []
    spans: dict[int, set[tuple[int, int]]] = {}
    for way in (_isos, _written, _numeric, _named, _weekdays, _spans):
        more = [reading for reading in islice(way(text, context), _MOST) if not _is_covered(reading, spans)]
        for reading in more:
            for place in range(reading.begin, reading.end):
                spans.setdefault(place, set()).add((reading.begin, reading.end))
        found += more
    return distinct(sorted(found, key=lambda reading: reading.begin))


def _is_covered(reading: Reading, spans: dict[int, set[tuple[int, int]]]) -> bool:
    """Whether a longer form has said it already. Two readings of one form are not told apart here. ``spans``: by
    character, of the readings so far."""
    own = {(reading.begin, reading.end)}
    return any(spans.get(place, own) - own for place in range(reading.begin, reading.end))


def shown(day: date, locale: str) -> str:
    """ "Friday, 4 December 2026"; German customers read it in German."""
    if locale.lower().startswith("de"):
        return f"{_GERMAN_DAYS[day.weekday()]}, {day.day}. {_GERMAN_MONTHS[day.month - 1]} {day.year}"
    return f"{day:%A}, {day.day} {day:%B %Y}"


_GERMAN_DAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
_GERMAN_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip


def _of(day: date, context: Context, match: re.Match[str]) -> Reading:
    return Reading(day.isoformat(), shown(day, context.locale), *match.span())


def _no_day(match: re.Match[str]) -> Reading:
    return Reading(match[0], match[0], *match.span(), problem="no_such_day")


def _day(context: Context, year: str | None, month: int, day: int) -> date | None:
    """None when the calendar has no such day."""
    try:
        if year:
            return date(int(year) + (2000 if len(year) == 2 else 0), month, day)
        near = (date(context.today.year + more, month, day) for more in (0, 1) if _exists(context, more, month, day))
        return next((found for found in near if found >= context.today), None)
    except ValueError:
        return None


def _exists(context: Context, more: int, month: int, day: int) -> bool:
    try:
        date(context.today.year + more, month, day)
    except ValueError:
        return False
    return True


def _isos(text: str, context: Context) -> Iterator[Reading]:
    for match in _ISO.finditer(text):
        day = _day(context, match[1], int(match[2]), int(match[3]))
        yield _of(day, context, match) if day else _no_day(match)


def _written(text: str, context: Context) -> Iterator[Reading]:
    for pattern, at, name in ((_DAY_MONTH, 1, 2), (_MONTH_DAY, 2, 1)):
        for match in pattern.finditer(text):
            month = next(n for n, one in enumerate(_MONTH_NAMES, 1) if one.fullmatch(match[name]))
            day = _day(context, match[3], month, int(match[at]))
            yield _of(day, context, match) if day else _no_day(match)


def _numeric(text: str, context: Context) -> Iterator[Reading]:
    for match in _DOTS.finditer(text):
        day = _day(context, match[3], int(match[2]), int(match[1]))
        if day is not None:
            yield _of(day, context, match)
        elif context.asked or match[3]:
            yield _no_day(match)
    for match in _SLASHES.finditer(text):
        one, two = int(match[1]), int(match[2])
        days = [_day(context, match[3], month, day) for month, day in _orders(context.locale, one, two)]
        there = dict.fromkeys(day for day in days if day is not None)
        if not there and (context.asked or match[3]):
            yield _no_day(match)
        yield from (_of(day, context, match) for day in there)


def _orders(locale: str, one: int, two: int) -> list[tuple[int, int]]:
    """(month, day) as the locale writes it; both ways when it does not say, and either could be meant."""
    if locale.upper().replace("_", "-").endswith(("-US", "-PH")):
        return [(one, two)]
    if locale.lower() in ("en", ""):
        return [pair for pair in ((two, one), (one, two)) if pair[0] <= 12] or [(two, one)]
    return [(two, one)]


def _exact(text: str, context: Context) -> Iterator[Reading]:
    """Days given by date: a weekday beside one ("Monday, 7 December") only repeats it."""
    for way in (_isos, _written, _numeric):
        yield from (reading for reading in way(text, context) if not reading.problem)


def _named(text: str, context: Context) -> Iterator[Reading]:
    yield from apart(
        _of(context.today + timedelta(days=days), context, match)
        for days, pattern in _NAMED_DAYS.items()
        for match in pattern.finditer(text)
    )


def _spans(text: str, context: Context) -> Iterator[Reading]:
    for match in _IN.finditer(text):
        count = {"a": 1, "an": 1, "couple of": 2}.get(match[1].lower()) or _number(match[1])
        week = match[2].lower().startswith(("week", "woche"))
        yield _of(context.today + timedelta(days=count * (7 if week else 1)), context, match)


def _number(word: str) -> int:
    return WORDS[word.lower()] if word.lower() in WORDS else int(word)


def _weekdays(text: str, context: Context) -> Iterator[Reading]:
    dated = {date.fromisoformat(reading.value).weekday() for reading in islice(_exact(text, context), _MOST)}
    for match in _DAY_OF_WEEK.finditer(text):
        weekday = next(n for n, one in enumerate(_WEEKDAY_NAMES) if one.fullmatch(match[2]))
        if weekday in dated or (match[2].lower() in _SHORT and not context.asked):
            continue
        ahead = (weekday - context.today.weekday() - 1) % 7 + 1
        coming = context.today + timedelta(days=ahead + (7 if match[3] else 0))
        yield _of(coming, context, match)
        # "Next Friday", said on a Monday, is the coming one for some and the one after it for others.
        this_week = context.today.weekday() + ahead < 7
        if match[1] and match[1].lower().startswith(("next", "n")) and this_week:
            yield _of(coming + timedelta(days=7), context, match)
