"""What a message is about, by a model that was trained on the tenant's examples; served with numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from agent_worker.router.features import Numbers, lexical

_TOLD = 3
"""Intents whose shares are told."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``confidence`` 0–1 that it is this intent; ``energy``: how much of the message is like any example, and
    ``out_of_scope`` that this is too little. ``shares``: the likeliest intents with their probabilities."""

    intent: str = ""
    confidence: float = 0.0
    energy: float = 0.0
    out_of_scope: bool = False
    shares: Mapping[str, float] = field(default_factory=dict)


UNREAD = Reading()
"""Of a tenant without examples."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Of a model, on examples held back in turn (of thousands: one part). ``accuracy`` of all, ``sure_accuracy``
    of the four fifths it is surest about; ``strange``: share of the tenant's own messages taken for out of scope,
    ``told_apart``: share of those that are, −1 when no such examples were given."""

    intents: int
    examples: int
    accuracy: float
    sure_accuracy: float
    strange: float
    told_apart: float


@dataclass(frozen=True, slots=True)
class IntentModel:
    """A multinomial logistic regression. ``weights``: a row for each number of the embedding, of the hashed words and
    for the bias, a column an intent. ``sharpness`` scales sums to honest probabilities; below ``floor`` of energy a
    message is like no example. ``encoder`` is what vectors are to be made by; empty: by none, words alone tell."""

    names: tuple[str, ...]
    weights: Numbers
    rarity: Numbers
    sharpness: float
    floor: float
    encoder: str = ""

    def read(self, text: str, vector: Numbers) -> Reading:
        """``vector``: the text's, by the encoder of the model."""
        return self.judge(self.sums(text, vector))

    def sums(self, text: str, vector: Numbers) -> Numbers:
        rows, values = lexical(text, self.rarity)
        begin = len(vector)
        words = values @ self.weights[[begin + row for row in rows]]
        sums: Numbers = vector @ self.weights[:begin] + words + self.weights[-1]
        return sums

    def judge(self, sums: Numbers) -> Reading:
        energy = float(energies(sums[None])[0])
        odds = np.exp(self.sharpness * (sums - sums.max()))
        shares = odds / odds.sum()
        best = np.argsort(-shares)[:_TOLD].tolist()
        told = {self.names[place]: round(float(shares[place]), 4) for place in best}
        first = self.names[best[0]]
        return Reading(first, told[first], round(energy, 3), energy < self.floor, told)


def energies(sums: Numbers) -> Numbers:
    """The logarithm of all intents' odds together, a row each. It tells the unknown from the known better than the best
    intent's probability, which is high for whatever is like one intent more than like the others."""
    most = sums.max(axis=1, keepdims=True)
    made: Numbers = most[:, 0] + np.log(np.exp(sums - most).sum(axis=1))
    return made


def probabilities(sums: Numbers, sharpness: float) -> Numbers:
    odds = np.exp(sharpness * (sums - sums.max(axis=1, keepdims=True)))
    shares: Numbers = odds / odds.sum(axis=1, keepdims=True)
    return shares
