"""What of a passage is embedded: its heading, its whole text, and every sentence by itself.

A sentence is nearer to the question it answers than the passage it stands in, which speaks of other things too; the
whole text knows what its sentences are about, as they do not say by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from agent_worker.knowledge.text.sentences import units_of
from agent_worker.knowledge.text.splitting import Piece
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors

_MOST = 64
"""Sentences of one passage."""


def short_heading(path: str) -> str:
    """The last heading of a path: those above it say what the title says, or nothing ("Common questions")."""
    return path.rsplit(" > ", 1)[-1]


def texts_of(title: str, piece: Piece) -> list[str]:
    """The heading, the whole, then the sentences, at least one; each says by itself what it is about."""
    name = short_heading(piece.heading)
    units = units_of(piece.text)[:_MOST]
    sentences = [f"{name or title}: {unit.shown}" for unit in units]
    heading = f"{title}: {name}" if name else title
    whole = f"{title}. {name}. {piece.text}" if name else f"{title}. {piece.text}"
    return [heading, whole, *(sentences or [f"{name or title}: {piece.text}"])]


def embed(title: str, pieces: Sequence[Piece], encoder: Encoder, known: Mapping[str, Vectors]) -> list[Vectors]:
    """For each passage the vectors of its texts, one row each; those in ``known`` (text → vector) are not made
    again."""
    texts = [texts_of(title, piece) for piece in pieces]
    missing = list(dict.fromkeys(text for some in texts for text in some if text not in known))
    made = dict(zip(missing, encoder.encode(missing), strict=True)) if missing else {}
    return [np.stack([known[text] if text in known else made[text] for text in some]) for some in texts]


def known_vectors(title: str, pieces: Sequence[Piece], vectors: Sequence[Vectors]) -> dict[str, Vectors]:
    """Text → vector of a document that was embedded before; ``vectors`` as ``embed`` gave them."""
    return dict(_pairs(title, pieces, vectors))


def _pairs(title: str, pieces: Sequence[Piece], vectors: Sequence[Vectors]) -> Iterator[tuple[str, Vectors]]:
    for piece, made in zip(pieces, vectors, strict=True):
        yield from zip(texts_of(title, piece), made, strict=True)
