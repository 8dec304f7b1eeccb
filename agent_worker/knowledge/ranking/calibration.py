r"""Fits the weights of ranking and confidence and prints their quality on held-out questions.

    python -m agent_worker.knowledge.ranking.calibration \
        examples/plantstore/{knowledge,calibration.yaml,questions.yaml} .cache/encoder/bge-small-en-v1.5-q

There are few weights and plain regularisation, so that forty documents and a few hundred questions suffice. The metrics
are cross-validated, with folds by document and by question. Paste the printed weights into ``ranker.py`` and
``confidence.py``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import numpy as np
import yaml

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.quality.suite import Case, read_suite
from agent_worker.knowledge.ranking.confidence import FEATURES, LEAN, confidence_features
from agent_worker.knowledge.ranking.logistic_fit import Weights, fit_conditional_logit, fit_logistic
from agent_worker.knowledge.ranking.ranker import (
    FUSION,
    Evidence,
    PassageFeatures,
    RankingResult,
    rank,
    score_documents,
    score_lead,
)
from agent_worker.knowledge.text.documents import ENDINGS, read_file
from agent_worker.knowledge.vectors.encoder import Encoder, Kind, light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from schemas.conversation import Document

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Ranking:
    asked: Case
    ranked: RankingResult

    @property
    def part(self) -> int:
        """Fold by document: questions about one document stay together."""
        return crc32(min(self.asked.must_cite, default=self.asked.id).encode()) % _FOLDS

    @property
    def question_fold(self) -> int:
        """Fold by question."""
        return crc32(self.asked.id.encode()) % _FOLDS

    @property
    def figures(self) -> PassageFeatures:
        assert self.ranked.features is not None  # noqa: S101 - as in evidence
        return self.ranked.features

    def evidence(self, fusion: Weights) -> Evidence:
        given = self.ranked.evidence
        assert given is not None  # noqa: S101 - only rankings that found something are fitted
        standings = score_documents(self.figures, fusion)
        return Evidence(standings[0], given.unknown_share, given.query_length, score_lead(standings))


@dataclass(frozen=True, slots=True)
class FitResult:
    fusion: Weights
    bias: float
    weights: Weights


def index_folder(folder: Path, directory: Path, encoder: Encoder | None) -> TenantIndex:
    """An index of the folder's documents."""
    index = TenantIndex(directory, encoder)
    drafts = [read_file(path) for path in sorted(folder.iterdir()) if path.suffix in ENDINGS]
    documents = [Document(id=d.id, title=d.title, body=d.body, version=1, updated_at=_NOW) for d in drafts]
    index.apply([index.prepare(document, "calibration") for document in documents])
    return index


def rank_all(index: TenantIndex, questions: Sequence[Case], encoder: Encoder | None) -> list[Ranking]:
    rankings = [Ranking(question, rank(index, question.say, _NOW, encoder)) for question in questions]
    return [each for each in rankings if each.ranked.evidence is not None]


def fit(rankings: Sequence[Ranking], kind: Kind) -> FitResult:
    """Fit ranking first, then confidence on its results."""
    names = list(FUSION[kind])
    groups = []
    for ranking in rankings:
        features = ranking.figures
        rows = np.stack([features.column(name) for name in names], axis=1)
        groups.append((rows, [place.document in ranking.asked.must_cite for place in features.passages]))
    fusion = dict(zip(names, fit_conditional_logit(groups), strict=True))
    evidence = [ranking.evidence(fusion) for ranking in rankings]
    table = [[confidence_features(each)[name] for name in FEATURES[kind]] for each in evidence]
    answerable = [bool(ranking.asked.must_cite) for ranking in rankings]
    bias, weights = fit_logistic(table, answerable, [each.query_length for each in evidence])
    return FitResult(fusion, bias + LEAN[kind], dict(zip(FEATURES[kind], weights, strict=True)))


@dataclass(frozen=True, slots=True)
class QuestionScore:
    """``sure`` is the confidence's log odds; ``found``: a right document came first."""

    asked: Case
    found: bool
    sure: float


def cross_validate(
    rankings: Sequence[Ranking], kind: Kind, part_of: Callable[[Ranking], int] = lambda each: each.part
) -> list[QuestionScore]:
    out = []
    for part in range(_FOLDS):
        fitted = fit([each for each in rankings if part_of(each) != part], kind)
        for each in (each for each in rankings if part_of(each) == part):
            evidence = each.evidence(fitted.fusion)
            named = confidence_features(evidence)
            sure = fitted.bias + sum(weight * named[name] for name, weight in fitted.weights.items())
            out.append(QuestionScore(each.asked, evidence.best.document in each.asked.must_cite, sure))
    return out


def main(arguments: Sequence[str]) -> None:
    """Arguments: a folder of documents, question files, and any folders with sentence encoders."""
    folder, *paths = map(Path, arguments)
    files = [path for path in paths if not path.is_dir()]
    questions = [one for file in files for one in read_suite(yaml.safe_load(file.read_text(encoding="utf-8"))).cases]
    for encoder in (*_open_encoders(path for path in paths if path.is_dir()), light_encoder(), None):
        kind = encoder.kind if encoder else "words"
        with tempfile.TemporaryDirectory() as directory:
            rankings = rank_all(index_folder(folder, Path(directory) / kind, encoder), questions, encoder)
        print(f"── {encoder.name if encoder else 'words alone'} ({kind})")
        _print_metrics("by document", cross_validate(rankings, kind))
        _print_metrics("by question", cross_validate(rankings, kind, lambda each: each.question_fold))
        fitted = fit(rankings, kind)
        print("FUSION", {name: round(weight, 2) for name, weight in fitted.fusion.items()})
        print("BIAS", round(fitted.bias, 2), "WEIGHTS", {name: round(w, 2) for name, w in fitted.weights.items()})


def _open_encoders(folders: Iterable[Path]) -> Iterator[Encoder]:
    light = light_encoder()
    if light is not None:
        yield from (open_folder(folder, light) for folder in folders)


def _print_metrics(title: str, judged: Sequence[QuestionScore]) -> None:
    """Print how often a right document was found first, and the shares cited and declined at threshold 0.5."""
    answerable = [each for each in judged if each.asked.must_cite]
    unanswerable = [each for each in judged if not each.asked.must_cite]
    found = sum(each.found for each in answerable) / max(1, len(answerable))
    cited = sum(each.found and each.sure > 0 for each in answerable) / max(1, len(answerable))
    declined = sum(each.sure <= 0 for each in unanswerable) / max(1, len(unanswerable))
    print(f"{title}: found first {found:.3f}, cited first {cited:.3f}, declined {declined:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
