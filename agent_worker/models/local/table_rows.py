"""The part of a table that a question is about: the rows and columns that it names, or the rows that fit it best."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.text.sentences import Cell, QuoteUnit, read_row
from agent_worker.nlu.weekdays import weekdays_in, weekdays_of_labels

_MIN_RELATIVE_SCORE = 0.6
"""Rows need this share of the best one's score."""
_MIN_PARALLEL_ROWS = 0.5
"""Share of the rows in which two columns must have cells of the same form, so that one can stand without the other."""
_LETTER_AND_WORD = re.compile(r"\b([^\W\d_])-(?=[^\W\d_]{2})")
"""The beginning of "e-bike" or "T-shirt", of which terms have only the second part."""
_IN_BRACKETS = re.compile(r"\([^)]*\)")
_COMPARING = re.compile(
    r"\b(?:or|than|vs|versus|compared?|difference|only|oder|als|unterschied|nur|ou|plutôt|o|u|oppure|of|dan|czy|lub|"
    r"или|чем|або|ніж|veya|atau|hay|hoặc)\b|أو|還是|还是|それとも|या|অথবা|یا",
    re.IGNORECASE,
)
"""Whoever compares may mean a column by another name; all are shown unless two are named."""
_FIGURE = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+|\s+")


@dataclass(frozen=True, slots=True)
class _QuestionWords:
    """Words and days of a question's last line, and of the lines before it, which complete it."""

    words: frozenset[str]
    days: frozenset[int]
    context: frozenset[str]
    context_days: frozenset[int]
    compares: bool


def select_rows(question: str, rows: Sequence[QuoteUnit], scores: Sequence[float]) -> dict[int, QuoteUnit]:
    """The rows of one table that answer, by their place in ``rows``; each with the columns that answer, if the question
    names some of several alternatives. The last line of a question that was completed is what the contact wrote: "and
    for my son?" after a question about adults."""
    asked = _read_question(question)
    columns = _named_columns(asked, rows)
    labels = [row.cells[0].text if row.cells else row.text for row in rows]
    chosen = _find_named(asked, labels, with_context=bool(columns))
    if not chosen:
        best = max(scores)
        chosen = [place for place, score in enumerate(scores) if score >= _MIN_RELATIVE_SCORE * best]
    return {place: _with_columns(rows[place], columns) for place in chosen}


def _read_question(question: str) -> _QuestionWords:
    before, _, last = question.rpartition("\n")
    compares = _COMPARING.search(last) is not None
    return _QuestionWords(_words(last), weekdays_in(last), _words(before), weekdays_in(before), compares)


def _find_named(asked: _QuestionWords, labels: Sequence[str], *, with_context: bool) -> list[int]:
    """The places of the labels that the question names; ``with_context``: else those that were named before it."""
    bags = [_words(_IN_BRACKETS.sub(" ", label)) or _words(label) for label in labels]
    common = frozenset.intersection(*bags)
    own = [bag - common for bag in bags]
    days = weekdays_of_labels(labels) if asked.days or asked.context_days else [frozenset[int]()] * len(labels)

    def find(words: frozenset[str], before: frozenset[str], named_days: frozenset[int]) -> list[int]:
        return [
            place
            for place, (bag, label_days) in enumerate(zip(own, days, strict=True))
            if label_days & named_days or (bag & words - before and bag <= words | before)
        ]

    found = find(asked.words, asked.context, asked.days)
    return found or (find(asked.context, frozenset(), asked.context_days) if with_context else [])


def _named_columns(asked: _QuestionWords, rows: Sequence[QuoteUnit]) -> frozenset[str]:
    """The names of the columns that the question names, if the others are alternatives to them: opening hours of
    several shops, but not a price and a time."""
    names = [cell.column for cell in rows[0].cells[1:]]
    if len(names) < 2 or any([cell.column for cell in row.cells[1:]] != names for row in rows):
        return frozenset()
    named = {names[place] for place in _find_named(asked, names, with_context=True)}
    others = [name for name in names if name not in named]
    if not named or not others or (len(named) == 1 and asked.compares):
        return frozenset()
    table = [{cell.column: _form(cell.text) for cell in row.cells[1:]} for row in rows]
    return frozenset(named) if all(_are_parallel(table, next(iter(named)), other) for other in others) else frozenset()


def _are_parallel(table: Sequence[Mapping[str, str]], one: str, other: str) -> bool:
    return sum(row[one] == row[other] for row in table) >= _MIN_PARALLEL_ROWS * len(table)


def _form(cell: str) -> str:
    """What remains without letters and figures: "£17.50" and "£8.00" have the same form."""
    return _FIGURE.sub("0", _LETTERS.sub("", cell))


def _with_columns(row: QuoteUnit, columns: frozenset[str]) -> QuoteUnit:
    if not columns:
        return row
    label, *cells = row.cells
    kept: list[Cell] = [label, *(cell for cell in cells if cell.column in columns)]
    return replace(row, text=read_row(kept), cells=tuple(kept))


def _words(text: str) -> frozenset[str]:
    return frozenset([*terms(text), *terms(_LETTER_AND_WORD.sub(r"\1", text))])
