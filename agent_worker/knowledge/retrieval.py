"""From a question to passages, and to the evidence for the best document: words and vectors together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agent_worker.knowledge.candidates import Asked, Candidate, ask, candidates
from agent_worker.knowledge.encoder import Encoder
from agent_worker.knowledge.index import Hit, TenantIndex
from agent_worker.knowledge.scoring import share

# What each figure of a document says for it; fitted by calibration.py, never on questions of the split ``test``.
FUSION: dict[str, float] = {
    "passage": 1.4,
    "coverage": 1.86,
    "text": 1.58,
    "heading": 2.03,
    "support": 1.77,
    "alike": 2.14,
    "alike_all": 3.01,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """One document against one question; every figure 0–1. ``passage``: share of the question's weight that its best
    passage holds; ``coverage``: that all its passages found hold together; ``text``, ``heading``: cosine of its nearest
    passage and heading; ``support``: mean cosine of its three nearest passages;
    ``alike``, ``alike_all``: as passage and coverage, by the likeness of words."""

    document: str
    passage: float = 0.0
    coverage: float = 0.0
    text: float = 0.0
    heading: float = 0.0
    support: float = 0.0
    alike: float = 0.0
    alike_all: float = 0.0

    @property
    def score(self) -> float:
        return sum(weight * float(getattr(self, name)) for name, weight in FUSION.items())


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer being in the documents. ``strange``: share of the question's weight that stands in no
    document; ``margin``: how far the best document's score is ahead of the next."""

    best: Standing
    strange: float
    margin: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """``standings`` best first; ``evidence`` is None when nothing was found."""

    hits: list[Hit]
    evidence: Evidence | None
    standings: list[Standing]


def rank(index: TenantIndex, text: str, now: datetime, encoder: Encoder | None = None) -> Ranked:
    """Passages best first, those of the best document before all others, their scores scaled to 0–1."""
    asked = ask(index, text, encoder)
    found: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates(index, asked, now):
        found[candidate.hit.document].append(candidate)
    if not found:
        return Ranked([], None, [])
    standings = [_standing(document, asked, passages) for document, passages in found.items()]
    standings.sort(key=lambda each: (-each.score, each.document))
    strange = share(asked.whole, [float(not term.options) for term in asked.whole])
    margin = standings[0].score - (standings[1].score if len(standings) > 1 else 0.0)
    return Ranked(_hits(found, standings), Evidence(standings[0], strange, margin), standings)


def _standing(document: str, asked: Asked, found: Sequence[Candidate]) -> Standing:
    together = [max(held) for held in zip(*(candidate.held for candidate in found), strict=True)]
    near = [max(alike) for alike in zip(*(candidate.alike for candidate in found), strict=True)]
    nearest = sorted((candidate.text for candidate in found), reverse=True)[:3]
    return Standing(
        document,
        passage=max(candidate.words for candidate in found),
        coverage=share(asked.whole, together),
        text=nearest[0],
        heading=max(candidate.heading for candidate in found),
        support=sum(nearest) / 3,
        alike=max(share(asked.whole, candidate.alike) for candidate in found),
        alike_all=share(asked.whole, near),
    )


def _hits(found: dict[str, list[Candidate]], standings: Sequence[Standing]) -> list[Hit]:
    """A passage stands as its document does, and in it by itself."""
    top = standings[0].score or 1.0
    most = max(candidate.point for passages in found.values() for candidate in passages) or 1.0
    out = []
    for standing in standings:
        for candidate in found[standing.document]:
            score = 0.5 * max(0.0, standing.score) / top + 0.5 * candidate.point / most
            out.append((standing is standings[0], replace(candidate.hit, score=score)))
    out.sort(key=lambda each: (not each[0], -each[1].score, each[1].key))
    return [hit for _, hit in out]
