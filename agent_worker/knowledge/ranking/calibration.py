r"""Fits what retrieval and confidence weigh, and says what they are worth on questions they were not fitted on.

    python -m agent_worker.knowledge.ranking.calibration \
        examples/plantstore/{knowledge,calibration.yaml,questions.yaml} .cache/encoder/bge-small-en-v1.5-q

Few weights and plain regularisation, so that forty documents and a few hundred questions are enough. The figures are
cross-validated, by document and by question: either is dealt into parts, and each part's questions are judged by
weights fitted on the others. What it prints is pasted into ``ranker.py`` and ``confidence.py`` by hand.
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
from agent_worker.knowledge.ranking.confidence import FIGURES, LEAN, figures
from agent_worker.knowledge.ranking.logistic_fit import Weights, conditional, logistic
from agent_worker.knowledge.ranking.quality import Asked, read_questions
from agent_worker.knowledge.ranking.ranker import FUSION, Evidence, Figures, Ranked, lead_of, rank, standings_of
from agent_worker.knowledge.text.documents import ENDINGS, read_file
from agent_worker.knowledge.vectors.encoder import Encoder, Kind, light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from schemas.conversation import Document

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_PARTS = 5


@dataclass(frozen=True, slots=True)
class Ranking:
    asked: Asked
    ranked: Ranked

    @property
    def part(self) -> int:
        """The questions of one document stay together."""
        return crc32(min(self.asked.documents, default=self.asked.id).encode()) % _PARTS

    @property
    def own_part(self) -> int:
        """Every question by itself."""
        return crc32(self.asked.id.encode()) % _PARTS

    @property
    def figures(self) -> Figures:
        assert self.ranked.figures is not None  # noqa: S101 - as in evidence
        return self.ranked.figures

    def evidence(self, fusion: Weights) -> Evidence:
        given = self.ranked.evidence
        assert given is not None  # noqa: S101 - only rankings that found something are fitted
        standings = standings_of(self.figures, fusion)
        return Evidence(standings[0], given.strange, given.asked, lead_of(standings))


@dataclass(frozen=True, slots=True)
class Fitted:
    fusion: Weights
    bias: float
    weights: Weights


def index_of(folder: Path, directory: Path, encoder: Encoder | None) -> TenantIndex:
    """The documents of a folder, indexed."""
    index = TenantIndex(directory, encoder)
    drafts = [read_file(path) for path in sorted(folder.iterdir()) if path.suffix in ENDINGS]
    documents = [Document(id=d.id, title=d.title, body=d.body, version=1, updated_at=_NOW) for d in drafts]
    index.apply([index.prepare(document, "calibration") for document in documents])
    return index


def rank_all(index: TenantIndex, questions: Sequence[Asked], encoder: Encoder | None) -> list[Ranking]:
    ranked = [Ranking(asked, rank(index, asked.text, _NOW, encoder)) for asked in questions]
    return [each for each in ranked if each.ranked.evidence is not None]


def fit(rankings: Sequence[Ranking], kind: Kind) -> Fitted:
    """The weights of both steps, the second on what the first ranks best."""
    names = list(FUSION[kind])
    groups = []
    for ranking in rankings:
        found = ranking.figures
        rows = np.stack([found.column(name) for name in names], axis=1)
        groups.append((rows, [place.document in ranking.asked.documents for place in found.places]))
    fusion = dict(zip(names, conditional(groups), strict=True))
    evidence = [ranking.evidence(fusion) for ranking in rankings]
    table = [[figures(each)[name] for name in FIGURES[kind]] for each in evidence]
    answerable = [bool(ranking.asked.documents) for ranking in rankings]
    bias, weights = logistic(table, answerable, [each.asked for each in evidence])
    return Fitted(fusion, bias + LEAN[kind], dict(zip(FIGURES[kind], weights, strict=True)))


@dataclass(frozen=True, slots=True)
class Judged:
    """``sure`` is the confidence's logarithmic odds; ``found``: a right document came first."""

    asked: Asked
    found: bool
    sure: float


def cross_validated(
    rankings: Sequence[Ranking], kind: Kind, part_of: Callable[[Ranking], int] = lambda each: each.part
) -> list[Judged]:
    out = []
    for part in range(_PARTS):
        fitted = fit([each for each in rankings if part_of(each) != part], kind)
        for each in (each for each in rankings if part_of(each) == part):
            evidence = each.evidence(fitted.fusion)
            named = figures(evidence)
            sure = fitted.bias + sum(weight * named[name] for name, weight in fitted.weights.items())
            out.append(Judged(each.asked, evidence.best.document in each.asked.documents, sure))
    return out


def main(arguments: Sequence[str]) -> None:
    """A folder of documents, files of questions, and any folders with sentence encoders."""
    folder, *given = map(Path, arguments)
    files = [path for path in given if not path.is_dir()]
    asked = [one for file in files for one in read_questions(yaml.safe_load(file.read_text(encoding="utf-8")))]
    for encoder in (*_strong(path for path in given if path.is_dir()), light_encoder(), None):
        kind = encoder.kind if encoder else "words"
        with tempfile.TemporaryDirectory() as made:
            rankings = rank_all(index_of(folder, Path(made) / kind, encoder), asked, encoder)
        print(f"── {encoder.name if encoder else 'words alone'} ({kind})")
        _tell("by document", cross_validated(rankings, kind))
        _tell("by question", cross_validated(rankings, kind, lambda each: each.own_part))
        fitted = fit(rankings, kind)
        print("FUSION", {name: round(weight, 2) for name, weight in fitted.fusion.items()})
        print("BIAS", round(fitted.bias, 2), "WEIGHTS", {name: round(w, 2) for name, w in fitted.weights.items()})


def _strong(folders: Iterable[Path]) -> Iterator[Encoder]:
    light = light_encoder()
    if light is not None:
        yield from (open_folder(folder, light) for folder in folders)


def _tell(how: str, judged: Sequence[Judged]) -> None:
    """By split: found first, and both shares at the threshold 0.5."""
    print(how)
    for split in sorted({each.asked.split for each in judged}):
        held = [each for each in judged if each.asked.split == split and each.asked.documents]
        absent = [each for each in judged if each.asked.split == split and not each.asked.documents]
        found = sum(each.found for each in held) / max(1, len(held))
        cited = sum(each.found and each.sure > 0 for each in held) / max(1, len(held))
        declined = sum(each.sure <= 0 for each in absent) / max(1, len(absent))
        print(f"{split}: found first {found:.3f}, cited first {cited:.3f}, declined {declined:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
