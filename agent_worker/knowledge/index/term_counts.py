"""Term and word counts of a document's passages. They are computed once, when the document is written, so a search
never reads a passage's text to score it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.text.analysis import content_words
from agent_worker.knowledge.text.splitting import PassageText

Places = NDArray[np.int32]

PASSAGE_FIELDS = ("p_title", "p_heading", "p_body")
_MAX_COUNT = 255
_SIZES = struct.Struct("<6I")


@dataclass(frozen=True, slots=True)
class TermCounts:
    """``terms`` and ``words`` are the document's distinct ones. ``term_of`` and ``word_of`` refer to them by index, one
    passage after another; ``term_sizes`` and ``word_sizes`` are the numbers per passage. ``counts`` has a row for each
    term of a passage: how often it occurs in each of PASSAGE_FIELDS, at most 255 times. ``lengths`` has a row for each
    passage: its number of terms by field."""

    terms: list[str]
    term_of: Places
    term_sizes: Places
    counts: NDArray[np.uint8]
    words: list[str]
    word_of: Places
    word_sizes: Places
    lengths: NDArray[np.int32]


def count_terms(title: str, pieces: Sequence[PassageText], searched: Sequence[Mapping[str, str]]) -> TermCounts:
    """``searched``: the search terms of each passage by field, joined by blanks."""
    terms: dict[str, int] = {}
    words: dict[str, int] = {}
    term_of: list[int] = []
    word_of: list[int] = []
    counts: list[list[int]] = []
    sizes = []
    for piece, fields in zip(pieces, searched, strict=True):
        counters = [Counter(fields[name].split()) for name in PASSAGE_FIELDS]
        distinct = list(dict.fromkeys(term for field in counters for term in field))
        term_of.extend(terms.setdefault(term, len(terms)) for term in distinct)
        counts.extend([min(_MAX_COUNT, field[term]) for field in counters] for term in distinct)
        passage_words = content_words(f"{title} {piece.heading} {piece.text}")
        word_of.extend(words.setdefault(word, len(words)) for word in passage_words)
        sizes.append((len(distinct), len(passage_words)))
    return _build_counts(
        terms, term_of, [size for size, _ in sizes], counts, words, word_of, [size for _, size in sizes]
    )


def _build_counts(
    terms: Iterable[str],
    term_of: Sequence[int],
    term_sizes: Sequence[int],
    counts: Sequence[Sequence[int]],
    words: Iterable[str],
    word_of: Sequence[int],
    word_sizes: Sequence[int],
) -> TermCounts:
    sizes, rows = np.array(term_sizes, np.int32), np.array(counts, np.uint8).reshape(-1, len(PASSAGE_FIELDS))
    return TermCounts(
        list(terms),
        np.array(term_of, np.int32),
        sizes,
        rows,
        list(words),
        np.array(word_of, np.int32),
        np.array(word_sizes, np.int32),
        _lengths(rows, sizes),
    )


def _lengths(counts: NDArray[np.uint8], sizes: Places) -> NDArray[np.int32]:
    summed = np.zeros((len(counts) + 1, counts.shape[1]), np.int32)
    counts.cumsum(axis=0, dtype=np.int32, out=summed[1:])
    ends = sizes.cumsum()
    lengths: NDArray[np.int32] = summed[ends] - summed[ends - sizes]
    return lengths


def encode_counts(counts: TermCounts) -> bytes:
    terms, words = "\n".join(counts.terms).encode(), "\n".join(counts.words).encode()
    arrays = (counts.term_of, counts.term_sizes, counts.word_of, counts.word_sizes)
    sizes = _SIZES.pack(*map(len, arrays), len(terms), len(words))
    return b"".join([sizes, *(each.tobytes() for each in arrays), counts.counts.tobytes(), terms, words])


def decode_counts(value: bytes | memoryview) -> TermCounts:
    *sizes, of_terms, of_words = _SIZES.unpack_from(value)
    at = _SIZES.size
    arrays: list[Places] = []
    for length in sizes:
        arrays.append(np.frombuffer(value, np.int32, length, at))
        at += 4 * length
    term_of, term_sizes, word_of, word_sizes = arrays
    fields = len(PASSAGE_FIELDS)
    counts: NDArray[np.uint8] = np.frombuffer(value, np.uint8, fields * len(term_of), at).reshape(-1, fields)
    at += counts.size
    terms = bytes(value[at : at + of_terms]).decode().split("\n") if of_terms else []
    at += of_terms
    words = bytes(value[at : at + of_words]).decode().split("\n") if of_words else []
    lengths = _lengths(counts, term_sizes)
    return TermCounts(terms, term_of, term_sizes, counts, words, word_of, word_sizes, lengths)
