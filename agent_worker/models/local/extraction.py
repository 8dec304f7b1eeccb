"""Choosing the sentences that answer: verbatim, few, in the document's order."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent_worker.knowledge.text.analysis import synonyms, terms
from agent_worker.knowledge.text.sentences import Unit, units_of
from schemas.ports import Passage

MOST = 4
MOST_WORDS = 110
SHORT = 70
"""Words. A section of plain sentences no longer than this is an answer as it stands, and is quoted whole and alone."""
_SAME = 0.6
_NEAR = 0.7
"""A further sentence must score this share of the best."""
_PASSAGES = 3
_FURTHER_DOWN = 0.2
"""Share of the introduction's score with which a passage below a heading goes before it."""
_FIGURES = re.compile(
    r"\b(?:how (?:much|many|long|often|deep|far|big|hot|cold|tall|soon)|when|price|cost|what time)\b", re.I
)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Quote:
    passage: Passage
    unit: Unit
    order: int
    score: float


def quotes(question: str, passages: Sequence[Passage]) -> list[Quote]:
    """The 1–4 best units of one document, at most about a hundred words; empty when there are no passages."""
    near = _near(passages)
    if not near:
        return []
    scored = _score(question, near)
    first = [quote for quote in scored if quote.passage is near[0]]
    if _is_answer(first):
        return first
    best = max(first or scored, key=lambda quote: (quote.score, -quote.order))
    chosen = [best]
    for quote in sorted(scored, key=lambda quote: -quote.score):
        room = len(chosen) < MOST and sum(_size(one) for one in [*chosen, quote]) <= MOST_WORDS
        enough = quote.score >= _NEAR * best.score and quote.score > 0
        if room and enough and not any(repeats(quote, one) for one in chosen):
            chosen.append(quote)
    return _in_order(_with_leads(chosen, scored), near)


def _is_answer(section: Sequence[Quote]) -> bool:
    plain = all(quote.unit.kind == "sentence" for quote in section)
    return bool(section) and plain and len(section) <= MOST and sum(_size(quote) for quote in section) <= SHORT


def _size(quote: Quote) -> int:
    return len(quote.unit.shown.split())


def repeats(quote: Quote, other: Quote) -> bool:
    """Whether it is the other one, or says the same in nearly the same words."""
    one, two = set(terms(quote.unit.shown)), set(terms(other.unit.shown))
    return quote.unit == other.unit or len(one & two) > _SAME * max(1, min(len(one), len(two)))


def _near(passages: Sequence[Passage]) -> list[Passage]:
    """The best passage and the next ones of its document: an answer comes from one place."""
    if not passages:
        return []
    best = _answering(passages)
    same = [passage for passage in passages if passage.document == best.document and passage.score >= 0.6 * best.score]
    return [best, *(passage for passage in same if passage is not best)][:_PASSAGES]


def _answering(passages: Sequence[Passage]) -> Passage:
    """The best passage. What stands before the first heading says what the page is about, often in the words of the
    question; the answer stands further down."""
    best = passages[0]
    if best.heading:
        return best
    below = [passage for passage in passages if passage.document == best.document and passage.heading]
    return next((passage for passage in below if passage.score >= _FURTHER_DOWN * best.score), best)


def _score(question: str, passages: Sequence[Passage]) -> list[Quote]:
    asked = list(dict.fromkeys(terms(question)))
    units = [(passage, unit, n) for passage in passages for n, unit in enumerate(units_of(passage.text))]
    bags = [set(terms(f"{unit.shown} {unit.lead}")) for _, unit, _ in units]
    frequency = Counter(word for bag in bags for word in bag)
    weight = {word: math.log(1 + len(bags) / (1 + frequency[word])) for word in asked}
    figures = bool(_FIGURES.search(question))
    out = []
    for (passage, unit, order), bag in zip(units, bags, strict=True):
        around = set(terms(f"{passage.heading}"))
        score = sum(weight[word] * _hit(word, bag, around) for word in asked) / (sum(weight.values()) or 1.0)
        score += 0.12 if figures and _DIGIT.search(unit.shown) else 0.0
        score += 0.05 if order == 0 else 0.0
        out.append(Quote(passage, unit, order, score * (0.5 + 0.5 * passage.score)))
    return out


def _hit(word: str, bag: set[str], around: set[str]) -> float:
    if word in bag:
        return 1.0
    others = synonyms().get(word, frozenset())
    if others & bag:
        return 0.5
    return 0.2 if word in around or others & around else 0.0


def _with_leads(chosen: list[Quote], scored: Sequence[Quote]) -> list[Quote]:
    """An item without the line that introduces its list says too little."""
    out = list(chosen)
    for quote in chosen:
        if quote.unit.lead and len(out) < MOST:
            for other in scored:
                leads = other.passage is quote.passage and other.unit.quote == quote.unit.lead
                if leads and other not in out:
                    out.append(other)
    return out


def _in_order(chosen: Sequence[Quote], passages: Sequence[Passage]) -> list[Quote]:
    place = {id(passage): n for n, passage in enumerate(passages)}
    return sorted(chosen, key=lambda quote: (place[id(quote.passage)], quote.order))
