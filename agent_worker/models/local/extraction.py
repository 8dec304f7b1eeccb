"""Selection of the sentences that answer a question: verbatim, few, and in the document's order."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent_worker.knowledge.text.analysis import synonyms, terms
from agent_worker.knowledge.text.sentences import QuoteUnit, units_of
from schemas.ports import Passage

MAX_QUOTES = 4
MAX_WORDS = 110
SHORT_SECTION_WORDS = 70
"""A section of plain sentences up to this length is quoted as a whole, and alone."""
_MAX_OVERLAP = 0.6
_MIN_RELATIVE_SCORE = 0.7
"""Further sentences need this share of the best score."""
_MAX_PASSAGES = 3
_MIN_SCORE_BELOW_HEADING = 0.2
"""A passage below a heading is preferred to the introduction from this share of its score."""
_ASKS_FOR_FIGURE = re.compile(
    r"\b(?:how (?:much|many|long|often|deep|far|big|hot|cold|tall|soon)|when|price|cost|what time)\b", re.I
)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Quote:
    passage: Passage
    unit: QuoteUnit
    order: int
    score: float


def select_quotes(question: str, passages: Sequence[Passage]) -> list[Quote]:
    """The 1–4 best units of one document, about a hundred words at most; empty without passages."""
    nearest = _nearest_passages(passages)
    if not nearest:
        return []
    scored = _score(question, nearest)
    first = [quote for quote in scored if quote.passage is nearest[0]]
    if _is_answer(first):
        return first
    best = max(first or scored, key=lambda quote: (quote.score, -quote.order))
    chosen = [best]
    for quote in sorted(scored, key=lambda quote: -quote.score):
        has_room = len(chosen) < MAX_QUOTES and sum(_count_words(one) for one in [*chosen, quote]) <= MAX_WORDS
        is_good = quote.score >= _MIN_RELATIVE_SCORE * best.score and quote.score > 0
        if has_room and is_good and not any(repeats(quote, one) for one in chosen):
            chosen.append(quote)
    return _in_order(_with_leads(chosen, scored), nearest)


def _is_answer(section: Sequence[Quote]) -> bool:
    plain = all(quote.unit.kind == "sentence" for quote in section)
    return (
        bool(section)
        and plain
        and len(section) <= MAX_QUOTES
        and sum(_count_words(quote) for quote in section) <= SHORT_SECTION_WORDS
    )


def _count_words(quote: Quote) -> int:
    return len(quote.unit.text.split())


def repeats(quote: Quote, other: Quote) -> bool:
    """Return whether both are the same, or say the same in nearly the same words."""
    one, two = set(terms(quote.unit.text)), set(terms(other.unit.text))
    return quote.unit == other.unit or len(one & two) > _MAX_OVERLAP * max(1, min(len(one), len(two)))


def _nearest_passages(passages: Sequence[Passage]) -> list[Passage]:
    """The best passage and further ones of its document: an answer comes from one place."""
    if not passages:
        return []
    best = _best_passage(passages)
    same = [passage for passage in passages if passage.document == best.document and passage.score >= 0.6 * best.score]
    return [best, *(passage for passage in same if passage is not best)][:_MAX_PASSAGES]


def _best_passage(passages: Sequence[Passage]) -> Passage:
    """The best passage. The text before the first heading describes the page, often in the question's words, while the
    answer comes later."""
    best = passages[0]
    if best.heading:
        return best
    below = [passage for passage in passages if passage.document == best.document and passage.heading]
    return next((passage for passage in below if passage.score >= _MIN_SCORE_BELOW_HEADING * best.score), best)


def _score(question: str, passages: Sequence[Passage]) -> list[Quote]:
    query_terms = list(dict.fromkeys(terms(question)))
    units = [(passage, unit, n) for passage in passages for n, unit in enumerate(units_of(passage.text))]
    bags = [set(terms(f"{unit.text} {unit.lead}")) for _, unit, _ in units]
    frequency = Counter(word for bag in bags for word in bag)
    weight = {word: math.log(1 + len(bags) / (1 + frequency[word])) for word in query_terms}
    figures = bool(_ASKS_FOR_FIGURE.search(question))
    quotes = []
    for (passage, unit, order), bag in zip(units, bags, strict=True):
        heading_terms = set(terms(f"{passage.heading}"))
        score = sum(weight[word] * _word_score(word, bag, heading_terms) for word in query_terms) / (
            sum(weight.values()) or 1.0
        )
        score += 0.12 if figures and _DIGIT.search(unit.text) else 0.0
        score += 0.05 if order == 0 else 0.0
        quotes.append(Quote(passage, unit, order, score * (0.5 + 0.5 * passage.score)))
    return quotes


def _word_score(word: str, bag: set[str], heading_terms: set[str]) -> float:
    if word in bag:
        return 1.0
    alternatives = synonyms().get(word, frozenset())
    if alternatives & bag:
        return 0.5
    return 0.2 if word in heading_terms or alternatives & heading_terms else 0.0


def _with_leads(chosen: list[Quote], scored: Sequence[Quote]) -> list[Quote]:
    """Add the introducing line of a list, without which an item says too little."""
    out = list(chosen)
    for quote in chosen:
        if quote.unit.lead and len(out) < MAX_QUOTES:
            for other in scored:
                leads = other.passage is quote.passage and other.unit.quote == quote.unit.lead
                if leads and other not in out:
                    out.append(other)
    return out


def _in_order(chosen: Sequence[Quote], passages: Sequence[Passage]) -> list[Quote]:
    place = {id(passage): n for n, passage in enumerate(passages)}
    return sorted(chosen, key=lambda quote: (place[id(quote.passage)], quote.order))
