"""Days of the week and months in a message, and in the labels of a table's rows and columns, in every language of the
assistant. Their names are those of the Unicode CLDR.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from babel import Locale

from agent_worker.nlu.classification import LANGUAGES
from agent_worker.nlu.words import is_unspaced


class Period(NamedTuple):
    """A day of the week, 0 (Monday) to 6, or a month, 1 to 12. ``cycle``: how many there are."""

    cycle: int
    number: int


_DAYS, _MONTHS = 7, 12
_GROUPS = {
    name: frozenset(Period(_DAYS, day) for day in days)
    for days, names in ((range(5), ("weekday", "werktag", "wochentag")), ((5, 6), ("weekend", "wochenende")))
    for name in names
}
_MORE_NAMES = {
    "en": {"tues": Period(_DAYS, 1), "thurs": Period(_DAYS, 3), "sept": Period(_MONTHS, 9)},
    "zh": {f"週{name}": Period(_DAYS, day) for day, name in enumerate("一二三四五六日")}
    | {f"{week}天": Period(_DAYS, 6) for week in ("周", "週", "星期")},
    "pl": {
        name: Period(_DAYS, day) for day, name in ((0, "poniedziałku"), (1, "wtorku"), (3, "czwartku"), (4, "piątku"))
    },
}
_INFLECTED = frozenset({"pl", "ru", "uk"})
"""Languages in which the last letter of a name changes."""
_MIN_STEM = 3
"""Letters of a name that may have another ending."""
_MIN_WHOLE_STEM = 5
"""The same in languages whose names only get longer: "Maya" is no May."""
_MAX_ENDING = 2
"""Letters of that ending: "Sundays", "sobotę"."""
_WORD = re.compile(r"[^\W\d_]+")
_NO_MONTH = re.compile(
    r"(?<!\bin )(?<!\bof )(?<!\bmid )(?<!\bmid-)(?<!\bfrom )(?<!\buntil )(?<!\bfor )\b(?:may|march)\b"
)
"""English words that are seldom a month."""
_RANGE = re.compile(r"\s*(?:[-–—~〜～]|to|t/m|through|thru|till|until|bis|au|à|a|al|tot|do|até|по|إلى|至|到|から)\s*")
"""Stands between the first and the last of a range."""
_LIST = re.compile(r"\s*(?:[,/&+、]|(?:, )?(?:and|und|et|y|e|en|i|и|й|та|و|ve|dan|và|と|和))\s*")
_MAX_AMBIGUOUS = 2
"""Letters of an abbreviation that may be another word: "we" is Wednesday as well."""
_BEFORE_TIMES = re.compile(r"\s*(?:[.:|\d]|$)")
"""Follows such an abbreviation: "Sa 9–12", "So:"."""
_EVERY_DAY = frozenset(
    (
        "daily", "every day", "all days", "7 days a week", "seven days a week", "täglich", "jeden tag", "alle tage",
        "tous les jours", "tlj", "a diario",
        "todos los días", "diariamente", "todos os dias", "ogni giorno", "tutti i giorni", "dagelijks", "elke dag",
        "codziennie", "ежедневно", "каждый день", "щодня", "her gün", "setiap hari", "hằng ngày", "hàng ngày", "每天",
        "每日", "毎日", "يوميًا", "كل يوم", "প্রতিদিন", "روزانہ",
    )
)  # fmt: skip
_DAY_OF_MONTH = re.compile(r"(?<![\w.,:])\d{1,2}(?:st|nd|rd|th|er|º|\.)?\s+(?=[^\W\d_])")
"""The number of "1 Nov - 31 Mar", which is left out: a month counts as a whole."""
_IN_BRACKETS = re.compile(r"\(([^()]*)\)")
_MAX_READ = 500
_MAX_LABEL = 60
"""Characters that are read of a message, and of a label."""
_MIN_LABELS = 2
"""Labels of a table that must be periods: "Min" alone is no Indonesian Sunday."""
Periods = frozenset[Period]


def load_calendar_names() -> None:
    """Load the names into memory, which takes an eighth of a second."""
    _words()
    _phrases()
    for language in LANGUAGES:
        _names(language)


def periods_in(text: str) -> Periods:
    """The days and months that a message names: "on Saturday", "am Wochenende", "im August", "日曜日"."""
    text = _NO_MONTH.sub(" ", text[:_MAX_READ].casefold())
    words = frozenset(period for word in _WORD.findall(text) for period in _periods_of_word(word))
    return words | frozenset(period for name, period in _phrases() if _contains(text, name))


def days_in(text: str, language: str) -> Periods:
    """The days of the week that a text in a language names, in full or abbreviated, with those between the first and
    the last of a range."""
    lowered = text[:_MAX_READ].casefold()
    if any(_contains(lowered, phrase) for phrase in _EVERY_DAY):
        return Periods(Period(_DAYS, day) for day in range(_DAYS))
    names = _names(language)
    pattern, ambiguous = _word_pattern(language)
    words = [(word, found) for word in pattern.finditer(lowered) if (found := _days_of_word(word.group(), names))]
    gaps = [lowered[word.end() : after.start()].replace(".", "") for (word, _), (after, _) in pairwise(words)]
    joined = ["", *(gap if _RANGE.fullmatch(gap) or _LIST.fullmatch(gap) else "" for gap in gaps), ""]
    days = [
        (word, found, before)
        for (word, found), before, after in zip(words, joined, joined[1:], strict=False)
        if len(word.group()) > ambiguous or before or after or _BEFORE_TIMES.match(lowered, word.end())
    ]
    between = frozenset(
        _period(_DAYS, min(first).number + number)
        for (_, first, _), (_, last, gap) in pairwise(days)
        if len(first) == len(last) == 1 and _RANGE.fullmatch(gap)
        for number in range((min(last).number - min(first).number) % _DAYS)
    )
    unspaced = frozenset(period for name, period in _phrases() if period.cycle == _DAYS and _contains(lowered, name))
    return between.union(unspaced, *(found for _, found, _ in days))


def list_day_names(language: str) -> list[str]:
    """From Monday to Sunday, in full, as they stand in a sentence."""
    names = Locale.parse(language).days["format"]["wide"]
    return [names[day] for day in range(_DAYS)]


@cache
def _word_pattern(language: str) -> tuple[re.Pattern[str], int]:
    """Finds words or, where no spaces stand between them, names. With the letters up to which one is ambiguous."""
    names = sorted(filter(is_unspaced, _names(language)), key=len, reverse=True)
    return (re.compile("|".join(map(re.escape, names))), 1) if names else (_WORD, _MAX_AMBIGUOUS)


def _days_of_word(word: str, names: Mapping[str, Period]) -> Periods:
    period = names.get(word) or names.get(word.removesuffix("s"))
    found = Periods() if period is None else Periods({period})
    return Periods(day for day in found or _periods_of_word(word) if day.cycle == _DAYS)


def periods_of_labels(labels: Sequence[str]) -> list[Periods]:
    """For each label the periods that it consists of, as "Monday to Friday", "daily", "Jul–Sep", "Sat, Sun" and
    "Winter (1 Nov to 31 Mar)" do. All are empty unless two labels are periods in the same language."""
    parts = [_parts_of_label(label) for label in labels]
    readings = [
        [next((found for part in each if (found := _read_label(part, _names(language)))), Periods()) for each in parts]
        for language in ("en", *LANGUAGES)
    ]
    best = max(readings, key=_count_periods)
    return best if _count_periods(best) >= _MIN_LABELS else [Periods() for _ in labels]


def _count_periods(labels: Sequence[Periods]) -> int:
    return sum(map(bool, labels))


def _parts_of_label(label: str) -> list[str]:
    """The label, what stands in its brackets, and what stands before them."""
    plain = label.strip().casefold().replace(".", "") if len(label) <= _MAX_LABEL else ""
    plain = _DAY_OF_MONTH.sub("", plain)
    inside = _IN_BRACKETS.search(plain)
    return [plain] if inside is None else [inside[1].strip(), plain[: inside.start()].strip()]


def _read_label(label: str, names: dict[str, Period]) -> Periods:
    if label in _EVERY_DAY:
        return Periods(Period(_DAYS, day) for day in range(_DAYS))
    read = [
        (word, names.get(word.group()) or names.get(word.group().removesuffix("s"))) for word in _WORD.finditer(label)
    ]
    periods = [(word, period) for word, period in read if period is not None]
    if not periods or label[: periods[0][0].start()] or label[periods[-1][0].end() :]:
        return Periods()
    found = {periods[0][1]}
    for (word, (cycle, first)), (next_word, (next_cycle, last)) in pairwise(periods):
        between = label[word.end() : next_word.start()]
        if cycle == next_cycle and _RANGE.fullmatch(between):
            found |= {_period(cycle, first + n) for n in range((last - first) % cycle + 1)}
        elif _LIST.fullmatch(between):
            found.add(Period(next_cycle, last))
        else:
            return Periods()
    return Periods(found)


def _period(cycle: int, number: int) -> Period:
    """The period of a number that may lie beyond the end of the cycle."""
    return Period(cycle, number % cycle if cycle == _DAYS else (number - 1) % cycle + 1)


def _periods_of_word(word: str) -> Periods:
    exact, stems = _words()
    found = (
        stems[word[:length]] for length in range(len(word) - 1, _MIN_STEM - 1, -1) if _has_ending(word, length, stems)
    )
    return exact.get(word) or next(found, Periods())


def _has_ending(word: str, length: int, stems: Mapping[str, Periods]) -> bool:
    """True if the first letters are the stem of a name. Only a long stem has an ending of several letters."""
    return word[:length] in stems and len(word) - length <= (_MAX_ENDING if length > _MIN_STEM else 1)


@cache
def _words() -> tuple[dict[str, Periods], dict[str, Periods]]:
    """Names of one word, and the stems of those that may have another ending."""
    exact, stems = dict(_GROUPS), dict(_GROUPS)
    for language in LANGUAGES:
        for name, period in _full_names(language):
            if _WORD.fullmatch(name) and not is_unspaced(name):
                exact.setdefault(name, Periods({period}))
                if language in _INFLECTED or len(name) >= _MIN_WHOLE_STEM:
                    stem = name[:-1] if language in _INFLECTED else name
                    stems.setdefault(stem, Periods({period}))
    return exact, stems


@cache
def _phrases() -> list[tuple[str, Period]]:
    """Names that are no single word: "thứ sáu", "日曜日", "8月"."""
    names = [each for language in LANGUAGES for each in _full_names(language)]
    return [(name, period) for name, period in names if is_unspaced(name) or not _WORD.fullmatch(name)]


def _contains(text: str, name: str) -> bool:
    """True if the text has the name. "11月" does not have "1月", nor "tháng 10" "tháng 1"."""
    at = text.find(name)
    while at >= 0:
        around = text[max(0, at - 1) : at], text[at + len(name) : at + len(name) + 1]
        if not (name[0].isdigit() and around[0].isdigit()) and not (name[-1].isdigit() and around[1].isdigit()):
            return True
        at = text.find(name, at + 1)
    return False


@cache
def _names(language: str) -> dict[str, Period]:
    """The names in full and abbreviated."""
    return {
        name.replace(".", ""): period
        for width in ("abbreviated", "short", "wide")
        for name, period in _list_names(language, width)
    } | _MORE_NAMES.get(language, {})


def _full_names(language: str) -> list[tuple[str, Period]]:
    """In Portuguese, "sexta-feira" is usually called "sexta"."""
    return [(name.removesuffix("-feira"), period) for name, period in _list_names(language, "wide")]


def _list_names(language: str, width: str) -> list[tuple[str, Period]]:
    """Also the forms that a name has when it stands alone."""
    locale = Locale.parse(language)
    return [
        (name.casefold(), Period(cycle, number))
        for cycle, tables in ((_DAYS, locale.days), (_MONTHS, locale.months))
        for context in ("format", "stand-alone")
        for number, name in tables[context].get(width, {}).items()
    ]
