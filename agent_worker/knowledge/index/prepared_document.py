"""A document ready to be written: split, analysed and embedded, which is the slow part of a write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from agent_worker.knowledge.text.analysis import content_words, primary_language, terms
from agent_worker.knowledge.text.splitting import PassageText, split
from agent_worker.knowledge.vectors.embedding import embed
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors
from agent_worker.knowledge.vectors.passage_vectors import NO_VECTORS, DocumentVectors, encode_vectors
from schemas.conversation import Document

NEVER = 1 << 52


@dataclass(frozen=True, slots=True)
class PreparedPassage:
    """Heading, address and text of the section, the terms of heading and text, and the distinct words; terms and words
    are joined by blanks."""

    heading: str
    url: str
    text: str
    heading_terms: str
    body_terms: str
    words: str


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """``version_stamp``: see ``stamp_of``; ``expires``: seconds since 1970, NEVER if it does not."""

    document: Document
    version_stamp: str
    expires: int
    title_terms: str
    passages: list[PreparedPassage]
    vectors: DocumentVectors


def prepare(
    document: Document, stamp: str, encoder: Encoder | None, known: Mapping[str, Vectors] = MappingProxyType({})
) -> PreparedDocument:
    """``stamp`` identifies the content. ``known``: vectors of texts that were embedded before."""
    pieces = split(document.title, document.body, document.url)
    join = partial(_join_terms, language=primary_language(document.language))
    vectors = encode_vectors(embed(document.title, pieces, encoder, known)) if encoder is not None else NO_VECTORS
    passages = [_prepare_passage(document.title, piece, join) for piece in pieces]
    return PreparedDocument(
        document, stamp_of(document.version, stamp), _expires(document), join(document.title), passages, vectors
    )


def _prepare_passage(title: str, piece: PassageText, join: partial[str]) -> PreparedPassage:
    body = " ".join([piece.text, *piece.restated])
    words = " ".join(content_words(f"{title} {piece.heading} {body}"))
    return PreparedPassage(
        piece.heading, piece.url, piece.text, join(piece.heading), join(f"{piece.note} {body}"), words
    )


def _expires(document: Document) -> int:
    return NEVER if document.expires_at is None else max(0, int(document.expires_at.timestamp()))


def _join_terms(text: str, language: str) -> str:
    return " ".join(terms(text, language))


def stamp_of(version: int, fingerprint: str) -> str:
    """Identifies a document's version and its content."""
    return f"{version}/{fingerprint}"
