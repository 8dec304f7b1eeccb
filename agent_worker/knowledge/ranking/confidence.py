"""How sure we are that the documents hold an answer: a logistic function of the evidence.

The weights are fitted by ``calibration.py`` on questions kept for that; none of them knows a word, a
document or a tenant.
"""

from __future__ import annotations

import math

from agent_worker.knowledge.ranking.ranker import Evidence
from agent_worker.knowledge.vectors.encoder import Kind

FIGURES: dict[Kind, tuple[str, ...]] = {
    "strong": ("few", "whole", "top", "lead", "strange"),
    "light": ("words", "coverage", "text", "heading", "sentence", "alike", "alike_all", "strange"),
    "words": ("words", "coverage", "strange"),
}
BIAS: dict[Kind, float] = {"strong": -14.73, "light": -3.57, "words": -2.09}
WEIGHTS: dict[Kind, dict[str, float]] = {
    "strong": {"few": 13.77, "whole": 1.75, "top": 0.16, "lead": 0.17, "strange": -0.98},
    "light": {
        "words": 2.91,
        "coverage": 1.16,
        "text": 3.31,
        "heading": -1.12,
        "sentence": 0.53,
        "alike": 0.65,
        "alike_all": 1.46,
        "strange": -0.57,
    },
    "words": {"words": 4.1, "coverage": 3.14, "strange": -0.92},
}

LEAN: dict[Kind, float] = {"strong": 0.5, "light": 0.0, "words": 0.0}
"""Added to the fitted odds, and part of BIAS. The questions without an answer that weights are fitted on are mostly
close misses, which customers rarely ask; chosen on the half named dev."""


def figures(evidence: Evidence) -> dict[str, float]:
    """Everything the weights may be about."""
    return {**evidence.best.of, "top": evidence.best.score, "lead": evidence.lead, "strange": evidence.strange}


def confidence(evidence: Evidence | None, kind: Kind) -> float:
    """0–1; 0 when nothing was found or, unless sentences are understood, when no word of the question was."""
    if evidence is None or (kind != "strong" and evidence.best.of["coverage"] == 0.0):
        return 0.0
    named = figures(evidence)
    total = BIAS[kind] + sum(weight * named[name] for name, weight in WEIGHTS[kind].items())
    return round(1 / (1 + math.exp(-total)), 4)
