"""Measures the speed of searches and edits for a tenant with 100,000 passages. Prints, asserts nothing.

python -m tests.measure.retrieval_speed [passages] [--sentences]

With ``--sentences`` questions go through the sentence encoder. Passages have random vectors then: to embed a hundred
thousand takes an hour, and a search takes as long whatever the vectors are.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent_worker.knowledge.index.prepared_document import PreparedDocument
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.quality.suite import read_suite
from agent_worker.knowledge.ranking.ranker import rank
from agent_worker.knowledge.text.documents import read_file
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from schemas.conversation import Document

if TYPE_CHECKING:
    from agent_worker.knowledge.vectors.encoder import Vectors

EXAMPLE = Path(__file__).parents[2] / "examples/plantstore"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
IN_DOCUMENT = 20
WORDS_IN_PASSAGE = 25
SHOWN = 8
"""Passages of each answer that are read, as a turn does."""


def vocabulary() -> list[str]:
    """The example's words as often as they stand there, and as many made-up ones, each alike rare."""
    bodies = [read_file(path).body for path in sorted((EXAMPLE / "knowledge").iterdir())]
    spoken = [word for body in bodies for word in body.split()]
    return spoken + [f"{word[:5]}{number % 97}" for number, word in enumerate(spoken)]


def prepare_document(index: TenantIndex, name: str, words: Sequence[str], version: int = 1) -> PreparedDocument:
    parts = (
        f"## {' '.join(random.choices(words, k=4))}\n\n{' '.join(random.choices(words, k=WORDS_IN_PASSAGE))}"
        for _ in range(IN_DOCUMENT)
    )
    title = " ".join(random.choices(words, k=4))
    return index.prepare(
        Document(id=name, title=title, body="\n\n".join(parts), version=version, updated_at=NOW), f"{version}"
    )


def milliseconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    begun = clock()
    work()
    return (clock() - begun) * 1000


class RandomEncoder:
    """``inner`` for what is asked; random directions for passages."""

    multilingual = None

    def __init__(self, inner: Encoder) -> None:
        import numpy as np

        self._inner = inner
        self._chance = np.random.default_rng(1)
        self.name, self.kind = f"scattered {inner.name}", inner.kind
        self.size, self.words_size = inner.size, inner.words_size

    def encode(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        made = self._chance.standard_normal((len(texts), self.size), dtype=np.float32)
        vectors: Vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
        return vectors

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._inner.encode_query(texts)

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        return self._inner.start_query(texts)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self._inner.encode_words(words)


def sentence_encoder() -> Encoder | None:
    """None where it was not fetched."""
    from infra.deploy import encoder as fetching

    light = light_encoder()
    return (
        RandomEncoder(open_folder(fetching.encoder_dir(), light))
        if light is not None and fetching.is_present()
        else None
    )


@dataclass(frozen=True, slots=True)
class Speeds:
    """Milliseconds. ``searches``: of each round over all questions; ``processor``: what of that was our own work."""

    searches: list[list[float]]
    processor: list[float]
    edits: list[float]
    opened: float


def speeds(passages: int, rounds: int = 1, most: int | None = None, encoder: Encoder | None = None) -> Speeds:
    """Build an index of so many passages, then search it (``most`` limits the questions), edit and reopen it."""
    import yaml

    random.seed(1)
    words, encoder = vocabulary(), encoder or light_encoder()
    with tempfile.TemporaryDirectory() as folder:
        index = TenantIndex(Path(folder) / "tenant", encoder)
        documents = passages // IN_DOCUMENT
        for begin in range(0, documents, 250):
            index.apply([prepare_document(index, f"d{n}", words) for n in range(begin, min(begin + 250, documents))])
        asked = read_suite(yaml.safe_load((EXAMPLE / "questions.yaml").read_text(encoding="utf-8"))).cases[:most]
        for question in asked[:5]:  # first use loads and links
            rank(index, question.say, NOW, encoder, SHOWN)
        searches = [
            [milliseconds(lambda text=q.say: rank(index, text, NOW, encoder, SHOWN)) for q in asked]  # type: ignore[misc]
            for _ in range(rounds)
        ]
        processor = [
            milliseconds(lambda text=q.say: rank(index, text, NOW, encoder), time.process_time)  # type: ignore[misc]
            for q in asked
        ]
        edits = [
            milliseconds(lambda n=n: index.apply([prepare_document(index, f"d{n}", words, 2)]))  # type: ignore[misc]
            for n in range(min(len(asked), 50, documents))
        ]
        index.close()
        return Speeds(searches, processor, edits, milliseconds(lambda: TenantIndex(Path(folder) / "tenant", encoder)))


def tell(what: str, times: Sequence[float]) -> None:
    ordered = sorted(times)
    print(f"{what}: p50 {ordered[len(ordered) // 2]:.1f} ms, p95 {ordered[int(len(ordered) * 0.95)]:.1f} ms")


def main(passages: int, *, sentences: bool) -> None:
    encoder = sentence_encoder() if sentences else light_encoder()
    if encoder is None:
        sys.exit("the sentence encoder is not here: `make encoder` fetches it")
    print(encoder.name)
    found = speeds(passages, encoder=encoder)
    print(f"{passages:,} passages")
    tell("search", found.searches[0])
    tell("search, processor time", found.processor)
    tell("edit until visible in the index", found.edits)
    tell("opened from disk", [found.opened])


if __name__ == "__main__":
    numbers = [argument for argument in sys.argv[1:] if argument.isdecimal()]
    main(int(numbers[0]) if numbers else 100_000, sentences="--sentences" in sys.argv)
