"""A document as it is kept in the file beside the index: what it says of itself, its counts, vectors and texts."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.passage_table import Label
from agent_worker.knowledge.index.term_counts import Counted, read_counts, stored_counts
from agent_worker.knowledge.text.splitting import Piece
from agent_worker.knowledge.vectors.encoder import Vectors
from agent_worker.knowledge.vectors.passage_vectors import sizes_of, stored_form

_SIZES = struct.Struct("<5I")
_FIRST = 24
"""Bytes before the first part."""
_ALIGNED = 8


class About(NamedTuple):
    """What all of a document's passages share."""

    document: str
    version: int
    title: str
    url: str
    label: Label


@dataclass(frozen=True, slots=True)
class Unpacked:
    """``vectors``: the byte of the content at which they begin; ``sizes``: their rows of each passage, none without an
    encoder."""

    about: About
    counted: Counted
    vectors: int
    sizes: NDArray[np.int32]


def pack(about: About, pieces: Sequence[Piece], counted: Counted, vectors: Sequence[Vectors] | None) -> bytes:
    """Each part begins where numbers may stand."""
    parts = [
        sizes_of(vectors).tobytes() if vectors else b"",
        stored_form(vectors) if vectors else b"",
        stored_counts(counted),
        json.dumps(about).encode(),
        _texts([text for piece in pieces for text in (piece.heading, piece.text)]),
    ]
    return b"".join([_SIZES.pack(*map(len, parts)), bytes(_FIRST - _SIZES.size), *map(_padded, parts)])


def unpack(content: memoryview) -> Unpacked:
    """All but the texts. Arrays are views of ``content``."""
    sizes, vectors, counts, about, _ = _parts(content)
    return Unpacked(
        _about(content[about]),
        read_counts(content[counts]),
        vectors.start,
        np.frombuffer(content[sizes], np.int32),
    )


def shown(content: memoryview, orders: Iterable[int]) -> tuple[About, dict[int, tuple[str, str]]]:
    """Heading and text of those of the passages that there are."""
    *_, about, texts = _parts(content)
    part = content[texts]
    (count,) = struct.unpack_from("<I", part)
    ends = struct.unpack_from(f"<{count + 1}I", part, 4)
    out = {}
    for order in orders:
        if 2 * order < count:
            begin, middle, end = ends[2 * order : 2 * order + 3]
            out[order] = (_read(part[begin:middle]), _read(part[middle:end]))
    return _about(content[about]), out


def _texts(texts: Sequence[str]) -> bytes:
    """How many, where each begins and the last one ends, then all of them."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = list(accumulate(map(len, encoded), initial=4 * (len(texts) + 2)))
    return struct.pack(f"<{len(texts) + 2}I", len(texts), *ends) + b"".join(encoded)


def _read(text: memoryview) -> str:
    return bytes(text).decode("utf-8", "surrogatepass")


def _about(part: memoryview) -> About:
    document, version, title, url, label = json.loads(bytes(part))
    return About(document, version, title, url, Label(*label))


def _parts(content: memoryview) -> list[slice]:
    out, at = [], _FIRST
    for size in _SIZES.unpack_from(content):
        out.append(slice(at, at + size))
        at += _filled(size)
    return out


def _padded(part: bytes) -> bytes:
    return part + bytes(_filled(len(part)) - len(part))


def _filled(size: int) -> int:
    return size + -size % _ALIGNED
