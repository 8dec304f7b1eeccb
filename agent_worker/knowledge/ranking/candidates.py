"""Candidate passages for ranking, found by words, by vectors, and in the leading documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.query_filter import QueryTerm, VisibilityFilter
from agent_worker.knowledge.index.stored_passage import StoredPassage
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.bm25 import bm25_scores, normalized_weights
from agent_worker.knowledge.text.addresses import remove_addresses
from agent_worker.knowledge.text.analysis import NO_SYNONYMS, Synonyms, terms
from agent_worker.knowledge.text.query_expansion import expand_query, use_known_words
from agent_worker.knowledge.text.query_splitting import focused_queries, select_relevant, strip_courtesies
from agent_worker.knowledge.vectors.cosine_similarity import COSINES, cosines_of
from agent_worker.knowledge.vectors.encoder import Encoder, Kind, Vectors
from agent_worker.knowledge.vectors.word_similarity import word_similarity

Table = NDArray[np.float64]

_MAX_BY_WORDS = 30
_MAX_BY_SENTENCE = 10
_MAX_BY_VECTORS = 30
_MAX_LEADING = 6
"""Documents of which further passages become candidates."""
_MESSAGE_SHARE = 0.5
"""Share of the whole message's value, against the best value of the message and its sentences."""
COSINE_FEATURES: dict[Kind, tuple[str, ...]] = {
    "strong": COSINES,
    "vectors": COSINES,
    "light": ("text", "heading", "sentence", "whole", "text_apart", "sentence_apart", "few_apart"),
    "words": (),
}
"""The cosines that are weighed for each kind of encoder."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """A row for each passage. ``word_scores``: the passage's score for each word of the message; ``word_similarities``:
    the similarity of its nearest word. ``features``: a column for each of ``names``: the share of the message's weight
    by either (``words``, ``alike``) and the cosines. In all of them the message's best sentence counts too. Values are
    0–1, cosines without the common part −1–1."""

    passages: list[StoredPassage]
    word_scores: Table
    word_similarities: Table
    names: tuple[str, ...]
    features: Table


@dataclass(frozen=True)
class SearchQueries:
    """One message in all the ways it is searched: as a whole first, then its sentences that can stand alone.
    ``terms`` are empty in a search by vectors alone; ``encoded`` returns their vectors, None for a search by words
    alone."""

    terms: list[list[QueryTerm]]
    encoded: Callable[[], Vectors] | None
    encoder: Encoder | None
    kind: Kind

    @property
    def message(self) -> list[QueryTerm]:
        return self.terms[0]

    @cached_property
    def vectors(self) -> Vectors | None:
        """Read it as late as possible: the vectors are computed while the word search runs."""
        return None if self.encoded is None else self.encoded()

    @property
    def takes_long(self) -> bool:
        """Whether the vectors take milliseconds, which a thread should wait for."""
        return self.encoded is not None and self.kind in ("strong", "vectors")

    @property
    def vector(self) -> list[float]:
        """The vector of the whole message; empty without an encoder."""
        return [] if self.vectors is None else self.vectors[0].tolist()


def build_queries(
    index: TenantIndex, text: str, encoder: Encoder | None = None, own_synonyms: Synonyms = NO_SYNONYMS
) -> SearchQueries:
    """``own_synonyms``: the tenant's."""
    text = strip_courtesies(remove_addresses(select_relevant(text), lambda term: index.document_frequency(term) > 0))
    texts = focused_queries(text)
    kind = encoder.kind if encoder is not None else index.kind
    # Words that another language happens to share mislead.
    reads_words = kind != "vectors"
    worded = [use_known_words(index, each) for each in texts] if reads_words else texts
    encoded = encoder.start_query(worded) if encoder is not None and index.vectors is not None else None
    message = expand_query(index, text, own_synonyms) if reads_words else []
    sentences = [_part_of(message, sentence) for sentence in texts[1:]]
    return SearchQueries([message, *sentences], encoded, encoder, kind)


def _part_of(message: Sequence[QueryTerm], sentence: str) -> list[QueryTerm]:
    """The message's terms that occur in one of its sentences."""
    counts = Counter(terms(sentence))
    return [replace(term, count=counts[term.text]) for term in message if term.text in counts]


def find_candidates(index: TenantIndex, queries: SearchQueries, visibility: VisibilityFilter) -> Candidates | None:
    """None when nothing was found."""
    found = [*_find_by_words(index, queries, visibility), *_find_by_vectors(index, queries)]
    passages = index.read(list(dict.fromkeys(found)), visibility)
    if not passages:
        return None
    scores = bm25_scores(queries.message, passages, index.totals.mean_lengths)
    similarities = _word_similarities(queries, passages)
    cosines = _cosines(index, passages, queries)
    shares = _weight_shares(queries)
    features = [_combine(scores @ shares), _combine(similarities @ shares), *map(_combine, cosines)]
    names = ("words", "alike", *COSINE_FEATURES[queries.kind])
    return Candidates(passages, scores, similarities, names, np.stack(features, axis=1))


def _find_by_words(index: TenantIndex, queries: SearchQueries, visibility: VisibilityFilter) -> Iterator[int]:
    """Numbers of passages."""
    if not any(term.options for term in queries.message):
        return
    yield from index.find_passages(queries.message, visibility, _MAX_BY_WORDS)
    if leading := index.find_documents(queries.message, visibility, _MAX_LEADING):
        yield from index.find_passages(queries.message, visibility, _MAX_BY_WORDS, leading)
    for sentence in queries.terms[1:]:
        yield from index.find_passages(sentence, visibility, _MAX_BY_SENTENCE)


def _find_by_vectors(index: TenantIndex, queries: SearchQueries) -> list[int]:
    return [] if queries.vectors is None else index.find_nearest(queries.vectors, _MAX_BY_VECTORS)


def _word_similarities(queries: SearchQueries, passages: Sequence[StoredPassage]) -> Table:
    """See ``WordSimilarity.of``; all zero without an encoder."""
    surfaces = [term.surface for term in queries.message]
    if queries.encoder is None or not surfaces:
        return np.zeros((len(passages), len(surfaces)))
    return word_similarity(queries.encoder).of(surfaces, [passage.words for passage in passages])


def _cosines(index: TenantIndex, passages: Sequence[StoredPassage], queries: SearchQueries) -> Vectors:
    names = COSINE_FEATURES[queries.kind]
    if queries.vectors is None or index.vectors is None:
        return np.zeros((len(names), len(passages), 1), np.float32)
    return cosines_of(passages, queries.vectors, index.vectors.common, names)


def _combine(values: Table | Vectors) -> Table:
    """The whole message's value, from the first column, combined with the best one."""
    combined: Table = _MESSAGE_SHARE * values[:, 0] + (1 - _MESSAGE_SHARE) * values.max(axis=1)
    return combined


def _weight_shares(queries: SearchQueries) -> Table:
    """Weight of each word of the message, a row, in each query, a column."""
    shares = np.zeros((len(queries.message), len(queries.terms)))
    places = {term.text: place for place, term in enumerate(queries.message)}
    for column, query in enumerate(queries.terms):
        shares[[places[term.text] for term in query], column] = normalized_weights(query)
    return shares
