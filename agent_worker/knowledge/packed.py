"""A document as it is kept in the file beside the index: what it says of itself, its counts, its vectors."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from agent_worker.knowledge.counted import Counted, read_counts, stored_counts
from agent_worker.knowledge.passages import Label
from agent_worker.knowledge.vectors import sizes_of, stored_form

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_worker.knowledge.encoder import Vectors

_SIZES = struct.Struct("<4I")
_ALIGNED = 8


class About(NamedTuple):
    document: str
    version: int
    fingerprint: str
    label: Label


@dataclass(frozen=True, slots=True)
class Unpacked:
    """``vectors``: the byte of the content at which they begin; ``sizes``: their rows of each passage, none without an
    encoder."""

    about: About
    counted: Counted
    vectors: int
    sizes: NDArray[np.int32]


def pack(about: About, counted: Counted, vectors: Sequence[Vectors] | None) -> bytes:
    """The vectors come first but for their sizes, so that they stand where numbers may stand."""
    parts = [
        sizes_of(vectors).tobytes() if vectors else b"",
        stored_form(vectors) if vectors else b"",
        stored_counts(counted),
        json.dumps(about).encode(),
    ]
    return b"".join([_SIZES.pack(*map(len, parts)), *map(_padded, parts)])


def unpack(content: memoryview) -> Unpacked:
    """Arrays are views of ``content``."""
    import numpy as np

    sizes, vectors, counts, about = _SIZES.unpack_from(content)
    at_vectors = _SIZES.size + _filled(sizes)
    at_counts = at_vectors + _filled(vectors)
    at_about = at_counts + _filled(counts)
    document, version, fingerprint, label = json.loads(bytes(content[at_about : at_about + about]))
    return Unpacked(
        About(document, version, fingerprint, Label(*label)),
        read_counts(content[at_counts : at_counts + counts]),
        at_vectors,
        np.frombuffer(content, np.int32, sizes // 4, _SIZES.size),
    )


def _padded(part: bytes) -> bytes:
    return part + bytes(_filled(len(part)) - len(part))


def _filled(size: int) -> int:
    return size + -size % _ALIGNED
