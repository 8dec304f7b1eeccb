"""From a question to passages, and to the evidence for the best document: words and vectors together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.passage_table import Place, key_of
from agent_worker.knowledge.index.query_filter import sight
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.index.tenant_store import Hit
from agent_worker.knowledge.ranking.bm25 import Table, weights_of
from agent_worker.knowledge.ranking.candidates import Asked, Candidates, ask, candidates
from agent_worker.knowledge.text.analysis import primary
from agent_worker.knowledge.vectors.encoder import Encoder, Kind
from schemas.messages import Assurance
from schemas.ports import Found, Passage

# What each figure of a passage says for its being the answer; fitted by calibration.py.
FUSION: dict[Kind, dict[str, float]] = {
    "strong": {
        "whole": 12.82,
        "text": 7.49,
        "sentence": 7.13,
        "sentence_apart": 7.27,
        "few_apart": 2.86,
        "text_apart": 2.38,
        "alike": 2.52,
        "coverage": 3.92,
        "alike_all": 2.72,
    },
    "light": {
        "words": 1.95,
        "text": 6.86,
        "heading": 0.71,
        "sentence": 3.87,
        "alike": 4.09,
        "coverage": 4.61,
        "alike_all": 3.88,
    },
    "words": {"words": 13.7, "coverage": 10.43},
}
NOTHING = Found(passages=[], answerable=False, confidence=0.0)
_PATIENCE = 3.0
"""A passage's score falls to a third where its sum is so far behind the best one's."""
_FAR_AHEAD = 6.0
_ALONE = 2.0
"""A lead says nothing where there is one document only: then it is what leads usually are."""
_FOREIGN = "foreign"
_AGAINST_FOREIGN = -1.0
"""Logarithmic odds that a passage loses when its document is declared to be in another language than is wanted: enough
between translations of one text, too little to hide the only answer there is."""
_DIGITS = 9
"""What differs only beyond these differs by the order in which numbers were added up."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One document against one question. ``score``: logarithm of how likely one of its passages is the answer, up to a
    constant of the question. ``of``: each figure of its best passage in it: those of a candidate, and ``coverage`` and
    ``alike_all``, the share of the question's weight that all its passages found hold together, by their words and by
    their likeness."""

    document: str
    score: float
    of: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer being in the documents. ``strange``: share of the question's weight that stands in no
    document; ``asked``: how many words it has; ``lead``: by how much the best document is ahead of the next one."""

    best: Standing
    strange: float
    asked: int
    lead: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the passages found: a row each, in the order of ``places``; the columns are ``names``."""

    places: list[Place]
    names: tuple[str, ...]
    table: Table

    def column(self, name: str) -> Table:
        return self.table[:, self.names.index(name)]

    def sums(self, weights: Mapping[str, float]) -> Table:
        sums: Table = self.table[:, [self.names.index(name) for name in weights]] @ np.array(list(weights.values()))
        return sums


@dataclass(frozen=True, slots=True)
class Ranked:
    """``standings`` best first; ``evidence`` and ``figures`` are None when nothing was found. ``vector``: the whole
    message's, empty when words alone were searched."""

    hits: list[Hit]
    evidence: Evidence | None
    standings: list[Standing]
    figures: Figures | None
    vector: Sequence[float] = ()


def rank(
    index: TenantIndex,
    text: str,
    now: datetime,
    encoder: Encoder | None = None,
    most: int | None = None,
    *,
    assurance: Assurance = "anonymous",
    language: str = "",
) -> Ranked:
    """Passages best first, those of the best document before all others, their scores scaled to 0–1; ``most`` limits
    them, for reading them from the index takes its time. ``language`` is the preferred one; empty: none is."""
    asked, seen = ask(index, text, encoder), sight(now, assurance)
    found = candidates(index, asked, seen)
    if found is None:
        return Ranked([], None, [], None, asked.vector)
    figures, weights = _figures(asked, found), FUSION[index.kind]
    if language:
        figures, weights = _spoken(index, figures, language), {**weights, _FOREIGN: _AGAINST_FOREIGN}
    standings = standings_of(figures, weights)
    strange = float(weights_of(asked.whole) @ [not term.options for term in asked.whole])
    evidence = Evidence(standings[0], strange, len(asked.whole), lead_of(standings))
    scored = _scored(figures, weights, standings[0].document)[:most]
    read = index.read([place for place, _ in scored], seen)
    hits = [replace(read[at], score=score) for at, score in scored if at in read]
    return Ranked(hits, evidence, standings, figures, asked.vector)


def unfound(text: str, encoder: Encoder) -> Found:
    """Where there are no documents, and what else reads the message still needs its vector."""
    return replace(NOTHING, encoder=encoder.name, vector=encoder.encode_query([text])[0].tolist())


def standings_of(figures: Figures, weights: Mapping[str, float]) -> list[Standing]:
    """Best first. The likelihoods of a document's passages add up: several that are near say more than one."""
    documents, of = _documents(figures.places)
    sums = figures.sums(weights)
    most = _best(sums, of, len(documents))
    scores = most + np.log(np.bincount(of, np.exp(sums - most[of])))
    best = _best(figures.table, of, len(documents)).tolist()
    made = zip(documents, scores.tolist(), best, strict=True)
    standings = [Standing(name, score, dict(zip(figures.names, row, strict=True))) for name, score, row in made]
    return sorted(standings, key=lambda each: (-round(each.score, _DIGITS), each.document))


def lead_of(standings: Sequence[Standing]) -> float:
    """How far the first is ahead, in logarithmic odds, 0–6. Where an answer is, one document usually stands out."""
    return min(_FAR_AHEAD, standings[0].score - standings[1].score) if len(standings) > 1 else _ALONE


def _documents(places: Sequence[Place]) -> tuple[list[str], NDArray[np.intp]]:
    """The documents of the passages, and which of them each passage is of."""
    numbers: dict[str, int] = {}
    of = [numbers.setdefault(place.document, len(numbers)) for place in places]
    return list(numbers), np.array(of, np.intp)


def _best(values: Table, of: NDArray[np.intp], groups: int) -> Table:
    """The greatest of each group's rows."""
    order = np.argsort(of, kind="stable")
    best: Table = np.maximum.reduceat(values[order], np.searchsorted(of[order], np.arange(groups)), axis=0)
    return best


def _figures(asked: Asked, found: Candidates) -> Figures:
    documents, of = _documents(found.places)
    weights = weights_of(asked.whole)
    whole = [_best(values, of, len(documents)) @ weights for values in (found.held, found.near)]
    names = (*found.names, "coverage", "alike_all")
    return Figures(found.places, names, np.column_stack([found.of, *(values[of] for values in whole)]))


def _spoken(index: TenantIndex, figures: Figures, language: str) -> Figures:
    """With whether each passage's document is declared to be in another language."""
    view = index.passages.view()
    declared = [primary(view.language(place.document)) for place in figures.places]
    foreign = np.array([float(bool(each) and each != primary(language)) for each in declared])
    # Where there is nothing else, the language says nothing of how good an answer is.
    return Figures(
        figures.places, (*figures.names, _FOREIGN), np.column_stack([figures.table, foreign - foreign.min()])
    )


def _scored(figures: Figures, weights: Mapping[str, float], first: str) -> list[tuple[Place, float]]:
    """All passages in the order in which they are shown, each with its score."""
    sums = figures.sums(weights).tolist()
    most = max(value for place, value in zip(figures.places, sums, strict=True) if place.document == first)
    scores = [math.exp(min(0.0, value - most) / _PATIENCE) for value in sums]
    scored = zip(figures.places, scores, strict=True)
    return sorted(scored, key=lambda each: (each[0].document != first, -round(each[1], _DIGITS), key_of(*each[0])))


def passage_of(tenant: str, hit: Hit) -> Passage:
    return Passage(
        tenant, hit.document, hit.version, hit.title, hit.heading, hit.url, hit.text, min(1.0, round(hit.score, 4))
    )
