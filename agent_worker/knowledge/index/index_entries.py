"""What a document becomes in the index: one entry for the whole, one for each passage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import tantivy

from agent_worker.knowledge.index.passage_table import NEVER, Label, number_of
from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS, Counted, counted
from agent_worker.knowledge.text.analysis import primary, terms
from agent_worker.knowledge.text.splitting import Piece, split
from agent_worker.knowledge.vectors.embedding import embed
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors
from schemas.conversation import Document

DOCUMENT_FIELD = "d_all"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready to be written: split, analysed, counted and embedded, which is the slow part. ``vectors`` holds
    for each passage those of its heading, its whole text and its sentences, one row each."""

    document: Document
    stamp: str
    pieces: list[Piece]
    searched: list[dict[str, str]]
    label: Label
    counted: Counted
    vectors: list[Vectors] | None


def prepare(
    document: Document, stamp: str, encoder: Encoder | None, known: Mapping[str, Vectors] = MappingProxyType({})
) -> Prepared:
    """``known``: vectors of texts that were embedded before."""
    pieces = split(document.title, document.body)
    joined = partial(_joined, language=primary(document.language))
    title = joined(document.title)
    searched = [
        {"p_title": title, "p_heading": joined(piece.heading), "p_body": joined(f"{piece.note} {piece.text}")}
        for piece in pieces
    ]
    counts = counted(document.title, pieces, searched)
    vectors = embed(document.title, pieces, encoder, known) if encoder is not None else None
    return Prepared(document, stamp, pieces, searched, label_of(document), counts, vectors)


def label_of(document: Document) -> Label:
    return Label(_expires(document), document.visibility, document.language)


def _expires(document: Document) -> int:
    """Second since 1970; far away when it never does."""
    return NEVER if document.expires_at is None else max(0, int(document.expires_at.timestamp()))


def _joined(text: str, language: str) -> str:
    return " ".join(terms(text, language))


def schema() -> Any:
    builder = tantivy.SchemaBuilder()
    for name in ("kind", "visibility", "doc"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("expires", indexed=True, fast=True)
    # Names a passage that was found without reading what is stored of it.
    builder.add_unsigned_field("number", fast=True)
    # Tells which version of a document this is.
    builder.add_unsigned_field("stamp", fast=True)
    for name in PASSAGE_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field(DOCUMENT_FIELD, tokenizer_name="whitespace", index_option="freq")
    builder.add_bytes_field("data", stored=True)
    return builder.build()


def entries_of(prepared: Prepared, number: int, stamp: int) -> Iterator[Any]:
    """Entries as tantivy takes them, the whole document first; the number is the document's, stamp its version's."""
    document = prepared.document
    whole = " ".join(
        [prepared.searched[0]["p_title"]] * 4
        + [f"{fields['p_heading']} {fields['p_heading']} {fields['p_body']}" for fields in prepared.searched]
    )
    entry = _entry(document, "document", {DOCUMENT_FIELD: whole}, number_of(number, 0))
    entry.add_unsigned("stamp", stamp)
    entry.add_bytes("data", document.model_dump_json().encode())
    yield entry
    for order, fields in enumerate(prepared.searched):
        yield _entry(document, "passage", fields, number_of(number, order))


def _entry(document: Document, kind: str, fields: dict[str, str], number: int) -> Any:
    made = tantivy.Document(kind=kind, doc=document.id, visibility=document.visibility, **fields)
    made.add_unsigned("expires", _expires(document))
    made.add_unsigned("number", number)
    return made
