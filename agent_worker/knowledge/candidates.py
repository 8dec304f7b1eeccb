"""The passages worth a closer look: found by words, by vectors, and more of the documents that lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent_worker.knowledge.analysis import terms
from agent_worker.knowledge.dense import Row
from agent_worker.knowledge.encoder import Encoder
from agent_worker.knowledge.entries import key_of
from agent_worker.knowledge.index import Hit, TenantIndex, Term
from agent_worker.knowledge.questions import asks, focused
from agent_worker.knowledge.scoring import holdings, share
from agent_worker.knowledge.understanding import understand

if TYPE_CHECKING:
    from agent_worker.knowledge.encoder import Vectors

_BY_WORDS = 30
_BY_SENTENCE = 10
_NEAREST = 40
_LEADING = 6
"""So many documents are looked at with more of their passages."""
_TERMS = 8
_INTRODUCTION = 0.4
"""What stands before the first heading says what the page is about; the answer stands further down."""
_WHOLE = 0.5
"""Share of the whole message against its best sentence."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """``held``: for each word of the whole message how well the passage holds it; ``alike``: how near its nearest word
    is. ``words``: share of the message's weight that the passage holds, with its best sentence taken into account;
    ``text`` and ``heading``: cosines, likewise. ``point``: how well the passage answers the sentence that asks.
    All 0–1."""

    hit: Hit
    held: list[float]
    words: float
    text: float
    heading: float
    alike: list[float]
    point: float


@dataclass(frozen=True, slots=True)
class Asked:
    """One message in all the ways it is looked up: whole first, then by sentences that say enough by themselves."""

    queries: list[list[Term]]
    vectors: Vectors | None
    asking: int = 0
    """Which of the queries is the question proper; the whole message when no sentence of it stands out."""

    @property
    def whole(self) -> list[Term]:
        return self.queries[0]


def ask(index: TenantIndex, text: str, encoder: Encoder | None) -> Asked:
    texts = focused(text)
    vectors = encoder.encode(texts) if encoder is not None and index.rows is not None else None
    whole = understand(index, text)
    parts = [set(terms(sentence)) for sentence in texts[1:]]
    queries = [whole, *([term for term in whole if term.text in part] for part in parts)]
    return Asked(queries, vectors, 1 if len(texts) > 1 and asks(texts[1]) else 0)


def candidates(index: TenantIndex, asked: Asked, now: datetime) -> list[Candidate]:
    by_key = _by_words(index, asked, now)
    if asked.vectors is not None and index.rows is not None:
        near = dict.fromkeys(key_of(row.document, row.order) for row in index.rows.nearest(asked.vectors, _NEAREST))
        by_key |= {hit.key: hit for hit in index.passages([key for key in near if key not in by_key], now)}
    hits = list(by_key.values())
    cosines = _cosines(index, hits, asked)
    alike = _alike(index, asked, hits)
    return [_weighed(index, asked, hit, cosines, near) for hit, near in zip(hits, alike, strict=True)]


def _by_words(index: TenantIndex, asked: Asked, now: datetime) -> dict[str, Hit]:
    wanted = _strongest(asked.whole)
    if not wanted:
        return {}
    found = index.find_passages(wanted, now, _BY_WORDS)
    if leading := index.find_documents(wanted, now, _LEADING):
        found += index.find_passages(wanted, now, _BY_WORDS, leading)
    for query in asked.queries[1:]:
        if sentence := _strongest(query):
            found += index.find_passages(sentence, now, _BY_SENTENCE)
    return {hit.key: hit for hit in found}


def _strongest(query: Sequence[Term]) -> list[Term]:
    return sorted((term for term in query if term.options), key=lambda term: -term.weight)[:_TERMS]


def _alike(index: TenantIndex, asked: Asked, hits: Sequence[Hit]) -> list[list[float]]:
    words = [term.surface for term in asked.whole]
    if index.likeness is None or not words or not hits:
        return [[0.0] * len(words) for _ in hits]
    return index.likeness.of(words, [hit.words for hit in hits])


def _cosines(index: TenantIndex, hits: Sequence[Hit], asked: Asked) -> dict[Row, list[float]]:
    if asked.vectors is None or index.rows is None:
        return {}
    rows = [
        row for hit in hits for row in (Row(hit.document, hit.order, "text"), Row(hit.document, hit.order, "heading"))
    ]
    return index.rows.cosines(rows, asked.vectors)


def _mixed(values: Sequence[float]) -> float:
    """The whole message's value and its best sentence's."""
    return values[0] if len(values) == 1 else _WHOLE * values[0] + (1 - _WHOLE) * max(values[1:])


def _weighed(
    index: TenantIndex, asked: Asked, hit: Hit, cosines: Mapping[Row, list[float]], alike: list[float]
) -> Candidate:
    held = holdings(asked.whole, hit, index.census)
    words = _shares(asked, held)
    near = _shares(asked, alike)
    nothing = [0.0] * len(words)
    text = cosines.get(Row(hit.document, hit.order, "text"), nothing)
    heading = cosines.get(Row(hit.document, hit.order, "heading"), nothing)
    points = [(words[n] + text[n] + heading[n] + near[n]) / 4 for n in (0, asked.asking)]
    point = sum(points) / 2 * (1.0 if hit.heading else _INTRODUCTION)
    return Candidate(hit, held, _mixed(words), _mixed(text), _mixed(heading), alike, max(0.0, point))


def _shares(asked: Asked, values: Sequence[float]) -> list[float]:
    """Of each query's weight, from the values of the whole message's words."""
    of = {term.text: value for term, value in zip(asked.whole, values, strict=True)}
    return [share(query, [of[term.text] for term in query]) for query in asked.queries]
