"""The encoders there are, each remembering on disk what it made: ten thousand texts take one of them a minute."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent_worker.knowledge.vectors.encoder import Encoder, Kind, light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import open_folder

if TYPE_CHECKING:
    from agent_worker.knowledge.vectors.encoder import Vectors

ROOT = Path(__file__).resolve().parents[3]
STRONG = ROOT / ".cache" / "encoder" / "bge-small-en-v1.5-q"
_KEPT = ROOT / ".cache" / "measure"
_TIMED = 100


class CachingEncoder:
    """``inner``, for queries."""

    multilingual = None

    def __init__(self, inner: Encoder) -> None:
        self.inner = inner
        self.name, self.size, self.words_size = inner.name, inner.size, inner.words_size
        self.kind: Kind = inner.kind

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self.inner.encode(texts)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self.inner.encode_words(words)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        stamp = hashlib.sha256("\0".join([self.name, *texts]).encode()).hexdigest()[:24]
        file = _KEPT / f"{stamp}.npy"
        if not file.exists():
            _KEPT.mkdir(parents=True, exist_ok=True)
            np.save(file, self.inner.encode_query(texts))
        made: Vectors = np.load(file)
        return made

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        return partial(self.encode_query, texts)

    def cost(self, texts: Sequence[str]) -> float:
        """Milliseconds of processor time for one message."""
        begun = time.process_time()
        for text in texts[:_TIMED]:
            self.inner.encode_query([text])
        return (time.process_time() - begun) * 1000 / len(texts[:_TIMED])


def encoders(wanted: str | None = None) -> Iterator[CachingEncoder]:
    """Light, then strong where `make encoder` fetched it; only the ``wanted`` kind, if one is named."""
    light = light_encoder()
    if light is None:
        return
    if wanted in (None, "light"):
        yield CachingEncoder(light)
    if wanted in (None, "strong") and STRONG.exists():
        yield CachingEncoder(open_folder(STRONG, light))
