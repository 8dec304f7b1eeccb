"""Training of an intent model from a tenant's examples, and its quality on held-out examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.router.features import HASH_ROWS, Numbers, embed_texts, inverse_frequency, lexical_features
from agent_worker.router.intents import IntentModel, ModelQuality, energies, probabilities
from agent_worker.router.logistic_regression import fit_logistic, reduce_columns
from agent_worker.router.rules import NO_INTENT
from schemas.errors import ConfigInvalid

Labels = NDArray[np.intp]

PENALTIES = (1.0, 0.3, 0.1, 0.03)
DEFAULT_PENALTY = 0.1
"""With many examples the choice hardly matters, and comparing penalties takes minutes."""
MANY_EXAMPLES = 3000
WORD_WEIGHT = 0.5
"""Weight of words relative to the embedding when there are few examples, because most words then occur in none."""
_FOLDS = 5
MAX_FALSE_OUT_OF_SCOPE = 0.05
"""Share of the tenant's own messages that may be taken for out of scope when there are no out-of-scope examples."""
_SHARPNESS_GRID = tuple(1.15**step for step in range(-10, 11))


@dataclass(frozen=True, slots=True)
class _TrainingSet:
    """``table``: a row for each example; ``labels``: its intent; ``parts``: its fold."""

    table: Numbers
    labels: Labels
    parts: Labels
    intents: int

    def fit(self, penalty: float, part: int = -1) -> Numbers:
        included = self.parts != part
        return fit_logistic(self.table[included], self.labels[included], self.intents, penalty)

    def predict_held_out(self, penalty: float, part: int) -> tuple[Numbers, Labels]:
        """Logits of the fold's examples from weights fitted without it, and their labels."""
        weights, held_out = self.fit(penalty, part), self.parts == part
        return self.table[held_out] @ weights[:-1] + weights[-1], self.labels[held_out]


def train(examples: Mapping[str, Sequence[str]], encoder: Encoder | None) -> tuple[IntentModel, ModelQuality]:
    """Blocking: a second for hundreds of examples, a minute for ten thousand. Raises ConfigInvalid when there are too
    few."""
    names = tuple(sorted(examples.keys() - {NO_INTENT}))
    _check_examples(names, examples)
    pairs = [(text, place) for place, name in enumerate(names) for text in dict.fromkeys(examples[name])]
    texts, labels = [text for text, _ in pairs], np.array([place for _, place in pairs], np.intp)
    rarity = inverse_frequency(texts)
    parts = np.array([crc32(text.casefold().encode()) % _FOLDS for text in texts], np.intp)
    features, scale = feature_table(texts, encoder, rarity), WORD_WEIGHT if len(texts) <= MANY_EXAMPLES else 1.0
    features[:, -HASH_ROWS:] *= scale
    table, back_map = reduce_columns(features)
    training_set = _TrainingSet(table, labels, parts, len(names))
    penalty = _choose_penalty(training_set)
    logits, right = _cross_validate(training_set, penalty)
    weights = _restore_columns(training_set.fit(penalty), back_map)
    weights[-1 - HASH_ROWS : -1] *= scale
    out_of_scope_logits = feature_table(examples.get(NO_INTENT, ()), encoder, rarity) @ weights[:-1] + weights[-1]
    sharpness, floor = _fit_sharpness(logits, right), _fit_floor(energies(logits), energies(out_of_scope_logits))
    model = IntentModel(names, weights, rarity, sharpness, floor, encoder.name if encoder is not None else "")
    return model, _measure_quality(model, logits, right, out_of_scope_logits)


def _restore_columns(weights: Numbers, back_map: Numbers | None) -> Numbers:
    return weights if back_map is None else np.concatenate([back_map @ weights[:-1], weights[-1:]])


def feature_table(texts: Sequence[str], encoder: Encoder | None, rarity: Numbers) -> Numbers:
    """A row for each text: its embedding, then its hashed words."""
    vectors = embed_texts(texts, encoder)
    width = vectors.shape[1]
    table = np.zeros((len(texts), width + HASH_ROWS), np.float32)
    table[:, :width] = vectors
    for place, text in enumerate(texts):
        rows, values = lexical_features(text, rarity)
        table[place, [width + row for row in rows]] = values
    return table


def _check_examples(names: Sequence[str], examples: Mapping[str, Sequence[str]]) -> None:
    if len(names) < 2:
        raise ConfigInvalid("routes.examples: needs at least two intents", fix="add another one, or remove them all")
    for name in names:
        if len(set(examples[name])) < 2:
            raise ConfigInvalid(f"routes.examples.{name}: needs at least two examples", fix="ten or more do well")


def _choose_penalty(training_set: _TrainingSet) -> float:
    """The penalty with the highest likelihood of held-out examples."""
    if len(training_set.labels) > MANY_EXAMPLES:
        return DEFAULT_PENALTY

    def loss(penalty: float) -> float:
        logits, right = _cross_validate(training_set, penalty)
        return -float(np.log(_right_probabilities(probabilities(logits, 1.0), right)).mean())

    return min(PENALTIES, key=loss)


def _cross_validate(training_set: _TrainingSet, penalty: float) -> tuple[Numbers, Labels]:
    results = [training_set.predict_held_out(penalty, part) for part in _folds_to_use(training_set)]
    return np.concatenate([logits for logits, _ in results]), np.concatenate([right for _, right in results])


def _folds_to_use(training_set: _TrainingSet) -> Iterator[int]:
    """With many examples one fold is enough."""
    folds = (part for part in range(_FOLDS) if (training_set.parts == part).any())
    yield from folds if len(training_set.labels) <= MANY_EXAMPLES else [next(folds)]


def _right_probabilities(shares: Numbers, right: Labels) -> Numbers:
    probability: Numbers = np.maximum(shares[np.arange(len(right)), right], 1e-9)
    return probability


def _fit_sharpness(logits: Numbers, right: Labels) -> float:
    """The scale that fits the held-out examples best: fitted weights are overconfident."""
    return min(
        _SHARPNESS_GRID,
        key=lambda each: -float(np.log(_right_probabilities(probabilities(logits, each), right)).mean()),
    )


def _fit_floor(known_energies: Numbers, out_of_scope: Numbers) -> float:
    """The energy from which a message counts as known: the one with the fewest errors of both kinds, as long as few
    known ones are below it. Without out-of-scope examples, one below which few known ones are."""
    if not len(out_of_scope):
        return float(np.quantile(known_energies, MAX_FALSE_OUT_OF_SCOPE))
    limits = np.sort(np.concatenate([known_energies, out_of_scope]))
    false_alarms = np.searchsorted(np.sort(known_energies), limits) / len(known_energies)
    misses = 1 - np.searchsorted(np.sort(out_of_scope), limits) / len(out_of_scope)
    return float(min(limits[np.argmin(false_alarms + misses)], np.quantile(known_energies, 2 * MAX_FALSE_OUT_OF_SCOPE)))


def _measure_quality(model: IntentModel, logits: Numbers, right: Labels, out_of_scope_logits: Numbers) -> ModelQuality:
    is_right = logits.argmax(axis=1) == right
    by_confidence = np.argsort(-probabilities(logits, model.sharpness).max(axis=1), kind="stable")
    return ModelQuality(
        intents=len(model.names),
        examples=len(right),
        accuracy=round(float(is_right.mean()), 4),
        sure_accuracy=round(float(is_right[by_confidence[: max(1, round(0.8 * len(is_right)))]].mean()), 4),
        strange=round(float((energies(logits) < model.floor).mean()), 4),
        told_apart=round(float((energies(out_of_scope_logits) < model.floor).mean()), 4)
        if len(out_of_scope_logits)
        else -1.0,
    )
