"""How sure we are that the documents hold an answer: a logistic function of the evidence.

The weights were fitted on questions with known answers (the development half of a question file, see
``quality.py``); none of them knows a word, a document or a tenant.
"""

from __future__ import annotations

import math

from agent_worker.knowledge.retrieval import Evidence

BIAS = -0.2
WEIGHTS: dict[str, float] = {"passage": 0.3, "document": 2.0, "strange": -3.6, "margin": 1.7}


def confidence(evidence: Evidence) -> float:
    """0–1, rising with coverage, falling with words that stand in no document."""
    if evidence.document == 0.0:
        return 0.0
    sum_ = BIAS + sum(weight * getattr(evidence, name) for name, weight in WEIGHTS.items())
    return round(1 / (1 + math.exp(-sum_)), 4)
