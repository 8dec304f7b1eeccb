"""What a document becomes in the index: one entry for the whole, one for each passage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agent_worker.knowledge.analysis import content_words, terms
from agent_worker.knowledge.census import Tally
from agent_worker.knowledge.embedding import embed
from agent_worker.knowledge.splitting import Piece, split
from agent_worker.knowledge.vectors import stored_form
from schemas.conversation import Document

if TYPE_CHECKING:
    from agent_worker.knowledge.encoder import Encoder, Vectors

_NEVER = 1 << 52
PASSAGE_FIELDS = ("p_title", "p_heading", "p_body")
DOCUMENT_FIELD = "d_all"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready to be written: split, analysed and embedded, which is the slow part. ``vectors`` holds for each
    passage those of its heading and its sentences, one row each."""

    document: Document
    stamp: str
    pieces: list[Piece]
    searched: list[dict[str, str]]
    tally: Tally
    vectors: list[Vectors] | None


def prepare(
    document: Document, stamp: str, encoder: Encoder | None, known: Mapping[str, Vectors] = MappingProxyType({})
) -> Prepared:
    """``known``: vectors of texts that were embedded before."""
    pieces = split(document.title, document.body)
    title = _joined(document.title)
    searched = [
        {"p_title": title, "p_heading": _joined(piece.heading), "p_body": _joined(f"{piece.note} {piece.text}")}
        for piece in pieces
    ]
    lengths = {name: sum(len(fields[name].split()) for fields in searched) for name in PASSAGE_FIELDS}
    distinct = sorted({term for fields in searched for text in fields.values() for term in text.split()})
    vectors = embed(document.title, pieces, encoder, known) if encoder is not None else None
    limited = document.visibility != "public" or document.expires_at is not None
    tally = Tally(tuple(distinct), len(pieces), lengths, limited)
    return Prepared(document, stamp, pieces, searched, tally, vectors)


def _joined(text: str) -> str:
    return " ".join(terms(text))


def schema() -> Any:
    import tantivy

    builder = tantivy.SchemaBuilder()
    for name in ("kind", "visibility"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("doc", "key"):
        builder.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("expires", indexed=True, fast=True)
    for name in PASSAGE_FIELDS:
        builder.add_text_field(name, stored=True, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field(DOCUMENT_FIELD, tokenizer_name="whitespace", index_option="freq")
    builder.add_bytes_field("data", stored=True)
    builder.add_bytes_field("vectors", stored=True)
    return builder.build()


def key_of(document: str, order: int) -> str:
    return f"{order}/{document}"


def entries_of(prepared: Prepared) -> Iterator[Any]:
    """Entries as tantivy takes them, the whole document first."""
    document, tally = prepared.document, prepared.tally
    whole = " ".join(
        [prepared.searched[0]["p_title"]] * 4
        + [f"{fields['p_heading']} {fields['p_heading']} {fields['p_body']}" for fields in prepared.searched]
    )
    data = {
        "document": document.model_dump(mode="json"),
        "fingerprint": prepared.stamp,
        "tally": asdict(tally),
    }
    yield _entry(document, "document", data, {DOCUMENT_FIELD: whole})
    for order, (piece, fields) in enumerate(zip(prepared.pieces, prepared.searched, strict=True)):
        entry = _entry(document, "passage", _stored(document, piece, order), fields)
        entry.add_text("key", key_of(document.id, order))
        if prepared.vectors is not None:
            entry.add_bytes("vectors", stored_form(prepared.vectors[order]))
        yield entry


def _entry(document: Document, kind: str, data: dict[str, Any], fields: dict[str, str]) -> Any:
    import tantivy

    made = tantivy.Document(
        kind=kind, doc=document.id, visibility=document.visibility, data=json.dumps(data).encode(), **fields
    )
    expires = _NEVER if document.expires_at is None else max(0, int(document.expires_at.timestamp()))
    made.add_unsigned("expires", expires)
    return made


def _stored(document: Document, piece: Piece, order: int) -> dict[str, Any]:
    return {
        "document": document.id,
        "version": document.version,
        "title": document.title,
        "heading": piece.heading,
        "url": document.url,
        "text": piece.text,
        "words": " ".join(content_words(f"{document.title} {piece.heading} {piece.text}")),
        "order": order,
    }
