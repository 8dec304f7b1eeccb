"""The passages worth a closer look: found by words, by vectors, and more of the documents that lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent_worker.knowledge.encoder import Encoder
from agent_worker.knowledge.entries import key_of
from agent_worker.knowledge.index import Hit, TenantIndex, Term
from agent_worker.knowledge.questions import focused
from agent_worker.knowledge.scoring import holdings, share
from agent_worker.knowledge.understanding import understand

if TYPE_CHECKING:
    from agent_worker.knowledge.encoder import Vectors

_BY_WORDS = 40
_NEAREST = 60
_LEADING = 6
"""So many documents are looked at with more of their passages."""
_TERMS = 8
_WHOLE = 0.5
"""Share of the whole message against its best sentence."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """``held``: for each word of the whole message how well the passage holds it; ``words``: of the message's weight,
    with its best sentence taken into account; ``text`` and ``heading``: cosines, likewise. All 0–1."""

    hit: Hit
    held: list[float]
    words: float
    text: float
    heading: float


@dataclass(frozen=True, slots=True)
class Asked:
    """One message in all the ways it is looked up: whole first, then sentence by sentence."""

    queries: list[list[Term]]
    vectors: Vectors | None

    @property
    def whole(self) -> list[Term]:
        return self.queries[0]


def ask(index: TenantIndex, text: str, encoder: Encoder | None) -> Asked:
    texts = focused(text)
    vectors = encoder.encode(texts) if encoder is not None and index.rows is not None else None
    return Asked([understand(index, one) for one in texts], vectors)


def candidates(index: TenantIndex, asked: Asked, now: datetime) -> list[Candidate]:
    hits = _by_words(index, asked, now)
    if asked.vectors is not None and index.rows is not None:
        near = dict.fromkeys(key_of(row.document, row.order) for row in index.rows.nearest(asked.vectors, _NEAREST))
        found = index.passages([key for key in near if key not in hits], now)
        hits |= {hit.key: hit for hit in found}
    cosines = _cosines(index, {hit.document for hit in hits.values()}, asked)
    return [_weighed(index, asked, hit, cosines) for hit in hits.values()]


def _by_words(index: TenantIndex, asked: Asked, now: datetime) -> dict[str, Hit]:
    hits: dict[str, Hit] = {}
    for number, query in enumerate(asked.queries):
        wanted = _strongest(query)
        found = index.find_passages(wanted, now, _BY_WORDS if number == 0 else _BY_WORDS // 2)
        if number == 0:
            leading = index.find_documents(wanted, now, _LEADING)
            found += index.find_passages(wanted, now, _BY_WORDS, leading) if leading else []
        hits |= {hit.key: hit for hit in found}
    return hits


def _strongest(query: Sequence[Term]) -> list[Term]:
    return sorted((term for term in query if term.options), key=lambda term: -term.weight)[:_TERMS]


def _cosines(index: TenantIndex, documents: set[str], asked: Asked) -> dict[tuple[str, int, str], float]:
    if asked.vectors is None or index.rows is None:
        return {}
    return {
        tuple(row): _mixed(cosines)
        for document in documents
        for row, cosines in index.rows.cosines(document, asked.vectors).items()
    }


def _mixed(values: Sequence[float]) -> float:
    """The whole message's value and its best sentence's."""
    return values[0] if len(values) == 1 else _WHOLE * values[0] + (1 - _WHOLE) * max(values[1:])


def _weighed(index: TenantIndex, asked: Asked, hit: Hit, cosines: dict[tuple[str, int, str], float]) -> Candidate:
    held = [holdings(query, hit, index.census) for query in asked.queries]
    return Candidate(
        hit,
        held[0],
        _mixed([share(query, part) for query, part in zip(asked.queries, held, strict=True)]),
        cosines.get((hit.document, hit.order, "text"), 0.0),
        cosines.get((hit.document, hit.order, "heading"), 0.0),
    )
