"""Routing: how often the intent is right, how often where it is sure, and what it says of the unknown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent_worker.router.features import embed_texts
from agent_worker.router.intents import IntentModel, energies, probabilities
from agent_worker.router.training import feature_table, train
from tests.measure.routing.encoding import CachingEncoder
from tests.measure.routing.figures import Numbers, format_interval, interval, surest, told_apart
from tests.measure.routing.sets import LabelledDataset


@dataclass(frozen=True, slots=True)
class IntentEvaluation:
    """Of the messages held back: ``sure`` is the best intent's probability, ``right`` whether it was the right one;
    energies of these and of the strange ones. ``cost``: processor milliseconds of reading one message."""

    given: LabelledDataset
    encoder: str
    kind: str
    sure: Numbers
    right: Numbers
    energy: Numbers
    strange: Numbers
    floor: float
    learned_s: float
    cost: float

    def rows(self) -> list[tuple[str, str]]:
        right = self.right.astype(float)
        rows = [("accuracy", format_interval(right.mean(), *interval(lambda each: float(each.mean()), right)))]
        rows += [
            (f"accuracy at {coverage:.0%} coverage", f"{surest(self.sure, right, coverage):.4f}")
            for coverage in (0.9, 0.8, 0.7)
        ]
        if len(self.strange):
            apart = told_apart(self.energy, self.strange)
            rows.append(
                ("out of scope, AUROC", format_interval(apart, *interval(told_apart, self.energy, self.strange)))
            )
            rows.append(("out of scope, told at the floor", f"{(self.strange < self.floor).mean():.3f}"))
            rows.append(("in scope, taken for out of it", f"{(self.energy < self.floor).mean():.3f}"))
        return [*rows, ("learned in", f"{self.learned_s:.1f} s"), ("reading a message", f"{self.cost:.2f} ms")]


def judge_intents(given: LabelledDataset, encoder: CachingEncoder) -> IntentEvaluation:
    begun = time.perf_counter()
    model, _ = train(given.examples(), encoder)
    learned = time.perf_counter() - begun
    texts = [text for text, _ in given.held]
    sums, strange = _sums(model, texts, encoder), _sums(model, list(given.strange), encoder)
    labels = np.array([model.names.index(intent) for _, intent in given.held])
    return IntentEvaluation(
        given=given,
        encoder=encoder.name,
        kind=encoder.kind,
        sure=probabilities(sums, model.sharpness).max(axis=1),
        right=sums.argmax(axis=1) == labels,
        energy=energies(sums),
        strange=energies(strange) if len(strange) else np.zeros(0),
        floor=model.floor,
        learned_s=learned,
        cost=encoder.cost(texts) + _reading(model, texts, encoder),
    )


def _sums(model: IntentModel, texts: Sequence[str], encoder: CachingEncoder) -> Numbers:
    made: Numbers = feature_table(texts, encoder, model.rarity) @ model.weights[:-1] + model.weights[-1]
    return made


def _reading(model: IntentModel, texts: Sequence[str], encoder: CachingEncoder) -> float:
    """Milliseconds without the embedding, which retrieval has made before."""
    vectors = embed_texts(texts, encoder)
    begun = time.process_time()
    for text, vector in zip(texts, vectors, strict=True):
        model.classify(text, vector)
    return (time.process_time() - begun) * 1000 / len(texts)


def cascade(cheap: IntentEvaluation, strong: IntentEvaluation) -> list[tuple[float, float]]:
    """Cost (share of asking the strong one always) and accuracy, when the cheap reading is kept where it is surest and
    the strong one is asked for the rest; both have read the same messages."""
    order = np.argsort(-cheap.sure, kind="stable")
    points = []
    for part in range(0, 101, 2):
        kept = round(len(order) * (100 - part) / 100)
        right = cheap.right[order[:kept]].sum() + strong.right[order[kept:]].sum()
        points.append(((cheap.cost + strong.cost * part / 100) / strong.cost, float(right) / len(order)))
    return points
