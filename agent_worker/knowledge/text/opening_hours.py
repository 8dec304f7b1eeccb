"""Opening hours, said once more in the words in which people ask for them. The words are in ``opening_hours.toml``.

Documents list hours ("Mon–Thu 7:30–18:00"), and people ask "Are you open on Tuesday?": the two have neither a word nor
much of a meaning in common. What is added is only searched, never shown.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.text.sentences import sentence_spans
from agent_worker.nlu.calendar_names import days_in, list_day_names

_MAX_TEXT = 4_000
"""Characters of a section that are read."""
_FIGURE = re.compile(r"\d")
_WORD = re.compile(r"[^\W_]+")
_CLAUSE = re.compile(r"[,;،、，；]|\.\s")
_TIMES = re.compile(
    r"\d{1,2}(?:[:.h]\d\d)?\s?(?:[ap]\.?m\.?|uhr|h)?\s?(?:[-–—~～〜]|to|till|until|bis|à|a|alle|as|às|tot|do|до)\s?\d{1,2}\b"
)
"""From one time of the day to another."""
_CLOCK = re.compile(r"\d(?:[:.h]\d\d|\s?(?:[ap]\.?m\b|uhr|h\b|[時时点點시]))|\b24\b")
"""A time of the day, or "24 hours"."""
_QUESTION = ("?", "？", "؟")
_ASKING_VERBS = frozenset({"is", "are", "does", "do", "will"})
_STATES = frozenset({"open", "close", "closed", "shut"})
_BESIDE_NAMES = frozenset({"the", "your", "a", "an", "there", "be", "still", "also"})
_MAX_NAME = 12
"""Words from the verb to "open"."""
_ROW = "|"
"""Begins the row of a table."""
_MARKS = "-*•+|_ "
"""Stand before the words of an item or of a cell."""
_MAX_ABBREVIATION = 2
"""Letters of a first word that is read with the next two: "Mo to Fr"."""
_WEEKDAYS = range(5)
_WEEKEND = range(5, 7)


class HoursWords(BaseModel):
    """Regular expressions and sentences of one language, see ``opening_hours.toml``. ``heading`` and ``sentence`` are
    matched in lower case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heading: re.Pattern[str]
    sentence: re.Pattern[str] | None = None
    asking: re.Pattern[str] | None = None
    until: re.Pattern[str] | None = None
    shut: re.Pattern[str]
    questions: tuple[str, ...]
    open: str
    weekdays: str
    weekends: str
    closed: str


@cache
def load_hours_words() -> dict[str, HoursWords]:
    """The words by language, English first."""
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {language: HoursWords.model_validate(table) for language, table in tables.items()}


def restate_hours(title: str, heading: str, text: str) -> tuple[str, ...]:
    """The questions that a section with opening hours answers, and the days on which one is open or closed, each by its
    name: "Mon–Wed" names no Tuesday. Empty for any other section, and for one whose heading is another question ("Are
    you open at lunchtime?"). ``heading``: its path of headings."""
    names, lowered = (heading or title).casefold(), text[:_MAX_TEXT].casefold()
    asked = names.rpartition(" > ")[2] if names.endswith(_QUESTION) else ""
    if not _CLOCK.search(lowered) and not _TIMES.search(lowered):
        return ()
    for language, words in load_hours_words().items():
        if asked and (words.asking is None or not words.asking.match(asked)):
            continue
        if words.heading.search(names):
            lines = _find_hours(list(_lines(text)), language, words)
        elif words.sentence is not None and words.sentence.search(lowered):
            lines = [line for line in _lines(text) if words.sentence.search(line)]
        else:
            continue
        if restated := _restate(lines, language, words):
            return restated
    return ()


def asks_for_hours(question: str) -> bool:
    """True if a question has words in which people ask for opening hours: "open", "close", "until when"."""
    lowered = question[:_MAX_TEXT].casefold()
    if not _asking_terms().isdisjoint(terms(lowered)):
        return True
    patterns = [pattern for words in load_hours_words().values() for pattern in (words.heading, words.until)]
    return any(pattern is not None and pattern.search(lowered) for pattern in patterns)


@cache
def _asking_terms() -> frozenset[str]:
    return frozenset(
        term for words in load_hours_words().values() for question in words.questions for term in terms(question)
    )


def find_opened_thing(question: str) -> str:
    """What an English question asks to be open: "pool" of "When is the pool open?". Empty for any other question."""
    words = _WORD.findall(question[:_MAX_TEXT].casefold())
    end = next((n for n, word in enumerate(words) if word in _STATES), 0)
    before = words[max(0, end - _MAX_NAME) : end]
    verb = max((n for n, word in enumerate(before) if word in _ASKING_VERBS), default=len(before))
    return " ".join(word for word in before[verb + 1 :] if word not in _BESIDE_NAMES)


def _lines(text: str) -> Iterator[str]:
    """Lines, and the sentences in them, in lower case."""
    for line in text[:_MAX_TEXT].splitlines():
        yield from (line[start:end].casefold() for start, end in sentence_spans(line))


def _find_hours(lines: list[str], language: str, words: HoursWords) -> list[str]:
    """The rows of a table of days. Without one, "Mon–Thu 9–5" and "We open at 9", not "The phone is answered Mon–Fri,
    9–16". Also what says when it is closed."""
    has_table = any(line.startswith(_ROW) and days_in(line, language) for line in lines)
    return [
        line
        for line in lines
        if words.shut.search(line) or (line.startswith(_ROW) if has_table else _says_hours(line, language, words))
    ]


def _says_hours(line: str, language: str, words: HoursWords) -> bool:
    first, *others = line.strip(_MARKS).split(maxsplit=3)[:3] or [""]
    beginning = " ".join([first, *others[: 1 if len(first) > _MAX_ABBREVIATION else 2]])
    return bool(
        _FIGURE.search(beginning)
        or days_in(beginning, language)
        or words.heading.search(line)
        or (words.sentence is not None and words.sentence.search(line))
    )


def _restate(lines: list[str], language: str, words: HoursWords) -> tuple[str, ...]:
    opened, closed = set[int](), set[int]()
    for line in lines:
        of_line, of_line_closed = _read_line(line, language, words)
        opened |= of_line
        closed |= of_line_closed
    if not opened and not any(map(_TIMES.search, lines)):
        return ()
    names = list_day_names(language)
    if all(any(names[day].casefold() in line for line in lines) for day in opened | closed):
        return words.questions
    return (*words.questions, *_say_open(opened, language, words), *_say(words.closed, closed - opened, language))


def _read_line(line: str, language: str, words: HoursWords) -> tuple[set[int], set[int]]:
    """The days that a line says to be open, and those that it says to be closed. "Monday, Tuesday 9–5" and "closed on
    Saturdays, Sundays" have two clauses each."""
    opened, closed, pending = set[int](), set[int](), set[int]()
    found = pending
    for clause in _CLAUSE.split(line):
        pending |= {day.number for day in days_in(clause, language)}
        if _FIGURE.search(clause):
            found = opened
        elif words.shut.search(clause):
            found = closed
        else:
            continue
        found |= pending
        pending = set()
    if found is pending and line.startswith(_ROW):
        found = opened  # the header of a table in which each day has a column
    found |= pending
    return opened, closed


def _say_open(days: set[int], language: str, words: HoursWords) -> Iterator[str]:
    during_week, at_weekend = days.intersection(_WEEKDAYS), days.intersection(_WEEKEND)
    yield from _say(words.weekdays if len(during_week) == len(_WEEKDAYS) else words.open, during_week, language)
    yield from _say(words.weekends, at_weekend, language)


def _say(sentence: str, days: set[int], language: str) -> Iterator[str]:
    if days:
        names = list_day_names(language)
        yield sentence.format(days=", ".join(names[day] for day in sorted(days)))
