"""How well a passage holds the words of a question: BM25 over its fields, counted over what is there now."""

from __future__ import annotations

from collections.abc import Sequence

from agent_worker.knowledge.census import Census
from agent_worker.knowledge.entries import PASSAGE_FIELDS
from agent_worker.knowledge.index import Hit, Term

BOOSTS = {"p_title": 2.0, "p_heading": 1.5, "p_body": 1.0}
K1 = 1.0
B = 0.5


def holdings(asked: Sequence[Term], hit: Hit, census: Census) -> list[float]:
    """For each word 0–1: 0 when nothing in the passage stands for it, nearer to 1 the more there is of it."""
    much: dict[str, float] = {}
    for name, text in zip(PASSAGE_FIELDS, hit.fields, strict=True):
        found = text.split()
        scale = BOOSTS[name] / (1 - B + B * len(found) / census.mean_length(name))
        for term in found:
            much[term] = much.get(term, 0.0) + scale
    return [_held(term, much) for term in asked]


def _held(term: Term, much: dict[str, float]) -> float:
    best = 0.0
    for text, factor in term.options:
        if text in much:
            best = max(best, factor * much[text] / (much[text] + K1))
    return best


def share(asked: Sequence[Term], held: Sequence[float]) -> float:
    """Of the question's whole weight, words that stand nowhere included."""
    total = sum(term.weight for term in asked)
    return sum(term.weight * part for term, part in zip(asked, held, strict=True)) / total if total else 0.0
