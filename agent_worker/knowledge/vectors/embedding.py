"""Texts of a passage that are embedded: its heading, its whole text, and every sentence.

A sentence is nearer to the question it answers than its passage, which also speaks of other things. The whole text adds
the context that sentences lack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from agent_worker.knowledge.text.sentences import units_of
from agent_worker.knowledge.text.splitting import PassageText
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors

_MAX_SENTENCES = 64
"""Sentences of one passage."""


def short_heading(path: str) -> str:
    """The last heading of a path: those above it repeat the title, or say nothing ("Common questions")."""
    return path.rsplit(" > ", 1)[-1]


def texts_of(title: str, piece: PassageText) -> list[str]:
    """The heading, the whole text, then at least one sentence. Each names its subject."""
    name = short_heading(piece.heading)
    units = units_of(piece.text)[:_MAX_SENTENCES]
    sentences = [f"{name or title}: {unit.text}" for unit in units] + list(piece.restated)
    heading = f"{title}: {name}" if name else title
    whole = f"{title}. {name}. {piece.text}" if name else f"{title}. {piece.text}"
    return [heading, whole, *(sentences or [f"{name or title}: {piece.text}"])]


def embed(title: str, pieces: Sequence[PassageText], encoder: Encoder, known: Mapping[str, Vectors]) -> list[Vectors]:
    """Encode the texts of each passage, one row each. Texts in ``known`` (text → vector) are not encoded again."""
    texts = [texts_of(title, piece) for piece in pieces]
    missing = list(dict.fromkeys(text for passage_texts in texts for text in passage_texts if text not in known))
    encoded = dict(zip(missing, encoder.encode(missing), strict=True)) if missing else {}
    return [
        np.stack([known[text] if text in known else encoded[text] for text in passage_texts]) for passage_texts in texts
    ]


def known_vectors(title: str, pieces: Sequence[PassageText], vectors: Sequence[Vectors]) -> dict[str, Vectors]:
    """Text → vector of a document that was embedded before; ``vectors`` as ``embed`` returned them."""
    return dict(_pairs(title, pieces, vectors))


def _pairs(title: str, pieces: Sequence[PassageText], vectors: Sequence[Vectors]) -> Iterator[tuple[str, Vectors]]:
    for piece, passage_vectors in zip(pieces, vectors, strict=True):
        yield from zip(texts_of(title, piece), passage_vectors, strict=True)
