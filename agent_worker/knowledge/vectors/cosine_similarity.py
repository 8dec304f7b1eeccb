"""How near passages are to what is asked, by all their vectors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Vectors
from agent_worker.knowledge.vectors.vector_index import apart, products

_FEW = 3
"""So many of a document's sentences are to be near: one may be so by its form alone."""
_APART = 1000.0
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
"""What is said of a passage. ``text``: the mean of its heading and sentences; ``whole``: its whole text; ``sentence``:
its nearest one; ``few``: the mean of the nearest three of its document; ``theme``: the mean of all of its document.
``…_apart`` and ``theme`` are without what all documents share."""
_PLAIN = ("text", "heading", "whole")
"""In the order of a passage's first rows; its sentences follow."""
_FEWS = frozenset({"few", "few_apart"})


@dataclass(frozen=True, slots=True)
class Blocks:
    """Some passages, one after another: ``rows`` of vectors, ``counts`` of them each. ``of``: which document a passage
    is of; ``means``: of all sentences of each document, where themes are asked for."""

    rows: Vectors
    counts: NDArray[np.intp]
    of: NDArray[np.intp]
    means: Vectors | None


def cosines_of(blocks: Blocks, queries: Vectors, middle: Vectors, names: Sequence[str]) -> Vectors:
    """For each of ``names``, for each passage, a row, the cosines to every query, a column."""
    both = np.concatenate([queries, middle[None]])
    products_ = products(blocks.rows, both)
    near, to_middle = products_[:, :-1], products_[:, -1]
    tables = {"": near, "_apart": apart(near, to_middle, queries, middle)}
    found: dict[str, Vectors] = {}
    ends = np.cumsum(blocks.counts)
    begins = ends - blocks.counts
    for suffix, table in tables.items():
        found |= {f"{name}{suffix}": table[begins + place] for place, name in enumerate(_PLAIN)}
        found |= _compared(table, begins, blocks, suffix, _FEWS.intersection(names))
    if blocks.means is not None:
        found["theme"] = _themes(blocks.means, blocks.of, queries, middle)
    return np.stack([found[name] for name in names])


def _compared(
    table: Vectors, begins: NDArray[np.intp], blocks: Blocks, suffix: str, few: Collection[str]
) -> dict[str, Vectors]:
    """The nearest sentence; of ``few``, what is asked for: of the nearest few of the document."""
    sentences = np.ones(len(table), np.bool_)
    for place in range(len(_PLAIN)):
        sentences[begins + place] = False
    counts = blocks.counts - len(_PLAIN)
    chosen = table[sentences]
    found = {f"sentence{suffix}": np.maximum.reduceat(chosen, np.cumsum(counts) - counts, axis=0)}
    if f"few{suffix}" in few:
        found[f"few{suffix}"] = _few(chosen, np.repeat(blocks.of, counts))[blocks.of]
    return found


def _themes(means: Vectors, of: NDArray[np.intp], queries: Vectors, middle: Vectors) -> Vectors:
    themes, asked = means - middle, queries - middle
    size = np.linalg.norm(themes, axis=1)[:, None] * np.linalg.norm(asked, axis=1)
    near: Vectors = (products(themes.astype(np.float32), asked) / np.maximum(size, 1e-6))[of]
    return near


def _few(near: Vectors, of: NDArray[np.intp]) -> Vectors:
    """For each document the mean of its nearest sentences. ``of``: which document a row is of; each has one."""
    counts = np.bincount(of)
    ends = np.cumsum(counts)
    # Sorted within each document, for all columns at once: by far apart offsets.
    offsets = _APART * np.arange(len(counts))[:, None]
    placed = np.sort(near + offsets[of], axis=0)
    total = sum(
        np.where((counts >= step)[:, None], placed[np.maximum(ends - step, 0)] - offsets, 0.0)
        for step in range(1, _FEW + 1)
    )
    made: Vectors = (total / np.minimum(counts, _FEW)[:, None]).astype(np.float32)
    return made
