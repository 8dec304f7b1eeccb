"""Binary form of a document in the file beside the index: header, term counts, vectors and texts."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.passage_table import DocumentAttributes
from agent_worker.knowledge.index.term_counts import TermCounts, decode_counts, encode_counts
from agent_worker.knowledge.text.splitting import PassageText
from agent_worker.knowledge.vectors.encoder import Vectors
from agent_worker.knowledge.vectors.passage_vectors import encode_vectors, row_counts

_SIZES = struct.Struct("<5I")
_PARTS_BEGIN = 24
"""Byte at which the first part begins."""
_ALIGNMENT = 8


class DocumentHeader(NamedTuple):
    """The properties that all passages of a document share."""

    document: str
    version: int
    title: str
    url: str
    attributes: DocumentAttributes


@dataclass(frozen=True, slots=True)
class UnpackedDocument:
    """``vectors_begin``: the byte of the content where the vectors begin; ``sizes``: rows of vectors for each passage,
    empty without an encoder."""

    header: DocumentHeader
    counts: TermCounts
    vectors_begin: int
    sizes: NDArray[np.int32]


def pack(
    header: DocumentHeader, pieces: Sequence[PassageText], counts: TermCounts, vectors: Sequence[Vectors] | None
) -> bytes:
    """The document's content; every part is aligned for arrays."""
    parts = [
        row_counts(vectors).tobytes() if vectors else b"",
        encode_vectors(vectors) if vectors else b"",
        encode_counts(counts),
        json.dumps(header).encode(),
        _encode_texts([text for piece in pieces for text in (piece.heading, piece.text)]),
    ]
    return b"".join([_SIZES.pack(*map(len, parts)), bytes(_PARTS_BEGIN - _SIZES.size), *map(_pad, parts)])


def unpack(content: memoryview) -> UnpackedDocument:
    """Everything except the texts. Arrays are views of ``content``."""
    sizes, vectors, counts, header, _ = _part_slices(content)
    return UnpackedDocument(
        _read_header(content[header]),
        decode_counts(content[counts]),
        vectors.start,
        np.frombuffer(content[sizes], np.int32),
    )


def read_passages(content: memoryview, orders: Iterable[int]) -> tuple[DocumentHeader, dict[int, tuple[str, str]]]:
    """The header, and heading and text of those of the passages that exist."""
    *_, header_slice, text_slice = _part_slices(content)
    part = content[text_slice]
    (count,) = struct.unpack_from("<I", part)
    ends = struct.unpack_from(f"<{count + 1}I", part, 4)
    passages = {}
    for order in orders:
        if 2 * order < count:
            begin, split, end = ends[2 * order : 2 * order + 3]
            passages[order] = (_decode_text(part[begin:split]), _decode_text(part[split:end]))
    return _read_header(content[header_slice]), passages


def _encode_texts(texts: Sequence[str]) -> bytes:
    """The number of texts, where each begins and the last one ends, then the texts."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = list(accumulate(map(len, encoded), initial=4 * (len(texts) + 2)))
    return struct.pack(f"<{len(texts) + 2}I", len(texts), *ends) + b"".join(encoded)


def _decode_text(text: memoryview) -> str:
    return bytes(text).decode("utf-8", "surrogatepass")


def _read_header(part: memoryview) -> DocumentHeader:
    document, version, title, url, attributes = json.loads(bytes(part))
    return DocumentHeader(document, version, title, url, DocumentAttributes(*attributes))


def _part_slices(content: memoryview) -> list[slice]:
    out, at = [], _PARTS_BEGIN
    for size in _SIZES.unpack_from(content):
        out.append(slice(at, at + size))
        at += _aligned_size(size)
    return out


def _pad(part: bytes) -> bytes:
    return part + bytes(_aligned_size(len(part)) - len(part))


def _aligned_size(size: int) -> int:
    return size + -size % _ALIGNMENT
