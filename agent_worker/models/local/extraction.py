"""Quotes from the section that answers a question: verbatim, brief, and in the order of the document."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from agent_worker.grounding.answer_check import check_answer, opens_for, read_opening, remove_opening
from agent_worker.knowledge.text.analysis import synonyms, terms
from agent_worker.knowledge.text.query_splitting import is_question, sentences_of
from agent_worker.knowledge.text.sentences import Cell, QuoteUnit, units_of
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.models.local.table_rows import ATTRIBUTES, notes_on_other_rows, select_rows
from agent_worker.nlu.calendar_names import Periods, periods_in, periods_of_labels
from agent_worker.nlu.language_detection import detect_language
from agent_worker.reading.question_form import has_amount, has_figure, wanted_figure
from schemas.ports import Passage

MAX_WORDS = 120
"""Words of an answer to one question."""
_MAX_OVERLAP = 0.6
_MIN_RELATIVE_SCORE = 0.6
"""Blocks of a long section need this share of the best one's score."""
_MIN_SCORE_BELOW_HEADING = 0.4
"""A passage below a heading is preferred to the introduction from this share of its score."""
_MIN_SCORE_OF_LAST_LINE = 0.4
"""The least score of a row that has what the contact wrote last."""
_MIN_SCORE_OF_PERIOD = 0.5
"""A table with the asked day or month is preferred to the best passage from this share of its score."""
_MIN_SCORE_OF_PRICE = 0.05
"""A table with the price of what is named is preferred to the best passage from this share of its score."""
_MAX_SHARE_BESIDE = 0.5
"""Share of the question's words in a table that is left out because a sentence beside it has all of them."""
_MAX_ROWS_WITH_NOTES = 40
_CURRENCIES = frozenset("€$£¥")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Quote:
    passage: Passage
    unit: QuoteUnit
    order: int
    score: float


def find_answer(question: str, passages: Sequence[Passage]) -> list[Quote]:
    """The quotes that answer the question. Empty if they lack the kind of figure or the name that it asks for. A Yes or
    No that answers another question is left out."""
    quotes = select_quotes(question, passages)
    if not quotes:
        return []
    passage, text = quotes[0].passage, " ".join(quote.unit.text for quote in quotes)
    if (opening := read_opening(text)) and not (
        opens_for(question, passage) and (opening == "no" or _names_all(question, quotes[0]))
    ):
        quotes = _without_opening(quotes)
        text = " ".join(quote.unit.text for quote in quotes)
    return quotes if _has_wanted(question, quotes) and check_answer(question, text, passage) is None else []


def _has_wanted(question: str, quotes: Sequence[Quote]) -> bool:
    """True if the quotes have the kind of figure that the question asks for. A price must be one of something that the
    question names, and that something is free counts only of what it names itself: "Helmets are lent free of charge" is
    not the price of a lesson."""
    passage, figure = quotes[0].passage, wanted_figure(question)
    if figure is None:
        return True
    heading, texts = passage.heading, [f"{quote.unit.lead} {quote.unit.text}" for quote in quotes]
    if figure != "price":
        return has_figure(figure, f"{heading} {' '.join(texts)}")
    asked = set(terms(question)) - ATTRIBUTES
    if has_amount(f"{heading} {' '.join(texts)}"):
        return not asked or _names_any(asked, passage)
    saying = [text for text in [heading, *texts] if has_figure(figure, text)]
    return bool(saying) and (
        not asked or any(asked & set(terms(f"{short_heading(heading)} {text}")) for text in saying)
    )


def _names_any(asked: Collection[str], passage: Passage) -> bool:
    """True if the section has one of the terms or a synonym. In another language than English it may have others."""
    if detect_language(passage.text) not in ("", "en"):
        return True
    said = set(terms(f"{passage.title} {passage.heading} {passage.text}"))
    return any(word in said or synonyms().get(word, frozenset()) & said for word in asked)


def _names_all(question: str, quote: Quote) -> bool:
    """True if the first quote and its heading name all that the question asks about. A Yes is often limited further
    down: "Are dogs allowed?" says nothing of the family room yet."""
    said = set(terms(f"{short_heading(quote.passage.heading)} {quote.unit.text}"))
    asking = [each for each in sentences_of(question) if is_question(each)] or [question]
    return all(word in said or synonyms().get(word, frozenset()) & said for each in asking for word in terms(each))


def _without_opening(quotes: Sequence[Quote]) -> list[Quote]:
    first, *rest = quotes
    text = remove_opening(first.unit.text)
    return [replace(first, unit=replace(first.unit, text=text)), *rest] if text else rest


def select_quotes(question: str, passages: Sequence[Passage]) -> list[Quote]:
    """What the best passage says, in its order: all of it up to MAX_WORDS, else the paragraphs, lists and tables that
    say most about the question. Empty without passages."""
    if not passages:
        return []
    scored = _without_other_rows(question, _score(question, _best_passage(question, passages)))
    if _count_words(scored) <= MAX_WORDS:
        return scored
    chosen: list[Quote] = []
    blocks = _blocks(scored)
    # A table of prices may say less in the question's words than the sentences about it.
    figure = wanted_figure(question)
    gives = _gives_amount if figure == "price" else _gives_number
    priced = [block for block in blocks if gives(block)] if figure in ("price", "time") else []
    best = max(map(_best_score, priced or blocks), default=0.0)
    for block in sorted(priced or blocks, key=_best_score, reverse=True):
        is_near = _best_score(block) >= _MIN_RELATIVE_SCORE * best
        if not chosen or (is_near and _count_words([*chosen, *block]) <= MAX_WORDS):
            chosen += block
    return _shorten(sorted(chosen, key=lambda quote: quote.order))


def _without_other_rows(question: str, quotes: Sequence[Quote]) -> list[Quote]:
    """The quotes, of each table only the rows and columns that the question is about."""
    tables: dict[int, list[Quote]] = {}
    for quote in quotes:
        if quote.unit.kind == "row":
            tables.setdefault(quote.unit.group, []).append(quote)
    prose = [quote for quote in quotes if quote.unit.kind != "row"]
    is_said = bool(tables) and _is_said_in_prose(question, prose)
    kept = {quote.order: quote for quote in prose}
    for rows in tables.values():
        if is_said and _share_said(_asked_terms(question), [row.unit.text for row in rows]) <= _MAX_SHARE_BESIDE:
            continue
        chosen = select_rows(question, [row.unit for row in rows], _score_rows(question, rows))
        if len(tables) == 1 and len(rows) <= _MAX_ROWS_WITH_NOTES:
            notes = notes_on_other_rows([row.unit for row in rows], chosen, [quote.unit for quote in quotes])
            kept = {order: quote for order, quote in kept.items() if quote.unit not in notes}
        kept |= {rows[place].order: replace(rows[place], unit=unit) for place, unit in chosen.items()}
    return [kept[order] for order in sorted(kept)]


def _score_rows(question: str, rows: Sequence[Quote]) -> list[float]:
    """The scores of a table's rows. Of a question that was completed, what the contact wrote last counts alone, if some
    of the rows have it: "and for motorbikes?" after a question about cars."""
    before, _, last = question.rpartition("\n")
    own = {each.order: each.score for each in _score(last, rows[0].passage)} if before else {}
    said = [own.get(row.order, 0.0) for row in rows]
    return said if max(said) >= _MIN_SCORE_OF_LAST_LINE > min(said) else [row.score for row in rows]


def _is_said_in_prose(question: str, prose: Sequence[Quote]) -> bool:
    """True if a sentence beside a table says all that the question names, with the figure that it wants."""
    asked, figure = _asked_terms(question), wanted_figure(question)
    texts = [quote.unit.text for quote in prose] if asked else []
    fitting = [text for text in texts if figure is None or (_DIGIT.search(text) and has_figure(figure, text))]
    return any(_share_said(asked, [text]) == 1 for text in fitting)


def _asked_terms(question: str) -> set[str]:
    return set(terms(question.rpartition("\n")[2]))


def _share_said(asked: set[str], texts: Sequence[str]) -> float:
    said = set(terms(" ".join(texts)))
    return sum(word in said or bool(synonyms().get(word, frozenset()) & said) for word in asked) / len(asked)


def _blocks(quotes: Sequence[Quote]) -> list[list[Quote]]:
    """The quotes by paragraph, list or table. The line that introduces a list stays with it."""
    blocks: list[list[Quote]] = []
    for quote in quotes:
        before = blocks[-1][-1].unit if blocks else None
        if before is not None and (quote.unit.group == before.group or quote.unit.lead == before.quote):
            blocks[-1].append(quote)
        else:
            blocks.append([quote])
    return blocks


def _gives_amount(quotes: Sequence[Quote]) -> bool:
    return any(has_amount(f"{quote.unit.lead} {quote.unit.text}") for quote in quotes)


def _gives_number(quotes: Sequence[Quote]) -> bool:
    return any(_DIGIT.search(quote.unit.text) for quote in quotes)


def _best_score(quotes: Sequence[Quote]) -> float:
    return max(quote.score for quote in quotes)


def _shorten(quotes: Sequence[Quote]) -> list[Quote]:
    """The best of the quotes, if they are one long block."""
    chosen: list[Quote] = []
    for quote in sorted(quotes, key=lambda quote: (-quote.score, quote.order)):
        if not chosen or _count_words([*chosen, quote]) <= MAX_WORDS:
            chosen.append(quote)
    return sorted(chosen, key=lambda quote: quote.order)


def _count_words(quotes: Sequence[Quote]) -> int:
    return sum(len(quote.unit.text.split()) for quote in quotes)


def repeats(quote: Quote, other: Quote) -> bool:
    """Return whether both are the same, or say the same in nearly the same words, with no other figures."""
    one, two = set(terms(quote.unit.text)), set(terms(other.unit.text))
    numbers = [set(_NUMBER.findall(each.unit.text)) for each in (quote, other)]
    is_alike = len(one & two) > _MAX_OVERLAP * max(1, min(len(one), len(two)))
    return quote.unit == other.unit or (is_alike and (numbers[0] <= numbers[1] or numbers[1] <= numbers[0]))


def _best_passage(question: str, passages: Sequence[Passage]) -> Passage:
    """The best passage, or a table that has the asked day or month where the best one has only others. Prose before the
    first heading describes the page, often in the question's words, while the answer comes later. A table there is
    content."""
    best = passages[0]
    if (priced := find_priced(question, passages)) is not None:
        best = priced
    elif (asked := periods_in(question.rpartition("\n")[2])) and not asked & periods_in(f"{best.heading} {best.text}"):
        near = [passage for passage in passages if passage.score >= _MIN_SCORE_OF_PERIOD * best.score]
        best = next((passage for passage in near if _has_row_for(asked, passage)), best)
    if best.heading or any(unit.kind == "row" for unit in units_of(best.text)):
        return best
    below = [passage for passage in passages if passage.document == best.document and passage.heading]
    return next((passage for passage in below if passage.score >= _MIN_SCORE_BELOW_HEADING * best.score), best)


def _has_row_for(asked: Periods, passage: Passage) -> bool:
    rows = [unit.cells[0].text for unit in units_of(passage.text) if unit.cells]
    return any(asked & periods for periods in periods_of_labels(rows))


def find_priced(question: str, passages: Sequence[Passage]) -> Passage | None:
    """The first of the near passages with a table of prices in which a row is named by a question for a price."""
    if wanted_figure(question) != "price" or not passages:
        return None
    near = [passage for passage in passages if passage.score >= _MIN_SCORE_OF_PRICE * passages[0].score]
    last = question.rpartition("\n")[2]
    for asked in dict.fromkeys((last, question)):
        words = " ".join(word for word in asked.split() if not periods_in(word))
        named = set(terms(words)) - ATTRIBUTES
        if (found := next((each for each in near if _has_price_of(named, each)), None)) is not None:
            return found
    return None


def _has_price_of(named: set[str], passage: Passage) -> bool:
    """True for a table with the price of just this: a row's label names it, alone or together with the columns."""
    rows = [unit for unit in units_of(passage.text) if unit.cells] if has_figure("price", passage.text) else []
    above = set(terms(f"{passage.title} {passage.heading}"))
    for row in rows:
        label = set(terms(row.cells[0].text))
        priced = [cell for cell in row.cells[1:] if _DIGIT.search(cell.text) and _is_price(cell)]
        columns = set(terms(" ".join(cell.column for cell in priced)))
        if priced and named & label and named <= label | columns | above:
            return True
    return False


def _is_price(cell: Cell) -> bool:
    """Numbers below "Team" may count anything."""
    is_of_prices = not _CURRENCIES.isdisjoint(cell.column) or not ATTRIBUTES.isdisjoint(terms(cell.column))
    return has_amount(cell.text) or is_of_prices


def _score(question: str, passage: Passage) -> list[Quote]:
    query_terms = list(dict.fromkeys(terms(question)))
    units = units_of(passage.text)
    bags = [set(terms(f"{unit.text} {unit.lead}")) for unit in units]
    frequency = Counter(word for bag in bags for word in bag)
    weight = {word: math.log(1 + len(bags) / (1 + frequency[word])) for word in query_terms}
    wants_digits = wanted_figure(question) in ("price", "clock", "time", "number")
    heading_terms = set(terms(passage.heading))
    quotes = []
    for order, (unit, bag) in enumerate(zip(units, bags, strict=True)):
        score = sum(weight[word] * _word_score(word, bag, heading_terms) for word in query_terms) / (
            sum(weight.values()) or 1.0
        )
        score += 0.12 if wants_digits and _DIGIT.search(unit.text) else 0.0
        score += 0.05 if order == 0 and unit.kind != "row" else 0.0
        quotes.append(Quote(passage, unit, order, score))
    return quotes


def _word_score(word: str, bag: set[str], heading_terms: set[str]) -> float:
    if word in bag:
        return 1.0
    alternatives = synonyms().get(word, frozenset())
    if alternatives & bag:
        return 0.5
    return 0.2 if word in heading_terms or alternatives & heading_terms else 0.0
