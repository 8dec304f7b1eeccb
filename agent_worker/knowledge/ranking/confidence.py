"""Confidence that the documents contain an answer: a logistic function of the evidence.

The weights are fitted by ``calibration.py`` on held-out questions. None of them depends on a particular word, document
or tenant.
"""

from __future__ import annotations

import math

from agent_worker.knowledge.ranking.ranker import Evidence
from agent_worker.knowledge.vectors.encoder import Kind

FEATURES: dict[Kind, tuple[str, ...]] = {
    "strong": ("few", "whole", "top", "lead", "unknown_share"),
    "light": ("words", "coverage", "text", "heading", "sentence", "alike", "alike_all", "unknown_share"),
    "words": ("words", "coverage", "unknown_share"),
}
BIAS: dict[Kind, float] = {"strong": -14.73, "light": -3.57, "words": -2.09}
WEIGHTS: dict[Kind, dict[str, float]] = {
    "strong": {"few": 13.77, "whole": 1.75, "top": 0.16, "lead": 0.17, "unknown_share": -0.98},
    "light": {
        "words": 2.91,
        "coverage": 1.16,
        "text": 3.31,
        "heading": -1.12,
        "sentence": 0.53,
        "alike": 0.65,
        "alike_all": 1.46,
        "unknown_share": -0.57,
    },
    "words": {"words": 4.1, "coverage": 3.14, "unknown_share": -0.92},
}

LEAN: dict[Kind, float] = {"strong": 0.5, "light": 0.0, "words": 0.0}
"""Added to the fitted odds and included in BIAS. The unanswerable questions used for fitting are mostly close misses,
which customers rarely ask. Chosen on the half named dev."""


def confidence_features(evidence: Evidence) -> dict[str, float]:
    """All features that a weight may refer to."""
    return {
        **evidence.best.features,
        "top": evidence.best.score,
        "lead": evidence.lead,
        "unknown_share": evidence.unknown_share,
    }


def confidence(evidence: Evidence | None, kind: Kind) -> float:
    """0–1; 0 when nothing was found or, unless a sentence encoder is used, when no word of the question was."""
    if evidence is None or (kind != "strong" and evidence.best.features["coverage"] == 0.0):
        return 0.0
    features = confidence_features(evidence)
    total = BIAS[kind] + sum(weight * features[name] for name, weight in WEIGHTS[kind].items())
    return round(1 / (1 + math.exp(-total)), 4)
