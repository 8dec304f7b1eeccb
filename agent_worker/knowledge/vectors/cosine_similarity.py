"""Cosine features of passages for a query, from all their vectors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Vectors
from agent_worker.knowledge.vectors.vector_index import centered_cosines, products

_NEAREST_SENTENCES = 3
"""A single sentence may be near only because of its form."""
_OFFSET = 1000.0
COSINES = (
    "text",
    "heading",
    "sentence",
    "few",
    "text_apart",
    "heading_apart",
    "sentence_apart",
    "few_apart",
    "theme",
    "whole",
)
"""Cosine features of a passage. ``text``: mean of heading and sentences; ``whole``: the whole text; ``sentence``: its
nearest sentence; ``few``: mean of its document's three nearest sentences; ``theme``: mean of all sentences of its
document. ``…_apart`` and ``theme`` are without the part that all documents share."""
_WHOLE_ROWS = ("text", "heading", "whole")
"""In the order of a passage's first rows. Its sentences follow."""
_FEW_NAMES = frozenset({"few", "few_apart"})


class VectorRows(Protocol):
    """A passage's vectors, see DocumentVectors."""

    @property
    def document(self) -> str: ...
    @property
    def rows(self) -> Vectors: ...
    @property
    def sentences(self) -> int: ...
    @property
    def sentence_sum(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _PassageRows:
    """Some passages, one after another: ``rows`` of vectors, ``counts`` per passage. ``of``: each passage's document;
    ``means``: the mean sentence of each document, if themes are needed."""

    rows: Vectors
    counts: NDArray[np.intp]
    of: NDArray[np.intp]
    means: Vectors | None


def cosines_of(found: Sequence[VectorRows], queries: Vectors, mean: Vectors, names: Sequence[str] = COSINES) -> Vectors:
    """Build, for each of ``names``, some of COSINES, a table with a row for each passage and a column for each query.
    ``mean``: the mean of all sentences."""
    passages = _join(found, themes="theme" in names)
    queries_and_mean = np.concatenate([queries, mean[None]])
    products_ = products(passages.rows, queries_and_mean)
    cosines, to_mean = products_[:, :-1], products_[:, -1]
    tables = {"": cosines, "_apart": centered_cosines(cosines, to_mean, queries, mean)}
    features: dict[str, Vectors] = {}
    ends = np.cumsum(passages.counts)
    begins = ends - passages.counts
    for suffix, table in tables.items():
        features |= {f"{name}{suffix}": table[begins + index] for index, name in enumerate(_WHOLE_ROWS)}
        features |= _sentence_cosines(table, begins, passages, suffix, _FEW_NAMES.intersection(names))
    if passages.means is not None:
        features["theme"] = _themes(passages.means, passages.of, queries, mean)
    return np.stack([features[name] for name in names])


def _join(found: Sequence[VectorRows], *, themes: bool) -> _PassageRows:
    rows = np.concatenate([passage.rows for passage in found])
    counts = np.array([len(passage.rows) for passage in found])
    documents = {passage.document: passage for passage in found}
    places = {document: place for place, document in enumerate(documents)}
    of = np.array([places[passage.document] for passage in found])
    means = [np.frombuffer(each.sentence_sum, np.float32) / each.sentences for each in documents.values()]
    return _PassageRows(rows, counts, of, np.stack(means) if themes else None)


def _sentence_cosines(
    table: Vectors, begins: NDArray[np.intp], passages: _PassageRows, suffix: str, few: Collection[str]
) -> dict[str, Vectors]:
    """The nearest sentence and, if in ``few``, the mean of the document's nearest sentences."""
    sentences = np.ones(len(table), np.bool_)
    for index in range(len(_WHOLE_ROWS)):
        sentences[begins + index] = False
    counts = passages.counts - len(_WHOLE_ROWS)
    sentence_rows = table[sentences]
    features = {f"sentence{suffix}": np.maximum.reduceat(sentence_rows, np.cumsum(counts) - counts, axis=0)}
    if f"few{suffix}" in few:
        features[f"few{suffix}"] = _mean_of_nearest(sentence_rows, np.repeat(passages.of, counts))[passages.of]
    return features


def _themes(means: Vectors, of: NDArray[np.intp], queries: Vectors, mean: Vectors) -> Vectors:
    themes, centered_queries = means - mean, queries - mean
    size = np.linalg.norm(themes, axis=1)[:, None] * np.linalg.norm(centered_queries, axis=1)
    cosines: Vectors = (products(themes.astype(np.float32), centered_queries) / np.maximum(size, 1e-6))[of]
    return cosines


def _mean_of_nearest(near: Vectors, of: NDArray[np.intp]) -> Vectors:
    """Compute for each document the mean of its nearest sentences. ``of``: the document of each row; every document has
    one."""
    counts = np.bincount(of)
    ends = np.cumsum(counts)
    # Sort within each document and all columns at once by adding a large offset per document.
    offsets = _OFFSET * np.arange(len(counts))[:, None]
    ordered = np.sort(near + offsets[of], axis=0)
    total = sum(
        np.where((counts >= step)[:, None], ordered[np.maximum(ends - step, 0)] - offsets, 0.0)
        for step in range(1, _NEAREST_SENTENCES + 1)
    )
    means: Vectors = (total / np.minimum(counts, _NEAREST_SENTENCES)[:, None]).astype(np.float32)
    return means
