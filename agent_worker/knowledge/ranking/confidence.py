"""Confidence that the first passage answers: a logistic function of the evidence.

The weights are fitted by ``calibration.py`` on held-out questions. None of them depends on a particular word, document
or tenant.
"""

from __future__ import annotations

import math

from agent_worker.knowledge.ranking.ranker import Evidence
from agent_worker.knowledge.vectors.encoder import Kind

SUGGESTABLE_ABOVE: dict[Kind, float] = {"strong": 0.2, "vectors": 0.12, "light": 0.25, "words": 0.3}
"""The confidence from which the first passages are worth offering: it keeps 95 of a hundred questions that one of them
answers."""
PROBABLE_MARGIN = 0.05
"""How far the confidence may lie below ``knowledge.answerable_above`` for a section that leads clearly to be quoted as
the closest. Three quarters of those answer."""
RELATED_ABOVE: dict[Kind, float] = {"strong": 1.07, "vectors": 1.2, "light": 0.3, "words": 0.0}
"""The ``Hit.relation`` from which a passage has something to do with the question: it keeps 99 of a hundred that
answer it."""
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
BIAS: dict[Kind, float] = {"strong": -7.46, "vectors": -8.39, "light": -2.33, "words": -0.74}
WEIGHTS: dict[Kind, dict[str, float]] = {
    "strong": {
        "whole": 3.83,
        "sentence": 4.3,
        "few": -0.24,
        "alike": 0.48,
        "top": 0.03,
        "lead": 0.1,
        "share": 2.1,
        "unknown_share": 0.26,
    },
    "vectors": {"whole": 4.06, "sentence": 4.32, "few": 1.64, "lead": 0.24, "share": 2.35},
    "light": {
        "words": -1.86,
        "text": -1.76,
        "sentence": 1.56,
        "whole": 3.55,
        "alike": 1.37,
        "coverage": 0.39,
        "top": 0.01,
        "lead": 0.14,
        "share": 1.12,
        "unknown_share": -0.06,
    },
    "words": {"words": -0.02, "coverage": 0.87, "lead": 0.26, "share": 0.99, "unknown_share": -0.64},
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
