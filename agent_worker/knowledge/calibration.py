"""Fits what retrieval and confidence weigh, on questions kept for that, and prints it.

    python -m agent_worker.knowledge.calibration examples/plantstore/{knowledge,calibration.yaml,questions.yaml}

Few parameters and plain regularisation, so that forty documents and a few hundred questions are enough. Questions of
the split ``test`` are never used. What it prints is pasted into ``retrieval.py`` and ``confidence.py`` by hand.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent_worker.knowledge.confidence import FIGURES, By, figures
from agent_worker.knowledge.encoder import Encoder, light_encoder
from agent_worker.knowledge.index import TenantIndex
from agent_worker.knowledge.quality import Asked, read_questions
from agent_worker.knowledge.reading import ENDINGS, read_file
from agent_worker.knowledge.retrieval import FUSION, Evidence, Ranked, Standing, rank
from schemas.conversation import Document

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_FUSION_PENALTY = 0.02
_CONFIDENCE_PENALTY = 0.02


@dataclass(frozen=True, slots=True)
class Ranking:
    asked: Asked
    ranked: Ranked

    @property
    def standings(self) -> list[Standing]:
        return self.ranked.standings


def index_of(folder: Path, directory: Path, encoder: Encoder | None) -> TenantIndex:
    """The documents of a folder, indexed."""
    index = TenantIndex(directory, encoder)
    drafts = [read_file(path) for path in sorted(folder.iterdir()) if path.suffix in ENDINGS]
    documents = [Document(id=d.id, title=d.title, body=d.body, version=1, updated_at=_NOW) for d in drafts]
    index.apply([index.prepare(document, "calibration") for document in documents])
    return index


def rank_all(index: TenantIndex, questions: Sequence[Asked], encoder: Encoder | None) -> list[Ranking]:
    return [Ranking(asked, rank(index, asked.text, _NOW, encoder)) for asked in questions]


def fit_fusion(rankings: Sequence[Ranking]) -> dict[str, float]:
    """Weights under which the right documents are the likeliest of those found (a conditional logit), none negative."""
    import numpy as np

    names = list(FUSION)
    groups = []
    for each in rankings:
        right = np.array([standing.document in each.asked.documents for standing in each.standings])
        if right.any():
            groups.append((np.array([[getattr(s, name) for name in names] for s in each.standings]), right))
    weights = np.full(len(names), 3.0)
    for step in range(2000):
        slope = _FUSION_PENALTY * weights
        for table, right in groups:
            likely = np.exp(table @ weights - (table @ weights).max())
            held = likely * right
            slope += (table.T @ (likely / likely.sum()) - table.T @ (held / held.sum())) / len(groups)
        weights = np.maximum(weights - 5.0 / (1 + step / 200) * slope, 0.0)
    return {name: round(float(weight), 2) for name, weight in zip(names, weights, strict=True)}


def fit_confidence(evidence: Sequence[tuple[Evidence, bool]], names: Sequence[str]) -> tuple[float, dict[str, float]]:
    """Bias and weights of the logistic function that tells answerable questions from others, both counted alike."""
    import numpy as np

    raw = np.array([[figures(each)[name] for name in names] for each, _ in evidence])
    wanted = np.array([float(answerable) for _, answerable in evidence])
    middle, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-9
    table = np.c_[(raw - middle) / spread, np.ones(len(raw))]
    share = np.where(wanted > 0, 0.5 / wanted.mean(), 0.5 / (1 - wanted.mean()))
    penalty = _CONFIDENCE_PENALTY * len(raw) * np.r_[np.ones(len(names)), 0.0]
    weights = np.zeros(len(names) + 1)
    for _ in range(50):  # Newton's steps; it has long converged by then
        sure = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (share * (sure - wanted)) + penalty * weights
        bend = (table * (share * sure * (1 - sure))[:, None]).T @ table + np.diag(penalty + 1e-9)
        weights = weights - np.linalg.solve(bend, slope)
    scaled = weights[:-1] / spread
    bias = float(weights[-1] - scaled @ middle)
    return round(bias, 2), {name: round(float(weight), 2) for name, weight in zip(names, scaled, strict=True)}


def main(arguments: Sequence[str]) -> None:
    import yaml

    folder, *files = map(Path, arguments)
    asked = [one for file in files for one in read_questions(yaml.safe_load(file.read_text(encoding="utf-8")))]
    development = [question for question in asked if question.split != "test"]
    kinds: tuple[tuple[By, Encoder | None], ...] = (("vectors", light_encoder()), ("words", None))
    for name, encoder in kinds:
        with tempfile.TemporaryDirectory() as made:
            rankings = rank_all(index_of(folder, Path(made) / name, encoder), development, encoder)
        _tell(name, rankings)


def _tell(name: By, rankings: Sequence[Ranking]) -> None:
    found: list[Any] = [each for each in rankings if each.asked.documents and each.standings]
    first = sum(each.standings[0].document in each.asked.documents for each in found)
    print(f"{name}: right document first {first}/{len(found)} with the present weights")
    if name == "vectors":
        print("FUSION =", fit_fusion(rankings))
    evidence = [(each.ranked.evidence, bool(each.asked.documents)) for each in rankings if each.ranked.evidence]
    bias, weights = fit_confidence(evidence, FIGURES[name])
    print(f"confidence: BIAS {bias}, WEIGHTS {weights}")


if __name__ == "__main__":
    main(sys.argv[1:])
