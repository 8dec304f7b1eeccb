"""How sure we are that the documents hold an answer: a logistic function of the evidence.

The weights are fitted by ``calibration.py`` on questions kept for that; none of them knows a word, a
document or a tenant.
"""

from __future__ import annotations

import math
from typing import Literal

from agent_worker.knowledge.retrieval import Evidence

By = Literal["vectors", "words"]
FIGURES: dict[By, tuple[str, ...]] = {
    "vectors": (
        "passage",
        "coverage",
        "text",
        "heading",
        "support",
        "alike",
        "alike_all",
        "strange",
        "margin",
    ),
    "words": ("passage", "coverage", "strange", "margin"),
}
BIAS: dict[By, float] = {"vectors": -2.82, "words": -1.26}
WEIGHTS: dict[By, dict[str, float]] = {
    "vectors": {
        "passage": 1.38,
        "coverage": 0.88,
        "text": 2.74,
        "heading": -0.81,
        "support": 2.68,
        "alike": -1.09,
        "alike_all": 1.94,
        "strange": -1.21,
        "margin": 0.05,
    },
    "words": {"passage": 2.84, "coverage": 1.96, "strange": -1.52, "margin": 0.4},
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
