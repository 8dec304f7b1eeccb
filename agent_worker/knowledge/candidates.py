"""The passages worth a closer look: found by words, by vectors, and more of the documents that lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent_worker.knowledge.analysis import terms
from agent_worker.knowledge.encoder import Encoder
from agent_worker.knowledge.entries import key_of
from agent_worker.knowledge.index import Hit, TenantIndex, Term
from agent_worker.knowledge.questions import focused, to_the_point
from agent_worker.knowledge.scoring import holdings, share
from agent_worker.knowledge.understanding import understand
from agent_worker.knowledge.vectors import COSINES

if TYPE_CHECKING:
    from agent_worker.knowledge.encoder import Vectors

_BY_WORDS = 30
_BY_SENTENCE = 10
_NEAREST = 40
_LEADING = 6
"""So many documents are looked at with more of their passages."""
_TERMS = 8
_WHOLE = 0.5
"""Share of the whole message against the best of it and its sentences."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """``held``: for each word of the whole message how well the passage holds it; ``near``: how near its nearest word
    is. ``of``: by name, the share of the message's weight by either (``words``, ``alike``) and the cosines; in all of
    them the message's best sentence counts too. 0–1, cosines apart from what is shared −1–1."""

    hit: Hit
    held: list[float]
    near: list[float]
    of: dict[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """One message in all the ways it is looked up: whole first, then by sentences that say enough by themselves."""

    queries: list[list[Term]]
    vectors: Vectors | None

    @property
    def whole(self) -> list[Term]:
        return self.queries[0]


def ask(index: TenantIndex, text: str, encoder: Encoder | None) -> Asked:
    text = to_the_point(text)
    texts = focused(text)
    vectors = encoder.encode_query(texts) if encoder is not None and index.vectors is not None else None
    whole = understand(index, text)
    parts = [set(terms(sentence)) for sentence in texts[1:]]
    queries = [whole, *([term for term in whole if term.text in part] for part in parts)]
    return Asked(queries, vectors)


def candidates(index: TenantIndex, asked: Asked, now: datetime) -> list[Candidate]:
    by_key = _by_words(index, asked, now)
    if asked.vectors is not None and index.vectors is not None:
        rows = index.vectors.rows.nearest(asked.vectors, _NEAREST)
        near = dict.fromkeys(key_of(row.document, row.order) for row in rows)
        by_key |= {hit.key: hit for hit in index.passages([key for key in near if key not in by_key], now)}
    hits = list(by_key.values())
    meant = _meant(index, hits, asked)
    alike = _alike(index, asked, hits)
    return [_weighed(index, asked, hit, of, near) for hit, of, near in zip(hits, meant, alike, strict=True)]


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


def _meant(index: TenantIndex, hits: Sequence[Hit], asked: Asked) -> list[list[list[float]]]:
    if asked.vectors is None or index.vectors is None:
        return [[[0.0]] * len(COSINES)] * len(hits)
    return index.vectors.cosines([(hit.document, hit.order) for hit in hits], asked.vectors)


def _mixed(values: Sequence[float]) -> float:
    """The whole message's value and the best one's."""
    return _WHOLE * values[0] + (1 - _WHOLE) * max(values)


def _weighed(
    index: TenantIndex, asked: Asked, hit: Hit, meant: Sequence[Sequence[float]], near: list[float]
) -> Candidate:
    held = holdings(asked.whole, hit, index.census)
    figures = (_shares(asked, held), _shares(asked, near), *meant)
    names = ("words", "alike", *COSINES)
    return Candidate(hit, held, near, {name: _mixed(values) for name, values in zip(names, figures, strict=True)})


def _shares(asked: Asked, values: Sequence[float]) -> list[float]:
    """Of each query's weight, from the values of the whole message's words."""
    of = {term.text: value for term, value in zip(asked.whole, values, strict=True)}
    return [share(query, [of[term.text] for term in query]) for query in asked.queries]
