"""Stored form of a document's vectors: half-precision rows for each passage, and what a search needs of all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Vectors
from agent_worker.knowledge.vectors.vector_index import SEARCHED_ROWS, VectorIndex, common_vector, pack_signs, products

_EMBEDDED_WHOLE = 2
"""Embedded rows before the sentences: heading and whole text."""


@dataclass(frozen=True, slots=True)
class DocumentVectors:
    """``passages``: for each its rows in half precision: text (the mean of heading and sentences), heading, whole text,
    sentences. ``signs``: those of the searched rows. ``sentence_sum``: the sum of all ``sentences``."""

    passages: list[bytes]
    signs: bytes
    sentence_sum: bytes
    sentences: int


NO_VECTORS = DocumentVectors([], b"", b"", 0)


def encode_vectors(vectors: Sequence[Vectors]) -> DocumentVectors:
    """``vectors``: for each passage its heading, its whole text, its sentences, as ``embed`` returns them."""
    rows, total, count = [], np.zeros(vectors[0].shape[1], np.float32), 0
    for passage in vectors:
        rounded = passage.astype(np.float16)
        exact = rounded.astype(np.float32)
        sentences = exact[_EMBEDDED_WHOLE:].sum(axis=0)
        total += sentences
        count += len(exact) - _EMBEDDED_WHOLE
        text = exact[0] + sentences
        text /= max(float(np.linalg.norm(text)), 1e-9)
        rows.append(np.concatenate([text.astype(np.float16)[None], rounded]))
    signs = pack_signs(np.concatenate([each[:SEARCHED_ROWS] for each in rows]))
    return DocumentVectors([each.tobytes() for each in rows], signs.tobytes(), total.tobytes(), count)


def decode_rows(rows: bytes, size: int) -> Vectors:
    """All rows of a passage."""
    return np.frombuffer(rows, np.float16).reshape(-1, size).astype(np.float32)


def nearest_of(passages: Sequence[Vectors], queries: Vectors, limit: int) -> list[int]:
    """Positions of those passages, each given by its rows, whose searched rows are nearest to any of the queries."""
    if not passages:
        return []
    searched = np.concatenate([rows[:SEARCHED_ROWS] for rows in passages])
    cosines = products(searched, queries).max(axis=1).reshape(-1, SEARCHED_ROWS).max(axis=1)
    places: list[int] = np.argsort(-cosines, kind="stable")[:limit].tolist()
    return places


def embedded_rows(rows: bytes, size: int) -> Vectors:
    """The rows of a passage that were embedded: heading, whole text, sentences."""
    return decode_rows(rows, size)[1:]


class VectorSummary(NamedTuple):
    """What a search needs of one document before it knows which passages it compares. ``passages``: their numbers; the
    rest as in DocumentVectors."""

    passages: range
    signs: bytes
    sentences: int
    sentence_sum: bytes


@dataclass(frozen=True, slots=True)
class TenantVectors:
    """Vectors of all passages of a tenant, as far as they are in memory. ``total``: the sum of all ``sentences``."""

    size: int
    index: VectorIndex
    total: NDArray[np.float64]
    sentences: int

    @classmethod
    def of(cls, size: int, documents: Iterable[VectorSummary]) -> TenantVectors:
        return cls(size, VectorIndex.of(size, [], b""), np.zeros(size), 0).replace([], documents)

    def replace(self, removed: Iterable[VectorSummary], added: Iterable[VectorSummary]) -> TenantVectors:
        """Without the documents ``removed`` and with those ``added``."""
        old, new = list(removed), list(added)
        gone = [number for document in old for number in document.passages]
        numbers = [number for document in new for number in document.passages]
        index = self.index.replace(gone, VectorIndex.of(self.size, numbers, b"".join(each.signs for each in new)))
        total, sentences = self.total.copy(), self.sentences
        for sign, documents in ((-1, old), (1, new)):
            for document in documents:
                total += sign * np.frombuffer(document.sentence_sum, np.float32)
                sentences += sign * document.sentences
        return TenantVectors(self.size, index, total, sentences)

    @property
    def common(self) -> Vectors:
        """The part that all texts share, see ``common_vector``."""
        return common_vector(self.total, self.sentences)
