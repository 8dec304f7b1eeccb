"""Near-identical documents, paragraphs, lists and tables, by MinHash signatures of three-word shingles.

Signatures are compared only within bands (locality-sensitive hashing), so the time grows almost linearly with the
number of passages. Equal texts have equal signatures."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.text.analysis import words
from agent_worker.knowledge.text.blocks import blocks_of
from schemas.conversation import Document

SIMILAR_FROM = 0.8
"""Share of equal shingles from which texts count as near-identical: about one word in thirty differs."""
MIN_WORDS = 20
"""Shorter paragraphs, lists and tables are not compared: greetings and signatures repeat on purpose."""
_SHINGLE = 3
_BANDS, _ROWS = 25, 5  # texts of similarity 0.8 share a band with a probability of 0.9999, those of 0.4 with 0.2
_EMPTY = np.uint32(0xFFFFFFFF)
_RANDOM = np.random.default_rng(1)
_FACTORS = _RANDOM.integers(1, 2**63, _BANDS * _ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_OFFSETS = _RANDOM.integers(0, 2**63, _BANDS * _ROWS, dtype=np.uint64)

Signature = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class PassagePlace:
    document: str
    heading: str
    opening: str
    """The first words."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two near-identical texts; ``similarity`` is an estimate, 1.0 for equal ones. For whole documents the headings and
    openings are empty. ``passages``: how many passages the two documents share."""

    first: PassagePlace
    second: PassagePlace
    similarity: float
    passages: int = 0

    @property
    def is_whole(self) -> bool:
        return not self.passages


class DuplicateFinder:
    """Reads documents one after another and keeps half a kilobyte of each passage. Blocking."""

    def __init__(self) -> None:
        self._documents: list[str] = []
        self._document_signatures: list[Signature] = []
        self._places: list[PassagePlace] = []
        self._signatures: list[Signature] = []

    def add(self, document: Document) -> None:
        whole, heading = np.full(_BANDS * _ROWS, _EMPTY), ""
        for block in blocks_of(document.body):
            if block.kind == "heading":
                heading = block.title
                continue
            text = document.body[block.start : block.end]
            tokens = [word.casefold() for word in words(text)]
            if len(tokens) < _SHINGLE:
                continue
            signature = _sign(tokens)
            whole = np.minimum(whole, signature)
            if len(tokens) >= MIN_WORDS:
                self._places.append(PassagePlace(document.id, heading, " ".join(text.split()[:25])))
                self._signatures.append(signature)
        if (whole != _EMPTY).any():
            self._documents.append(document.id)
            self._document_signatures.append(whole)

    def find(self) -> list[Duplicate]:
        """Documents that are near-identical as a whole; then passages that two other documents share."""
        found = [
            Duplicate(
                PassagePlace(self._documents[one], "", ""), PassagePlace(self._documents[two], "", ""), similarity
            )
            for one, two, similarity in _similar_pairs(self._document_signatures)
        ]
        groups = _Groups()
        for each in found:
            groups.join(each.first.document, each.second.document)
        return found + self._find_passages(groups)

    def _find_passages(self, groups: _Groups) -> list[Duplicate]:
        shared: dict[tuple[str, str], list[tuple[PassagePlace, PassagePlace, float]]] = {}
        for one, two, similarity in _similar_pairs(self._signatures):
            first, second = self._places[one], self._places[two]
            if groups.find(first.document) != groups.find(second.document):
                shared.setdefault((first.document, second.document), []).append((first, second, similarity))
        return [Duplicate(*pairs[0], passages=len(pairs)) for pairs in shared.values()]


class _Groups:
    """Documents that are copies of each other, directly or by way of others."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def find(self, document: str) -> str:
        while (parent := self._parents.get(document, document)) != document:
            document = parent
        return document

    def join(self, one: str, other: str) -> None:
        self._parents[self.find(one)] = self.find(other)


def _sign(tokens: Sequence[str]) -> Signature:
    shingles = {" ".join(tokens[at : at + _SHINGLE]) for at in range(len(tokens) - _SHINGLE + 1)}
    hashes = np.fromiter((zlib.crc32(shingle.encode()) for shingle in shingles), np.uint64, len(shingles))
    mixed = (_FACTORS[:, None] * hashes[None, :] + _OFFSETS[:, None]) >> np.uint64(32)
    smallest: Signature = mixed.min(axis=1).astype(np.uint32)
    return smallest


def _similar_pairs(signatures: Sequence[Signature]) -> list[tuple[int, int, float]]:
    """Pairs by position. Of many equal texts each is paired with the first one only."""
    if len(signatures) < 2:
        return []
    matrix = np.stack(signatures)
    found: dict[tuple[int, int], float] = {}
    for band in range(_BANDS):
        for one, two in _candidates(matrix[:, band * _ROWS : (band + 1) * _ROWS]):
            if (one, two) not in found:
                similarity = float((matrix[one] == matrix[two]).mean())
                if similarity >= SIMILAR_FROM:
                    found[one, two] = similarity
    return [(one, two, similarity) for (one, two), similarity in sorted(found.items())]


def _candidates(rows: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Pairs with equal rows: each with the first of its run, and with its neighbour."""
    order = np.lexsort(rows.T)
    equal = (rows[order[1:]] == rows[order[:-1]]).all(axis=1)
    start = 0
    for at in np.flatnonzero(equal):
        if at == 0 or not equal[at - 1]:
            start = int(at)
        yield _pair(int(order[start]), int(order[at + 1]))
        if at > start:
            yield _pair(int(order[at]), int(order[at + 1]))


def _pair(one: int, two: int) -> tuple[int, int]:
    return (one, two) if one < two else (two, one)
