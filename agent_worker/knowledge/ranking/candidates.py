"""The passages worth a closer look: found by words, by vectors, and more of the documents that lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.passage_table import Place, View
from agent_worker.knowledge.index.query_filter import Sight, Term
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.bm25 import holdings, weights_of
from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.text.query_expansion import understand
from agent_worker.knowledge.text.query_splitting import focused, to_the_point
from agent_worker.knowledge.vectors.cosine_similarity import COSINES
from agent_worker.knowledge.vectors.encoder import Encoder, Kind, Vectors

Table = NDArray[np.float64]

_BY_WORDS = 30
_BY_SENTENCE = 10
_NEAREST = 40
_LEADING = 6
"""So many documents are looked at with more of their passages."""
_TERMS = 8
_WHOLE = 0.5
"""Share of the whole message against the best of it and its sentences."""
COMPARED: dict[Kind, tuple[str, ...]] = {"strong": COSINES, "light": ("text", "heading", "sentence"), "words": ()}
"""Which cosines there are to be weighed."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """A row each. ``held``: for each word of the whole message how well the passage holds it; ``near``: how near its
    nearest word is. ``of``: by ``names``, a column each, the share of the message's weight by either (``words``,
    ``alike``) and the cosines; in all of them the message's best sentence counts too. 0–1, cosines apart from what is
    shared −1–1."""

    places: list[Place]
    held: Table
    near: Table
    names: tuple[str, ...]
    of: Table


@dataclass(frozen=True)
class Asked:
    """One message in all the ways it is looked up: whole first, then by sentences that say enough by themselves.
    ``encoded`` gives their vectors, None where words alone are searched."""

    queries: list[list[Term]]
    encoded: Callable[[], Vectors] | None

    @property
    def whole(self) -> list[Term]:
        return self.queries[0]

    @cached_property
    def vectors(self) -> Vectors | None:
        """To be asked for as late as can be: they are made beside what goes by words."""
        return None if self.encoded is None else self.encoded()

    @property
    def vector(self) -> list[float]:
        """Of the whole message; empty without an encoder."""
        return [] if self.vectors is None else self.vectors[0].tolist()


def ask(index: TenantIndex, text: str, encoder: Encoder | None) -> Asked:
    text = to_the_point(text)
    texts = focused(text)
    encoded = encoder.asked(texts) if encoder is not None and index.vectors is not None else None
    whole = understand(index, text)
    parts = [set(terms(sentence)) for sentence in texts[1:]]
    queries = [whole, *([term for term in whole if term.text in part] for part in parts)]
    return Asked(queries, encoded)


def candidates(index: TenantIndex, asked: Asked, seen: Sight) -> Candidates | None:
    """None when there are none."""
    view = index.passages.view()
    places = list(dict.fromkeys([*_by_words(index, asked, seen), *_by_vectors(index, view, asked, seen)]))
    if not places:
        return None
    held = holdings(asked.whole, view, places, index.census)
    near = view.alike([term.surface for term in asked.whole], places)
    meant = _meant(index, places, asked)
    shares = _shares(asked)
    of = [_mixed(held @ shares), _mixed(near @ shares), *map(_mixed, meant)]
    names = ("words", "alike", *COMPARED[index.kind])
    return Candidates(places, held, near, names, np.stack(of, axis=1))


def _by_words(index: TenantIndex, asked: Asked, seen: Sight) -> Iterator[Place]:
    wanted = _strongest(asked.whole)
    if not wanted:
        return
    yield from index.find_passages(wanted, seen, _BY_WORDS)
    if leading := index.find_documents(wanted, seen, _LEADING):
        yield from index.find_passages(wanted, seen, _BY_WORDS, leading)
    for query in asked.queries[1:]:
        if sentence := _strongest(query):
            yield from index.find_passages(sentence, seen, _BY_SENTENCE)


def _by_vectors(index: TenantIndex, view: View, asked: Asked, seen: Sight) -> Iterator[Place]:
    if asked.vectors is None or index.vectors is None:
        return
    for place in index.places(index.vectors.nearest(asked.vectors, _NEAREST)):
        if view.shown(place.document, seen):
            yield place


def _strongest(query: Sequence[Term]) -> list[Term]:
    return sorted((term for term in query if term.options), key=lambda term: -term.weight)[:_TERMS]


def _meant(index: TenantIndex, places: Sequence[Place], asked: Asked) -> Vectors:
    if asked.vectors is None or index.vectors is None:
        return np.zeros((len(COMPARED[index.kind]), len(places), 1), np.float32)
    return index.vectors.cosines(places, asked.vectors, COMPARED[index.kind])


def _mixed(values: Table | Vectors) -> Table:
    """The whole message's value, in the first column, and the best one's."""
    mixed: Table = _WHOLE * values[:, 0] + (1 - _WHOLE) * values.max(axis=1)
    return mixed


def _shares(asked: Asked) -> Table:
    """How much each word of the whole message, a row, counts in each query, a column."""
    shares = np.zeros((len(asked.whole), len(asked.queries)))
    places = {term.text: place for place, term in enumerate(asked.whole)}
    for column, query in enumerate(asked.queries):
        shares[[places[term.text] for term in query], column] = weights_of(query)
    return shares
