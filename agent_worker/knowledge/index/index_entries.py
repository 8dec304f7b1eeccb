"""Entries of the tantivy index: one for each document and one for each passage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import tantivy

from agent_worker.knowledge.index.passage_table import NEVER, DocumentAttributes, passage_number
from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS, TermCounts, count_terms
from agent_worker.knowledge.text.analysis import primary_language, terms
from agent_worker.knowledge.text.splitting import PassageText, split
from agent_worker.knowledge.vectors.embedding import embed
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors
from schemas.conversation import Document

DOCUMENT_FIELD = "d_all"


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document ready to be written: split, analysed, counted and embedded, which is the slow part. ``fields`` holds
    the search terms of each passage; ``vectors`` holds for each passage those of its heading, its whole text and its
    sentences, one row each."""

    document: Document
    stamp: str
    pieces: list[PassageText]
    fields: list[dict[str, str]]
    attributes: DocumentAttributes
    counts: TermCounts
    vectors: list[Vectors] | None


def prepare(
    document: Document, stamp: str, encoder: Encoder | None, known: Mapping[str, Vectors] = MappingProxyType({})
) -> PreparedDocument:
    """``known``: vectors of texts that were embedded before."""
    pieces = split(document.title, document.body)
    join = partial(_join_terms, language=primary_language(document.language))
    title = join(document.title)
    fields = [
        {"p_title": title, "p_heading": join(piece.heading), "p_body": join(f"{piece.note} {piece.text}")}
        for piece in pieces
    ]
    counts = count_terms(document.title, pieces, fields)
    vectors = embed(document.title, pieces, encoder, known) if encoder is not None else None
    return PreparedDocument(document, stamp, pieces, fields, attributes_of(document), counts, vectors)


def attributes_of(document: Document) -> DocumentAttributes:
    return DocumentAttributes(_expires(document), document.visibility, document.language)


def _expires(document: Document) -> int:
    """Seconds since 1970; NEVER if it does not expire."""
    return NEVER if document.expires_at is None else max(0, int(document.expires_at.timestamp()))


def _join_terms(text: str, language: str) -> str:
    return " ".join(terms(text, language))


def schema() -> Any:
    builder = tantivy.SchemaBuilder()
    for name in ("kind", "visibility", "doc"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("expires", indexed=True, fast=True)
    # Identifies a found passage without reading its stored data.
    builder.add_unsigned_field("number", fast=True)
    # Identifies the document's version.
    builder.add_unsigned_field("stamp", fast=True)
    for name in PASSAGE_FIELDS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field(DOCUMENT_FIELD, tokenizer_name="whitespace", index_option="freq")
    builder.add_bytes_field("data", stored=True)
    return builder.build()


def entries_of(prepared: PreparedDocument, number: int, stamp: int) -> Iterator[Any]:
    """Entries for tantivy, the whole document first. ``number`` is the document's, ``stamp`` its version's."""
    document = prepared.document
    whole = " ".join(
        [prepared.fields[0]["p_title"]] * 4
        + [f"{fields['p_heading']} {fields['p_heading']} {fields['p_body']}" for fields in prepared.fields]
    )
    entry = _entry(document, "document", {DOCUMENT_FIELD: whole}, passage_number(number, 0))
    entry.add_unsigned("stamp", stamp)
    entry.add_bytes("data", document.model_dump_json().encode())
    yield entry
    for order, fields in enumerate(prepared.fields):
        yield _entry(document, "passage", fields, passage_number(number, order))


def _entry(document: Document, kind: str, fields: dict[str, str], number: int) -> Any:
    entry = tantivy.Document(kind=kind, doc=document.id, visibility=document.visibility, **fields)
    entry.add_unsigned("expires", _expires(document))
    entry.add_unsigned("number", number)
    return entry
