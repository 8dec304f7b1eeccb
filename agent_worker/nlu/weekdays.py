"""Days of the week in a message and in the labels of a table's rows, in every language of the assistant.

Their names are those of the Unicode CLDR. A day is a number from 0 (Monday) to 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from babel import Locale

from agent_worker.nlu.classification import LANGUAGES
from agent_worker.nlu.words import is_unspaced

_WORKING_DAYS = frozenset(range(5))
_WEEKEND = frozenset({5, 6})
_GROUPS = {
    "weekday": _WORKING_DAYS,
    "werktag": _WORKING_DAYS,
    "wochentag": _WORKING_DAYS,
    "weekend": _WEEKEND,
    "wochenende": _WEEKEND,
}
_INFLECTED = frozenset({"pl", "ru", "uk"})
"""Languages in which the last letter of a day's name changes."""
_MAX_ENDING = 2
"""Letters by which a word may be longer: "Sundays", "sobotę"."""
_KEY = 4
_WORD = re.compile(r"[^\W\d_]+")
_RANGE = re.compile(r"\s*(?:[-–—~〜～]|to|through|thru|till|until|bis|au|à|a|al|tot|do|até|по|إلى|至|到|から)\s*")
"""Stands between the first and the last day of a range."""
_LIST = re.compile(r"\s*(?:[,/&+、]|(?:, )?(?:and|und|et|y|e|en|i|и|й|та|و|ve|dan|và|と|和))\s*")
_MAX_READ = 500
_MAX_LABEL = 60
"""Characters that are read of a message, and of a label."""
_MIN_LABELS = 2
"""Rows of a table that must be labelled with days: "Min" alone is no Indonesian Sunday."""


def weekdays_in(text: str) -> frozenset[int]:
    """The days that a message names: "on Saturday", "am Wochenende", "日曜日"."""
    text = text[:_MAX_READ].casefold()
    words = frozenset(day for word in _WORD.findall(text) for day in _days_of_word(word))
    return words | frozenset(day for name, day in _phrases() if name in text)


def weekdays_of_labels(labels: Sequence[str]) -> list[frozenset[int]]:
    """For each label the days that it consists of, as "Monday to Friday", "Mo–Fr" and "Sat, Sun" do. All are empty
    unless two labels are days of the same language."""
    labels = [label.strip().casefold().replace(".", "") if len(label) <= _MAX_LABEL else "" for label in labels]
    readings = [[_days_of_label(label, _names(language)) for label in labels] for language in ("en", *LANGUAGES)]
    best = max(readings, key=_count_days)
    return best if _count_days(best) >= _MIN_LABELS else [frozenset() for _ in labels]


def _count_days(labels: Sequence[frozenset[int]]) -> int:
    return sum(map(bool, labels))


def _days_of_label(label: str, names: dict[str, int]) -> frozenset[int]:
    words = [(word, word.group()) for word in _WORD.finditer(label)]
    days = [
        (word, names[name])
        for word, written in words
        for name in dict.fromkeys((written, written.removesuffix("s")))
        if name in names
    ]
    if not days or label[: days[0][0].start()] or label[days[-1][0].end() :]:
        return frozenset()
    found = {days[0][1]}
    for (word, day), (next_word, next_day) in pairwise(days):
        between = label[word.end() : next_word.start()]
        if _RANGE.fullmatch(between):
            found |= {(day + n) % 7 for n in range((next_day - day) % 7 + 1)}
        elif _LIST.fullmatch(between):
            found.add(next_day)
        else:
            return frozenset()
    return frozenset(found)


def _days_of_word(word: str) -> frozenset[int]:
    found = (
        days
        for stem, days in _stems().get(word[:_KEY], ())
        if word.startswith(stem) and len(word) <= len(stem) + _MAX_ENDING
    )
    return next(found, frozenset())


@cache
def _stems() -> dict[str, list[tuple[str, frozenset[int]]]]:
    """By their first letters: the words that name days, without the letter that changes."""
    stems: dict[str, list[tuple[str, frozenset[int]]]] = {}
    for stem, days in [*((name, frozenset({day})) for name, day in _spaced_names()), *_GROUPS.items()]:
        stems.setdefault(stem[:_KEY], []).append((stem, days))
    return stems


def _spaced_names() -> Iterator[tuple[str, int]]:
    for language in LANGUAGES:
        for name, day in _wide_names(language):
            if _WORD.fullmatch(name) and not is_unspaced(name):
                yield name[:-1] if language in _INFLECTED else name, day


@cache
def _phrases() -> list[tuple[str, int]]:
    """Names that are no single word: "thứ sáu", "日曜日"."""
    names = [each for language in LANGUAGES for each in _wide_names(language)]
    return [(name, day) for name, day in names if is_unspaced(name) or not _WORD.fullmatch(name)]


@cache
def _names(language: str) -> dict[str, int]:
    """The names in full and abbreviated."""
    days = Locale.parse(language).days["format"]
    short = [
        (name.casefold().replace(".", ""), day)
        for width in ("abbreviated", "short")
        for day, name in days.get(width, {}).items()
    ]
    return dict([*short, *_wide_names(language)])


def _wide_names(language: str) -> list[tuple[str, int]]:
    """In Portuguese, "sexta-feira" is usually called "sexta"."""
    days = Locale.parse(language).days["format"]["wide"]
    return [(name.casefold().removesuffix("-feira"), day) for day, name in days.items()]
