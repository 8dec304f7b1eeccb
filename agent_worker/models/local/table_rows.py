"""The part of a table that a question is about: the rows and columns that it names, or the rows that fit it best."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from agent_worker.knowledge.text.analysis import term, terms
from agent_worker.knowledge.text.sentences import Cell, QuoteUnit, read_row
from agent_worker.models.local.label_ranges import find_of_age, find_of_size
from agent_worker.nlu.calendar_names import Periods, periods_in, periods_of_labels

_MIN_RELATIVE_SCORE = 0.6
"""Rows need this share of the best one's score."""
_MIN_SCORE_BEHIND = 0.3
"""Rows that replace a surcharge need this share of its score."""
_SHORT_TABLE = 6
"""Rows that are shown together if they may all be meant."""
_MIN_NEAR = 2
"""Words that a label must share with the question. One alone may be there by chance: "pay" and "Interest paid"."""
_MAX_RARE = 0.5
"""Share of the labels that may have a word which tells one of them from the others."""
_MIN_PARALLEL_ROWS = 0.5
"""Share of the rows in which two columns must have cells of the same form, so that one can stand without the other."""
_LETTER_AND_WORD = re.compile(r"\b([^\W\d_])-(?=[^\W\d_]{2})")
"""The beginning of "e-bike" or "T-shirt", of which terms have only the second part."""
_REFERS_BACK = re.compile(r"\b(?:they|them|their|it|its|these|those|this|that|sie|ihnen|diese|es)\b", re.IGNORECASE)
ATTRIBUTES = frozenset(map(term, ["cost", "price", "charge", "pay", "fee", "long", "much", "many", "expensive"]))
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_COMPARING = re.compile(
    r"\b(?:or|than|vs|versus|compared?|difference|only|oder|als|unterschied|nur|ou|plutôt|o|oppure|dan|czy|lub|"
    r"или|чем|або|ніж|veya|atau|hoặc)\b|أو|還是|还是|それとも|या|অথবা|یا",
    re.IGNORECASE,
)
"""Whoever compares may mean a column by another name; all are shown unless two are named."""
_SURCHARGE = re.compile(r"\s?\+\s?[€$£¥]?\s?\d")
_FIGURE = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+|\s+")


@dataclass(frozen=True, slots=True)
class _QuestionWords:
    """Words, days and months of a question's last line, and of the lines before it, which complete it."""

    words: frozenset[str]
    periods: Periods
    context: frozenset[str]
    context_periods: Periods
    compares: bool


def select_rows(question: str, rows: Sequence[QuoteUnit], scores: Sequence[float]) -> dict[int, QuoteUnit]:
    """The rows of one table that answer, by their place in ``rows``; each with the columns that answer, if the question
    names some of several alternatives. The last line of a question that was completed is what the contact wrote: "and
    for my son?" after a question about adults."""
    asked = _read_question(question)
    named_columns = _find_named_columns(asked, rows)
    columns = _without_alternatives(asked, named_columns, rows)
    labels = [row.cells[0].text if row.cells else row.text for row in rows]
    with_context = bool(columns) or asked.words <= ATTRIBUTES
    chosen = (
        find_of_age(question, labels)
        or _keep_named(asked, labels, find_of_size(question, labels))
        or _find_named(asked, labels, with_context=with_context)
        or _find_in_brackets(asked, labels, rows)
        or _find_at_time(asked.periods, rows)
    )
    if not chosen:
        # Whoever compares two columns wants to see what differs.
        least = _MIN_RELATIVE_SCORE * max(scores) if len(named_columns) < 2 else 0.0
        chosen = _without_surcharges([place for place, score in enumerate(scores) if score >= least], rows, scores)
        if len(chosen) == 1 and len(rows) <= _SHORT_TABLE and _names_all(asked, labels):
            # "A driving lesson" may mean each of "Single lesson" and "Night driving lesson".
            chosen = list(range(len(rows)))
    return {place: _with_columns(rows[place], columns) for place in chosen}


def notes_on_other_rows(
    rows: Sequence[QuoteUnit], chosen: Container[int], units: Sequence[QuoteUnit]
) -> list[QuoteUnit]:
    """The sentences beside a table that name rows which are left out, and none of those ``chosen``, with the sentences
    that go on about them."""
    labels = [_words(_IN_BRACKETS.sub(" ", row.cells[0].text if row.cells else row.text)) for row in rows]
    own = [label - frozenset.intersection(*labels) for label in labels]
    left_out = [label for place, label in enumerate(own) if place not in chosen and label]
    kept = frozenset[str]().union(*(label for place, label in enumerate(own) if place in chosen))
    found: list[QuoteUnit] = []
    for place, unit in enumerate(units):
        words = _words(unit.text)
        named = frozenset[str]().union(*(label for label in left_out if label <= words))
        is_next = place > 0 and found[-1:] == [units[place - 1]] and unit.group == units[place - 1].group
        goes_on = is_next and _REFERS_BACK.search(unit.text) is not None
        if unit.kind != "row" and (named or goes_on) and not kept & (words - named):
            found.append(unit)
    return found


def _read_question(question: str) -> _QuestionWords:
    before, _, last = question.rpartition("\n")
    compares = _COMPARING.search(last) is not None
    return _QuestionWords(_words(last), periods_in(last), _words(before), periods_in(before), compares)


def _find_named(asked: _QuestionWords, labels: Sequence[str], *, with_context: bool) -> list[int]:
    """The places of the labels that the question names; ``with_context``: else those that were named before it."""
    bags = [_words(_IN_BRACKETS.sub(" ", label)) or _words(label) for label in labels]
    common = frozenset.intersection(*bags)
    own = [bag - common for bag in bags]
    heads = [frozenset(terms(_IN_BRACKETS.sub(" ", label))[-1:]) - common - ATTRIBUTES for label in labels]
    has_periods = asked.periods or asked.context_periods
    periods = periods_of_labels(labels) if has_periods else [Periods()] * len(labels)

    # "ebike" means "E-bike", of which the terms are "bike" and "ebike".
    joined = [(_joined_words(label) - frozenset(terms(label)), frozenset(terms(label))) for label in labels]

    def find(words: frozenset[str], before: frozenset[str], named: Periods) -> list[int]:
        return [
            place
            for place, (bag, label_periods) in enumerate(zip(own, periods, strict=True))
            if label_periods & named or (bag & words - before and bag <= words | before)
        ] or _find_nearest(own, words, heads)

    words = asked.words.union(*(separate for together, separate in joined if together & asked.words))
    found = find(words, asked.context, asked.periods)
    return found or (find(asked.context, frozenset(), asked.context_periods) if with_context else [])


def _keep_named(asked: _QuestionWords, labels: Sequence[str], places: Sequence[int]) -> list[int]:
    """Those of the places whose labels the question names, but for what they all share and figures; all of them if it
    names none."""
    bags = {place: frozenset(word for word in _words(labels[place]) if not _FIGURE.search(word)) for place in places}
    common = frozenset.intersection(*bags.values()) if bags else frozenset()
    named = [place for place, bag in bags.items() if bag - common and bag - common <= asked.words]
    return named or list(places)


def _find_in_brackets(asked: _QuestionWords, labels: Sequence[str], rows: Sequence[QuoteUnit]) -> list[int]:
    """The place of the only label that has a word of the question in brackets: "Small pets (rabbit, hamster)". What is
    added to the price of another row is not meant."""
    bags = [
        _words(" ".join(_IN_BRACKETS.findall(label))) - ATTRIBUTES if "(" in label else frozenset() for label in labels
    ]
    found = [place for place, bag in enumerate(bags) if bag & asked.words]
    return found if len(found) == 1 and not any(map(_is_surcharge, rows[found[0]].cells[1:])) else []


def _without_surcharges(places: Sequence[int], rows: Sequence[QuoteUnit], scores: Sequence[float]) -> list[int]:
    """The places without rows that only say what is added to a price, "+ €180". Where these are the best ones, rows
    that are not far behind replace them."""
    priced = {place for place, row in enumerate(rows) if not any(map(_is_surcharge, row.cells[1:]))}
    least = _MIN_SCORE_BEHIND * max(scores)
    behind = [place for place in priced if scores[place] >= least]
    return [place for place in places if place in priced] or behind or list(places)


def _is_surcharge(cell: Cell) -> bool:
    return _SURCHARGE.match(cell.text) is not None


def _find_at_time(asked: Periods, rows: Sequence[QuoteUnit]) -> list[int]:
    """The places of the rows that hold at a time which the question names, by a column of nothing but times: "daily"
    and "Friday to Sunday" hold on Sundays."""
    if not asked or any(len(row.cells) != len(rows[0].cells) for row in rows):
        return []
    for column in range(1, len(rows[0].cells)):
        times = periods_of_labels([row.cells[column].text for row in rows])
        if all(times) and (found := [place for place, each in enumerate(times) if each & asked]):
            return found
    return []


def _names_all(asked: _QuestionWords, labels: Sequence[str]) -> bool:
    """True if the question has a word that all labels share."""
    shared = frozenset.intersection(*map(_words, labels)) - ATTRIBUTES
    return len(labels) > 1 and bool(shared & asked.words)


def _find_nearest(
    labels: Sequence[frozenset[str]], words: frozenset[str], heads: Sequence[frozenset[str]]
) -> list[int]:
    """The places of the labels that share most words with the question, if one of these is rare among the labels:
    "river" in a table of rooms with different views. The last word of several labels is enough alone: "kayak"
    of "Single kayak" and "Double kayak"."""
    frequency = Counter(word for label in labels for word in label)
    shared = [label & words for label in labels]
    most = max(map(len, shared))
    nearest = [place for place, each in enumerate(shared) if len(each) == most]
    is_rare = any(frequency[word] <= _MAX_RARE * len(labels) for place in nearest for word in shared[place])
    are_headed = len(nearest) > 1 and all(heads[place] & words for place in nearest)
    return nearest if (most >= _MIN_NEAR or are_headed) and is_rare and len(nearest) < len(labels) else []


def _find_named_columns(asked: _QuestionWords, rows: Sequence[QuoteUnit]) -> list[str]:
    """The names of the columns that the question names, if all rows have the same columns."""
    names = [cell.column for cell in rows[0].cells[1:]]
    if len(names) < 2 or any([cell.column for cell in row.cells[1:]] != names for row in rows):
        return []
    return [names[place] for place in _find_named(asked, names, with_context=True)]


def _without_alternatives(asked: _QuestionWords, named: Sequence[str], rows: Sequence[QuoteUnit]) -> frozenset[str]:
    """The named columns, if the others are alternatives to them: opening hours of several shops, but not a price and a
    time. Else none."""
    others = [cell.column for cell in rows[0].cells[1:] if cell.column not in named]
    if not named or not others or (len(named) == 1 and asked.compares):
        return frozenset()
    table = [{cell.column: _form(cell.text) for cell in row.cells[1:]} for row in rows]
    return frozenset(named) if all(_are_parallel(table, named[0], other) for other in others) else frozenset()


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
    return frozenset(terms(text)) | _joined_words(text)


def _joined_words(text: str) -> frozenset[str]:
    return frozenset(terms(_LETTER_AND_WORD.sub(r"\1", text)))
