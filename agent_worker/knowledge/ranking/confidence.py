"""Confidence that the first passage answers: a logistic function of the evidence.

The weights are fitted by ``calibration.py`` on held-out questions. None of them depends on a particular word, document
or tenant.
"""

from __future__ import annotations

import math

from agent_worker.knowledge.ranking.ranker import Evidence
from agent_worker.knowledge.vectors.encoder import Kind

SUGGESTABLE_ABOVE: dict[Kind, float] = {"strong": 0.2, "vectors": 0.2, "light": 0.25, "words": 0.3}
"""The confidence from which the first passages are worth offering: it keeps 95 of a hundred questions that one of them
answers."""
_BY_SENTENCES = frozenset[Kind]({"strong", "vectors"})
"""Kinds of search that may find an answer which shares no word with the question."""
_MAX_UNKNOWN_SHARE = 0.5
_MOST_FOR_STRANGE_WORDS = 0.4
"""The highest confidence for a question most of whose words stand in no document. Only a sentence encoder understands
paraphrases well enough to do better."""
FEATURES: dict[Kind, tuple[str, ...]] = {
    "strong": ("whole", "sentence", "few", "alike", "top", "lead", "share", "unknown_share"),
    "vectors": ("whole", "sentence", "few", "lead", "share"),
    "light": ("words", "text", "sentence", "whole", "alike", "coverage", "top", "lead", "share", "unknown_share"),
    "words": ("words", "coverage", "lead", "share", "unknown_share"),
}
BIAS: dict[Kind, float] = {"strong": -7.33, "vectors": -6.57, "light": -2.35, "words": -0.78}
WEIGHTS: dict[Kind, dict[str, float]] = {
    "strong": {
        "whole": 2.33,
        "sentence": 3.36,
        "few": 1.03,
        "alike": 0.21,
        "top": 0.06,
        "lead": 0.09,
        "share": 2.21,
        "unknown_share": 0.28,
    },
    "vectors": {"whole": 3.48, "sentence": 1.84, "few": 2.14, "lead": 0.12, "share": 2.94},
    "light": {
        "words": -1.27,
        "text": -1.21,
        "sentence": 1.06,
        "whole": 3.58,
        "alike": 0.95,
        "coverage": 0.21,
        "top": 0.02,
        "lead": 0.12,
        "share": 1.41,
        "unknown_share": -0.17,
    },
    "words": {"words": 0.53, "coverage": 1.03, "lead": 0.24, "share": 0.83, "unknown_share": -0.64},
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
    if evidence is None or (kind not in _BY_SENTENCES and evidence.first["coverage"] == 0.0):
        return 0.0
    features = confidence_features(evidence)
    total = BIAS[kind] + sum(weight * features[name] for name, weight in WEIGHTS[kind].items())
    most = _MOST_FOR_STRANGE_WORDS if kind not in _BY_SENTENCES and evidence.unknown_share > _MAX_UNKNOWN_SHARE else 1.0
    return round(min(most, 1 / (1 + math.exp(-total))), 4)
