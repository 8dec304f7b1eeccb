"""Ranking of passages and documents for a question, by words and vectors together, with the evidence for the best
document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.query_filter import visibility_filter
from agent_worker.knowledge.index.stored_passage import StoredPassage
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.bm25 import Table, normalized_weights
from agent_worker.knowledge.ranking.candidates import Candidates, SearchQueries, build_queries, find_candidates
from agent_worker.knowledge.ranking.diversification import CLEAR_SHARE, spread
from agent_worker.knowledge.text.analysis import NO_SYNONYMS, Synonyms, primary_language
from agent_worker.knowledge.vectors.encoder import Encoder, Kind
from schemas.messages import Assurance
from schemas.ports import Passage, SearchResult

# Weight of each passage feature; fitted by calibration.py.
FUSION: dict[Kind, dict[str, float]] = {
    "strong": {
        "whole": 12.62,
        "text": 4.98,
        "sentence": 9.09,
        "sentence_apart": 5.41,
        "few_apart": 3.52,
        "text_apart": 2.12,
        "alike": 3.12,
        "coverage": 2.76,
        "alike_all": 0.93,
    },
    "vectors": {"whole": 30.65, "sentence_apart": 11.81, "few_apart": 4.74},
    "light": {
        "words": 5.33,
        "text": 5.08,
        "heading": 1.95,
        "sentence": 7.22,
        "alike": 4.79,
        "coverage": 3.77,
        "alike_all": 1.77,
    },
    "words": {"words": 20.42, "coverage": 9.82},
}
NOTHING = SearchResult(passages=[], answerable=False, confidence=0.0)
_SCORE_SCALE = 3.0
"""A passage this far behind the best one has a third of its score."""
_MAX_LEAD = 6.0
_LEAD_OF_ONLY_DOCUMENT = 2.0
"""A typical lead, because a single document has none."""
_FOREIGN = "foreign"
_FOREIGN_WEIGHT = -1.0
"""Log odds that a passage loses when its document is declared to be in another language than preferred: enough to
choose between translations, too little to hide the only answer."""
_RELATION = ("whole", "sentence", "words")
_DIGITS = 9
"""Differences beyond these digits come from the order of additions."""


@dataclass(frozen=True, slots=True)
class DocumentScore:
    """One document's score for a question: the log likelihood that one of its passages is the answer, up to a constant.
    ``features``: the best value of each passage feature, and ``coverage`` and ``alike_all``: the share of the
    question's weight that all its passages cover together, by words and by word similarity."""

    document: str
    score: float
    features: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence that the first passage answers. ``first``: its features; ``share``: its likelihood among all passages;
    ``top``: the best document's score; ``lead``: how far that document is ahead of the next one; ``unknown_share``:
    share of the question's weight in words that no document contains; ``query_length``: its number of distinct
    words."""

    first: Mapping[str, float]
    share: float
    top: float
    lead: float
    unknown_share: float
    query_length: int


@dataclass(frozen=True, slots=True)
class PassageFeatures:
    """A row for each of ``passages``, a column for each of ``names``."""

    passages: list[StoredPassage]
    names: tuple[str, ...]
    table: Table

    def column(self, name: str) -> Table:
        return self.table[:, self.names.index(name)]

    def sums(self, weights: Mapping[str, float]) -> Table:
        sums: Table = self.table[:, [self.names.index(name) for name in weights]] @ np.array(list(weights.values()))
        return sums

    def relations(self) -> Table:
        """How much each passage has to do with the question: the sum of some features, of which a search by words has
        fewer."""
        relations: Table = self.table[:, [self.names.index(name) for name in _RELATION if name in self.names]].sum(
            axis=1
        )
        return relations


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with its score. ``order``: its position in its document; ``relation``: how much its words and vectors
    have to do with the question, 0–3, whatever else was found."""

    document: str
    version: int
    title: str
    heading: str
    url: str
    text: str
    order: int
    score: float
    relation: float

    @property
    def key(self) -> str:
        """Document and position in one string."""
        return f"{self.order}/{self.document}"


@dataclass(frozen=True, slots=True)
class RankingResult:
    """``documents`` best first; ``evidence`` and ``features`` are None when nothing was found. ``kind``: of the search;
    ``vector``: the whole message's, empty for a search by words alone."""

    hits: list[Hit]
    evidence: Evidence | None
    documents: list[DocumentScore]
    features: PassageFeatures | None
    kind: Kind
    vector: Sequence[float] = ()


def rank(
    index: TenantIndex,
    text: str,
    now: datetime,
    encoder: Encoder | None = None,
    most: int | None = None,
    *,
    own_synonyms: Synonyms = NO_SYNONYMS,
) -> RankingResult:
    """Do as ``rank_queries`` for a message. ``own_synonyms``: the tenant's."""
    return rank_queries(index, build_queries(index, text, encoder, own_synonyms), now, most)


def rank_queries(
    index: TenantIndex,
    queries: SearchQueries,
    now: datetime,
    most: int | None = None,
    *,
    assurance: Assurance = "anonymous",
    language: str = "",
) -> RankingResult:
    """Passages, best first and spread over documents, with scores scaled to 0–1, ``most`` of them. ``language``: the
    preferred one, empty for none."""
    candidates = find_candidates(index, queries, visibility_filter(now, assurance))
    if candidates is None:
        return RankingResult([], None, [], None, queries.kind, queries.vector)
    figures, weights = _build_features(queries, candidates), FUSION[queries.kind]
    if language:
        figures, weights = _add_language(figures, language), {**weights, _FOREIGN: _FOREIGN_WEIGHT}
    documents = score_documents(figures, weights)
    unknown_share = float(normalized_weights(queries.message) @ [not term.options for term in queries.message])
    evidence = weigh_evidence(figures, weights, documents, unknown_share, len(queries.message))
    hits = _spread_passages(figures, weights, documents, most)
    return RankingResult(hits, evidence, documents, figures, queries.kind, queries.vector)


def weigh_evidence(
    figures: PassageFeatures,
    weights: Mapping[str, float],
    documents: Sequence[DocumentScore],
    unknown_share: float,
    query_length: int,
) -> Evidence:
    """``documents``: their scores, best first."""
    sums = figures.sums(weights)
    best = order_passages(figures, weights)[0]
    share = float(1 / np.exp(sums - sums[best]).sum())
    features = dict(zip(figures.names, figures.table[best].tolist(), strict=True))
    return Evidence(features, share, documents[0].score, score_lead(documents), unknown_share, query_length)


def empty_result(text: str, encoder: Encoder) -> SearchResult:
    """The result for a tenant without documents. Other readers of the message still need its vector."""
    return replace(NOTHING, encoder=encoder.name, vector=encoder.encode_query([text])[0].tolist())


def score_documents(figures: PassageFeatures, weights: Mapping[str, float]) -> list[DocumentScore]:
    """Documents, best first. The likelihoods of a document's passages add up, because several near passages are
    stronger evidence than one."""
    documents, groups = _group_by_document(figures.passages)
    sums = figures.sums(weights)
    maxima = _group_maxima(sums, groups, len(documents))
    scores = maxima + np.log(np.bincount(groups, np.exp(sums - maxima[groups])))
    best = _group_maxima(figures.table, groups, len(documents)).tolist()
    rows = zip(documents, scores.tolist(), best, strict=True)
    scored = [DocumentScore(name, score, dict(zip(figures.names, row, strict=True))) for name, score, row in rows]
    return sorted(scored, key=lambda each: (-round(each.score, _DIGITS), each.document))


def score_lead(documents: Sequence[DocumentScore]) -> float:
    """The lead of the first document, in log odds, 0–6. If there is an answer, one document usually stands out."""
    return min(_MAX_LEAD, documents[0].score - documents[1].score) if len(documents) > 1 else _LEAD_OF_ONLY_DOCUMENT


def clear_document(documents: Sequence[DocumentScore]) -> str | None:
    """The document that clearly holds the answer, if one does. ``documents``: best first."""
    share = 1 / sum(math.exp(each.score - documents[0].score) for each in documents)
    return documents[0].document if share >= CLEAR_SHARE else None


def _group_by_document(passages: Sequence[StoredPassage]) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct documents of the passages, and each passage's document by index."""
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(passage.document, len(numbers)) for passage in passages]
    return list(numbers), np.array(groups, np.intp)


def _group_maxima(values: Table, group: NDArray[np.intp], count: int) -> Table:
    """The greatest of each group's rows."""
    order = np.argsort(group, kind="stable")
    maxima: Table = np.maximum.reduceat(values[order], np.searchsorted(group[order], np.arange(count)), axis=0)
    return maxima


def _build_features(queries: SearchQueries, candidates: Candidates) -> PassageFeatures:
    documents, groups = _group_by_document(candidates.passages)
    weights = normalized_weights(queries.message)
    coverage = [
        _group_maxima(values, groups, len(documents)) @ weights
        for values in (candidates.word_scores, candidates.word_similarities)
    ]
    names = (*candidates.names, "coverage", "alike_all")
    return PassageFeatures(
        candidates.passages, names, np.column_stack([candidates.features, *(values[groups] for values in coverage)])
    )


def _add_language(figures: PassageFeatures, language: str) -> PassageFeatures:
    """The features with a column that tells whether the document is declared to be in another language."""
    declared = [primary_language(passage.language) for passage in figures.passages]
    foreign = np.array([float(bool(each) and each != primary_language(language)) for each in declared])
    # If all documents are foreign, the language says nothing about the answer's quality.
    return PassageFeatures(
        figures.passages, (*figures.names, _FOREIGN), np.column_stack([figures.table, foreign - foreign.min()])
    )


def order_passages(figures: PassageFeatures, weights: Mapping[str, float]) -> list[int]:
    """Positions of the passages, best first."""
    keys = [
        (-round(value, _DIGITS), passage.number)
        for value, passage in zip(figures.sums(weights).tolist(), figures.passages, strict=True)
    ]
    return sorted(range(len(keys)), key=keys.__getitem__)


def _spread_passages(
    figures: PassageFeatures, weights: Mapping[str, float], documents: Sequence[DocumentScore], most: int | None
) -> list[Hit]:
    """The first ``most`` passages in display order, each with its score."""
    sums, relations = figures.sums(weights).tolist(), figures.relations().tolist()
    order = order_passages(figures, weights)
    shown = spread([figures.passages[place].document for place in order], clear_document(documents))[:most]
    return [
        _hit(figures.passages[place], math.exp((sums[place] - sums[order[0]]) / _SCORE_SCALE), relations[place])
        for place in (order[position] for position in shown)
    ]


def _hit(found: StoredPassage, score: float, relation: float) -> Hit:
    place = (found.document, found.version, found.title, found.heading, found.url)
    return Hit(*place, found.text, found.order, score, relation)


def passage_of(tenant: str, hit: Hit, *, related: bool) -> Passage:
    score = min(1.0, round(hit.score, 4))
    return Passage(tenant, hit.document, hit.version, hit.title, hit.heading, hit.url, hit.text, score, related=related)
