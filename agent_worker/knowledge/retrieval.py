"""From a question to passages, and to the evidence for the best document: words and vectors together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agent_worker.knowledge.candidates import Asked, Candidate, ask, candidates
from agent_worker.knowledge.encoder import Encoder, Kind
from agent_worker.knowledge.index import Hit, TenantIndex
from agent_worker.knowledge.scoring import share

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
_PATIENCE = 3.0
"""A passage's score falls to a third where its sum is so far behind the best one's."""
_FAR_AHEAD = 6.0
_ALONE = 2.0
"""A lead says nothing where there is one document only: then it is what leads usually are."""


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
    """One passage's, by the names that FUSION uses."""

    hit: Hit
    of: dict[str, float]

    def sum(self, weights: Mapping[str, float]) -> float:
        return sum(weight * self.of[name] for name, weight in weights.items())


@dataclass(frozen=True, slots=True)
class Ranked:
    """``standings`` best first; ``evidence`` is None when nothing was found. ``figures`` as the passages were found."""

    hits: list[Hit]
    evidence: Evidence | None
    standings: list[Standing]
    figures: list[Figures]


def rank(index: TenantIndex, text: str, now: datetime, encoder: Encoder | None = None) -> Ranked:
    """Passages best first, those of the best document before all others, their scores scaled to 0–1."""
    asked = ask(index, text, encoder)
    found: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates(index, asked, now):
        found[candidate.hit.document].append(candidate)
    if not found:
        return Ranked([], None, [], [])
    figures = [each for passages in found.values() for each in _figures(asked, passages)]
    standings = standings_of(figures, FUSION[index.kind])
    strange = share(asked.whole, [float(not term.options) for term in asked.whole])
    evidence = Evidence(standings[0], strange, len(asked.whole), lead_of(standings))
    return Ranked(_hits(index.kind, figures, standings[0].document), evidence, standings, figures)


def standings_of(figures: Sequence[Figures], weights: Mapping[str, float]) -> list[Standing]:
    """Best first. The likelihoods of a document's passages add up: several that are near say more than one."""
    of: defaultdict[str, list[Figures]] = defaultdict(list)
    for each in figures:
        of[each.hit.document].append(each)
    standings = [_standing(document, passages, weights) for document, passages in of.items()]
    return sorted(standings, key=lambda each: (-each.score, each.document))


def lead_of(standings: Sequence[Standing]) -> float:
    """How far the first is ahead, in logarithmic odds, 0–6. Where an answer is, one document usually stands out."""
    return min(_FAR_AHEAD, standings[0].score - standings[1].score) if len(standings) > 1 else _ALONE


def _standing(document: str, figures: Sequence[Figures], weights: Mapping[str, float]) -> Standing:
    sums = [each.sum(weights) for each in figures]
    most = max(sums)
    score = most + math.log(sum(math.exp(each - most) for each in sums))
    return Standing(document, score, {name: max(each.of[name] for each in figures) for name in figures[0].of})


def _figures(asked: Asked, found: Sequence[Candidate]) -> list[Figures]:
    together = share(asked.whole, [max(held) for held in zip(*(candidate.held for candidate in found), strict=True)])
    near = share(asked.whole, [max(near) for near in zip(*(candidate.near for candidate in found), strict=True)])
    return [Figures(each.hit, {**each.of, "coverage": together, "alike_all": near}) for each in found]


def _hits(kind: Kind, figures: Sequence[Figures], first: str) -> list[Hit]:
    sums = [each.sum(FUSION[kind]) for each in figures]
    most = max(value for each, value in zip(figures, sums, strict=True) if each.hit.document == first)
    hits = [
        replace(each.hit, score=math.exp(min(0.0, value - most) / _PATIENCE))
        for each, value in zip(figures, sums, strict=True)
    ]
    return sorted(hits, key=lambda hit: (hit.document != first, -hit.score, hit.key))
