"""The intent classifier, trained on the tenant's examples. Inference needs only numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from agent_worker.router.features import Numbers, lexical_features

_MAX_SHARES = 3
"""Intents whose probability is reported."""


@dataclass(frozen=True, slots=True)
class IntentResult:
    """``confidence``: probability (0–1) of the intent; ``energy``: how similar the message is to any example, and
    ``out_of_scope`` that this is too little. ``shares``: the likeliest intents with their probabilities."""

    intent: str = ""
    confidence: float = 0.0
    energy: float = 0.0
    out_of_scope: bool = False
    shares: Mapping[str, float] = field(default_factory=dict)


UNCLASSIFIED = IntentResult()
"""Classifier of a tenant without examples."""


@dataclass(frozen=True, slots=True)
class ModelQuality:
    """Quality on held-out examples (of thousands, one fold). ``accuracy``: of all, ``sure_accuracy``: of the four
    fifths with the highest confidence; ``strange``: share of the tenant's own messages taken for out of scope,
    ``told_apart``: share of the out-of-scope messages recognized, −1 without such examples."""

    intents: int
    examples: int
    accuracy: float
    sure_accuracy: float
    strange: float
    told_apart: float


@dataclass(frozen=True, slots=True)
class IntentModel:
    """A multinomial logistic regression. ``weights``: a row for each number of the embedding, for each hashed word and
    for the bias; a column for each intent. ``sharpness`` scales the logits to calibrated probabilities; below ``floor``
    of energy a message is similar to no example. ``encoder``: name of the encoder for vectors, empty for words
    alone."""

    names: tuple[str, ...]
    weights: Numbers
    rarity: Numbers
    sharpness: float
    floor: float
    encoder: str = ""

    def classify(self, text: str, vector: Numbers) -> IntentResult:
        """``vector``: the text's, from the model's encoder."""
        return self.classify_logits(self.logits(text, vector))

    def logits(self, text: str, vector: Numbers) -> Numbers:
        rows, values = lexical_features(text, self.rarity)
        begin = len(vector)
        words = values @ self.weights[[begin + row for row in rows]]
        logits: Numbers = vector @ self.weights[:begin] + words + self.weights[-1]
        return logits

    def classify_logits(self, logits: Numbers) -> IntentResult:
        energy = float(energies(logits[None])[0])
        odds = np.exp(self.sharpness * (logits - logits.max()))
        shares = odds / odds.sum()
        best = np.argsort(-shares)[:_MAX_SHARES].tolist()
        likeliest = {self.names[place]: round(float(shares[place]), 4) for place in best}
        first = self.names[best[0]]
        return IntentResult(first, likeliest[first], round(energy, 3), energy < self.floor, likeliest)


def energies(logits: Numbers) -> Numbers:
    """The log of the summed exponentials of each row. It separates unknown from known messages better than the best
    probability, which is also high for messages that are only more similar to one intent than to the others."""
    maximum = logits.max(axis=1, keepdims=True)
    energy: Numbers = maximum[:, 0] + np.log(np.exp(logits - maximum).sum(axis=1))
    return energy


def probabilities(logits: Numbers, sharpness: float) -> Numbers:
    odds = np.exp(sharpness * (logits - logits.max(axis=1, keepdims=True)))
    shares: Numbers = odds / odds.sum(axis=1, keepdims=True)
    return shares
