"""From a tenant's examples to a model of its intents, and to what that model is worth on examples it was not shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.router.features import HASHED, Numbers, lexical, rarity_of, vectors_of
from agent_worker.router.intents import IntentModel, Worth, energies, probabilities
from agent_worker.router.logistic_regression import logistic, narrowed
from agent_worker.router.rules import NO_INTENT
from schemas.errors import ConfigInvalid

Labels = NDArray[np.intp]

PENALTIES = (1.0, 0.3, 0.1, 0.03)
USUAL = 0.1
"""With many examples the choice of the penalty hardly matters, and trying them takes minutes."""
MANY = 3000
FEW_WORDS = 0.5
"""How much words count beside the embedding where examples are few: then most words stand in none of them."""
_PARTS = 5
STRANGE = 0.05
"""Share of the tenant's own messages that may be taken for out of scope, where it gives no examples of those."""
_SHARPNESS = tuple(1.15**step for step in range(-10, 11))


@dataclass(frozen=True, slots=True)
class _Set:
    """``table``: a row an example; ``labels``: which intent each is of; ``parts``: in which it is held back."""

    table: Numbers
    labels: Labels
    parts: Labels
    intents: int

    def fit(self, penalty: float, part: int = -1) -> Numbers:
        shown = self.parts != part
        return logistic(self.table[shown], self.labels[shown], self.intents, penalty)

    def held_back(self, penalty: float, part: int) -> tuple[Numbers, Labels]:
        """Sums of the part's examples by weights that were fitted without it, and their labels."""
        weights, held = self.fit(penalty, part), self.parts == part
        return self.table[held] @ weights[:-1] + weights[-1], self.labels[held]


def train(examples: Mapping[str, Sequence[str]], encoder: Encoder | None) -> tuple[IntentModel, Worth]:
    """Blocking: a second for hundreds of examples, a minute for ten thousand. Raises ConfigInvalid when there are too
    few."""
    names = tuple(sorted(examples.keys() - {NO_INTENT}))
    _refuse_too_few(names, examples)
    pairs = [(text, place) for place, name in enumerate(names) for text in dict.fromkeys(examples[name])]
    texts, labels = [text for text, _ in pairs], np.array([place for _, place in pairs], np.intp)
    rarity = rarity_of(texts)
    parts = np.array([crc32(text.casefold().encode()) % _PARTS for text in texts], np.intp)
    whole, scale = table_of(texts, encoder, rarity), FEW_WORDS if len(texts) <= MANY else 1.0
    whole[:, -HASHED:] *= scale
    table, back = narrowed(whole)
    known = _Set(table, labels, parts, len(names))
    penalty = _penalty(known)
    sums, right = _all_held_back(known, penalty)
    weights = _led_back(known.fit(penalty), back)
    weights[-1 - HASHED : -1] *= scale
    strange = table_of(examples.get(NO_INTENT, ()), encoder, rarity) @ weights[:-1] + weights[-1]
    sharpness, floor = _sharpness(sums, right), _floor(energies(sums), energies(strange))
    model = IntentModel(names, weights, rarity, sharpness, floor, encoder.name if encoder is not None else "")
    return model, _worth(model, sums, right, strange)


def _led_back(weights: Numbers, back: Numbers | None) -> Numbers:
    return weights if back is None else np.concatenate([back @ weights[:-1], weights[-1:]])


def table_of(texts: Sequence[str], encoder: Encoder | None, rarity: Numbers) -> Numbers:
    """A row a text: its embedding, then its hashed words."""
    vectors = vectors_of(texts, encoder)
    width = vectors.shape[1]
    table = np.zeros((len(texts), width + HASHED), np.float32)
    table[:, :width] = vectors
    for place, text in enumerate(texts):
        rows, values = lexical(text, rarity)
        table[place, [width + row for row in rows]] = values
    return table


def _refuse_too_few(names: Sequence[str], examples: Mapping[str, Sequence[str]]) -> None:
    if len(names) < 2:
        raise ConfigInvalid("routes.examples: needs at least two intents", fix="add another one, or remove them all")
    for name in names:
        if len(set(examples[name])) < 2:
            raise ConfigInvalid(f"routes.examples.{name}: needs at least two examples", fix="ten or more do well")


def _penalty(known: _Set) -> float:
    """The one under which examples that were held back are likeliest."""
    if len(known.labels) > MANY:
        return USUAL

    def loss(penalty: float) -> float:
        sums, right = _all_held_back(known, penalty)
        return -float(np.log(_of_right(probabilities(sums, 1.0), right)).mean())

    return min(PENALTIES, key=loss)


def _all_held_back(known: _Set, penalty: float) -> tuple[Numbers, Labels]:
    found = [known.held_back(penalty, part) for part in _parts(known)]
    return np.concatenate([sums for sums, _ in found]), np.concatenate([right for _, right in found])


def _parts(known: _Set) -> Iterator[int]:
    """Of many examples one part says enough."""
    there = (part for part in range(_PARTS) if (known.parts == part).any())
    yield from there if len(known.labels) <= MANY else [next(there)]


def _of_right(shares: Numbers, right: Labels) -> Numbers:
    made: Numbers = np.maximum(shares[np.arange(len(right)), right], 1e-9)
    return made


def _sharpness(sums: Numbers, right: Labels) -> float:
    """Under which the probabilities fit what was held back: fitted weights are surer than they should be."""
    return min(_SHARPNESS, key=lambda each: -float(np.log(_of_right(probabilities(sums, each), right)).mean()))


def _floor(known: Numbers, strange: Numbers) -> float:
    """Energy from which a message counts as known: where both kinds of mistake together are fewest, as long as few
    known ones are below; without examples of strange ones, where few known ones are."""
    if not len(strange):
        return float(np.quantile(known, STRANGE))
    limits = np.sort(np.concatenate([known, strange]))
    wrong = np.searchsorted(np.sort(known), limits) / len(known)
    missed = 1 - np.searchsorted(np.sort(strange), limits) / len(strange)
    return float(min(limits[np.argmin(wrong + missed)], np.quantile(known, 2 * STRANGE)))


def _worth(model: IntentModel, sums: Numbers, right: Labels, strange: Numbers) -> Worth:
    hit = sums.argmax(axis=1) == right
    surest = np.argsort(-probabilities(sums, model.sharpness).max(axis=1), kind="stable")
    return Worth(
        intents=len(model.names),
        examples=len(right),
        accuracy=round(float(hit.mean()), 4),
        sure_accuracy=round(float(hit[surest[: max(1, round(0.8 * len(hit)))]].mean()), 4),
        strange=round(float((energies(sums) < model.floor).mean()), 4),
        told_apart=round(float((energies(strange) < model.floor).mean()), 4) if len(strange) else -1.0,
    )
