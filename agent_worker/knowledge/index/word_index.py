"""The tantivy index that finds passages and documents by their terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tantivy

from agent_worker.knowledge.index.passage_store import WordEntry
from agent_worker.knowledge.index.query_filter import QueryTerm, VisibilityFilter, restrict_query, terms_query
from agent_worker.knowledge.index.stored_passage import MAX_PASSAGES

PASSAGE_FIELDS = ("p_title", "p_heading", "p_body")
_DOCUMENT_FIELD = "d_all"
_MAX_STALE_SHARE = 0.02
"""Share of replaced documents in a count up to which it is not corrected."""
_WRITER_HEAP_BYTES = 15_000_000  # tantivy's minimum for one thread


def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    # ``document``: its number, as text because deleting by a number has no effect in this library.
    for name in ("kind", "visibility", "document"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("expires", indexed=True, fast=True)
    # Identifies a found passage without reading its stored data.
    builder.add_unsigned_field("number", fast=True)
    for name in (*PASSAGE_FIELDS, _DOCUMENT_FIELD):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _entries(document: WordEntry) -> Iterator[Any]:
    """An entry for the whole document and one for each passage."""
    whole = " ".join(
        [document.title_terms] * 4 + [f"{heading} {heading} {body}" for heading, body in document.passages]
    )
    yield _entry(document, "document", 0, {_DOCUMENT_FIELD: whole})
    for order, terms in enumerate(document.passages):
        yield _entry(document, "passage", order, dict(zip(PASSAGE_FIELDS, (document.title_terms, *terms), strict=True)))


def _entry(document: WordEntry, kind: str, order: int, fields: dict[str, str]) -> Any:
    entry = tantivy.Document(kind=kind, visibility=document.visibility, document=str(document.number), **fields)
    entry.add_unsigned("expires", document.expires)
    entry.add_unsigned("number", document.number * MAX_PASSAGES + order)
    return entry


class WordIndex:
    """One writer and many readers. Terms of the same document numbers are replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._index = tantivy.Index(_schema(), str(directory))
        self._replaced = self._count_replaced()
        # Kept open: its threads merge segments in the background, so that no edit waits for that.
        self._writer: Any = None

    def close(self) -> None:
        """Close the writer after its background work."""
        if self._writer is not None:
            self._writer.wait_merging_threads()
            self._writer = None

    def write(self, generation: int, removed: Iterable[int], added: Iterable[WordEntry]) -> None:
        """Replace the entries of documents and record the generation, in one step; searchable when it returns."""
        if self._writer is None:
            self._writer = self._index.writer(_WRITER_HEAP_BYTES, 1)
        try:
            for number in removed:
                self._writer.delete_documents_by_term("document", str(number))
            for document in added:
                for entry in _entries(document):
                    self._writer.add_document(entry)
            self._writer.delete_documents_by_term("kind", "generation")
            mark = tantivy.Document(kind="generation")
            mark.add_unsigned("number", generation)
            self._writer.add_document(mark)
            self._writer.commit()
        except BaseException:
            # What it was given is lost with it.
            self._writer = None
            raise
        self._index.reload()
        self._replaced = self._count_replaced()

    def _count_replaced(self) -> int:
        """Documents that were replaced or removed, but still count until their segments are merged."""
        query = tantivy.Query.term_query(self._index.schema, "kind", "document")
        return self._index.searcher().doc_freq("kind", "document") - self._count(query)

    def generation(self) -> int:
        """That of the last write; 0 for an empty index."""
        return max(self._numbers(tantivy.Query.term_query(self._index.schema, "kind", "generation"), 1), default=0)

    def document_frequency(self, term: str) -> int:
        """The number of current documents with the term, or slightly more. The searcher's own count, which takes no
        time, includes replaced versions until segments are merged; with few documents that would make a common word
        look rare."""
        frequency = self._index.searcher().doc_freq(_DOCUMENT_FIELD, term)
        if self._replaced <= _MAX_STALE_SHARE * frequency:
            return frequency
        return self._count(tantivy.Query.term_query(self._index.schema, _DOCUMENT_FIELD, term)) if frequency else 0

    def _count(self, query: Any) -> int:
        """The number of current entries."""
        searcher: Any = self._index.searcher()  # its type stubs lack the count
        count: int = searcher.search(query, 1).count
        return count

    def terms_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """Terms of the documents, and of versions that were replaced lately."""
        found = self._index.searcher().terms_with_prefix(_DOCUMENT_FIELD, prefix, limit=limit)
        return [text for text, _ in found]

    def find_documents(self, terms: Sequence[QueryTerm], visibility: VisibilityFilter | None, limit: int) -> list[int]:
        """Numbers of the documents that contain most of the query, over their whole text."""
        query = terms_query(self._index.schema, terms, [_DOCUMENT_FIELD])
        found = self._numbers(restrict_query(self._index.schema, query, visibility), limit)
        return [number // MAX_PASSAGES for number in found]

    def find_passages(
        self, terms: Sequence[QueryTerm], visibility: VisibilityFilter | None, limit: int, within: Sequence[int] = ()
    ) -> list[int]:
        """Numbers of the best passages, of the documents ``within`` or of all."""
        query = terms_query(self._index.schema, terms, PASSAGE_FIELDS)
        return self._numbers(
            restrict_query(self._index.schema, query, visibility, "document", list(map(str, within))), limit
        )

    def _numbers(self, query: Any, limit: int) -> list[int]:
        searcher: Any = self._index.searcher()
        hits = searcher.search(query, limit, count=False).hits
        numbers: list[int] = searcher.fast_field_values("number", [address for _, address in hits])
        return numbers
