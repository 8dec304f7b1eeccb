"""Confidence that the first passage answers: a logistic function of the evidence.

The weights are fitted by ``calibration.py`` on held-out questions. None of them depends on a particular word, document
or tenant.
"""

from __future__ import annotations

import math

from agent_worker.knowledge.ranking.ranker import Evidence
from agent_worker.knowledge.vectors.encoder import Kind

FEATURES: dict[Kind, tuple[str, ...]] = {
    "strong": ("whole", "sentence", "few", "alike", "top", "lead", "share", "unknown_share"),
    "light": ("words", "text", "sentence", "whole", "alike", "coverage", "top", "lead", "share", "unknown_share"),
    "words": ("words", "coverage", "lead", "share", "unknown_share"),
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


def confidence_features(evidence: Evidence) -> dict[str, float]:
    """All features that a weight may refer to."""
    return {
        **evidence.first,
        "share": evidence.share,
        "top": evidence.top,
        "lead": evidence.lead,
        "unknown_share": evidence.unknown_share,
    }


def confidence(evidence: Evidence | None, kind: Kind) -> float:
    """0–1; 0 when nothing was found or, unless a sentence encoder is used, when no word of the question was."""
    if evidence is None or (kind != "strong" and evidence.first["coverage"] == 0.0):
        return 0.0
    features = confidence_features(evidence)
    total = BIAS[kind] + sum(weight * features[name] for name, weight in WEIGHTS[kind].items())
    return round(1 / (1 + math.exp(-total)), 4)
