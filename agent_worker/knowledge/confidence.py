"""How sure we are that the documents hold an answer: a logistic function of the evidence.

The weights are fitted by ``calibration.py`` on the development half of a question file; none of them knows a word, a
document or a tenant.
"""

from __future__ import annotations

import math
from typing import Literal

from agent_worker.knowledge.retrieval import Evidence

By = Literal["vectors", "words"]
FIGURES: dict[By, tuple[str, ...]] = {
    "vectors": ("coverage", "text", "strange"),
    "words": ("coverage", "passage", "strange"),
}
BIAS: dict[By, float] = {"vectors": -2.17, "words": -0.46}
WEIGHTS: dict[By, dict[str, float]] = {
    "vectors": {"coverage": 2.84, "text": 6.13, "strange": -2.77},
    "words": {"coverage": 3.37, "passage": 3.08, "strange": -3.06},
}


def figures(evidence: Evidence) -> dict[str, float]:
    """Everything the weights may be about."""
    best = evidence.best
    return {
        "passage": best.passage,
        "coverage": best.coverage,
        "text": best.text,
        "heading": best.heading,
        "support": best.support,
        "alike": best.alike,
        "alike_all": best.alike_all,
        "strange": evidence.strange,
        "margin": evidence.margin,
    }


def confidence(evidence: Evidence | None, by: By = "vectors") -> float:
    """0–1; 0 when no word of the question stands in the documents."""
    if evidence is None or evidence.best.coverage == 0.0:
        return 0.0
    named = figures(evidence)
    total = BIAS[by] + sum(weight * named[name] for name, weight in WEIGHTS[by].items())
    return round(1 / (1 + math.exp(-total)), 4)
