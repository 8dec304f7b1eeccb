"""How sure we are that the documents hold an answer: a logistic function of the evidence.

The weights are fitted by ``calibration.py`` on the development half of a question file; none of them knows a word, a
document or a tenant.
"""

from __future__ import annotations

import math

from agent_worker.knowledge.retrieval import Evidence

BIAS = -4.0
WEIGHTS: dict[str, float] = {"coverage": 4.0, "text": 6.0, "strange": -3.0, "margin": 1.0}


def figures(evidence: Evidence) -> dict[str, float]:
    """What the weights are for."""
    best = evidence.best
    return {
        "passage": best.passage,
        "coverage": best.coverage,
        "text": best.text,
        "heading": best.heading,
        "support": best.support,
        "strange": evidence.strange,
        "margin": min(3.0, evidence.margin),
    }


def confidence(evidence: Evidence | None) -> float:
    """0–1; 0 when no word of the question stands in the documents."""
    if evidence is None or evidence.best.coverage == 0.0:
        return 0.0
    named = figures(evidence)
    total = BIAS + sum(weight * named[name] for name, weight in WEIGHTS.items())
    return round(1 / (1 + math.exp(-total)), 4)
