"""A document's passages as scoring looks at them: which terms and words stand in each, and how often. Counted once,
when the document is written; a search never reads a passage's text to score it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.text.analysis import content_words
from agent_worker.knowledge.text.splitting import Piece

Places = NDArray[np.int32]

PASSAGE_FIELDS = ("p_title", "p_heading", "p_body")
_MOST = 255
_SIZES = struct.Struct("<6I")


@dataclass(frozen=True, slots=True)
class Counted:
    """``terms`` and ``words`` are the document's distinct ones. ``term_of`` and ``word_of`` name those of the passages
    by their places there, one passage after another, ``term_sizes`` and ``word_sizes`` of them each; ``counts``, a row
    for every term of a passage, says how often it stands in each of PASSAGE_FIELDS, at most 255 times.
    ``lengths``: terms of each passage, a row, by field."""

    terms: list[str]
    term_of: Places
    term_sizes: Places
    counts: NDArray[np.uint8]
    words: list[str]
    word_of: Places
    word_sizes: Places
    lengths: NDArray[np.int32]


def counted(title: str, pieces: Sequence[Piece], searched: Sequence[Mapping[str, str]]) -> Counted:
    """``searched``: of each passage its terms by field, joined by blanks."""
    terms: dict[str, int] = {}
    words: dict[str, int] = {}
    term_of: list[int] = []
    word_of: list[int] = []
    counts: list[list[int]] = []
    sizes = []
    for piece, fields in zip(pieces, searched, strict=True):
        found = [Counter(fields[name].split()) for name in PASSAGE_FIELDS]
        distinct = list(dict.fromkeys(term for field in found for term in field))
        term_of.extend(terms.setdefault(term, len(terms)) for term in distinct)
        counts.extend([min(_MOST, field[term]) for field in found] for term in distinct)
        own = content_words(f"{title} {piece.heading} {piece.text}")
        word_of.extend(words.setdefault(word, len(words)) for word in own)
        sizes.append((len(distinct), len(own)))
    return _made(terms, term_of, [size for size, _ in sizes], counts, words, word_of, [size for _, size in sizes])


def _made(
    terms: Iterable[str],
    term_of: Sequence[int],
    term_sizes: Sequence[int],
    counts: Sequence[Sequence[int]],
    words: Iterable[str],
    word_of: Sequence[int],
    word_sizes: Sequence[int],
) -> Counted:
    sizes, rows = np.array(term_sizes, np.int32), np.array(counts, np.uint8).reshape(-1, len(PASSAGE_FIELDS))
    return Counted(
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


def stored_counts(made: Counted) -> bytes:
    terms, words = "\n".join(made.terms).encode(), "\n".join(made.words).encode()
    arrays = (made.term_of, made.term_sizes, made.word_of, made.word_sizes)
    sizes = _SIZES.pack(*map(len, arrays), len(terms), len(words))
    return b"".join([sizes, *(each.tobytes() for each in arrays), made.counts.tobytes(), terms, words])


def read_counts(value: bytes | memoryview) -> Counted:
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
    return Counted(terms, term_of, term_sizes, counts, words, word_of, word_sizes, lengths)
