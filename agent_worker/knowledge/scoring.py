"""How well a passage holds the words of a question: BM25 over its fields, counted over what is there now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from agent_worker.knowledge.census import Census
from agent_worker.knowledge.entries import PASSAGE_FIELDS
from agent_worker.knowledge.index import Hit, Term

BOOSTS = {"p_title": 2.0, "p_heading": 1.5, "p_body": 1.0}
K1 = 1.0
B = 0.5


def holdings(asked: Sequence[Term], hit: Hit, census: Census) -> list[float]:
    """For each word 0–1: 0 when nothing in the passage stands for it, nearer to 1 the more there is of it."""
    counts = [Counter(text.split()) for text in hit.fields]
    scales = [
        BOOSTS[name] / (1 - B + B * counted.total() / census.mean_length(name))
        for name, counted in zip(PASSAGE_FIELDS, counts, strict=True)
    ]
    return [max((factor * _held(text, counts, scales) for text, factor in term.options), default=0.0) for term in asked]


def _held(text: str, counts: Sequence[Mapping[str, int]], scales: Sequence[float]) -> float:
    much = sum(scale * counted[text] for scale, counted in zip(scales, counts, strict=True))
    return much / (much + K1)


def share(asked: Sequence[Term], held: Sequence[float]) -> float:
    """Of the question's whole weight, words that stand nowhere included."""
    total = sum(term.weight for term in asked)
    return sum(term.weight * part for term, part in zip(asked, held, strict=True)) / total if total else 0.0
