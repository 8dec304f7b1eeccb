"""One tenant's search index: tantivy on disk, plus passage data and vectors beside it.

The tantivy index decides which version of a document is present; the data beside it is matched by the same stamp, so
the two cannot disagree.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import structlog
import tantivy

from agent_worker.knowledge.index.document_file import RecordLocation
from agent_worker.knowledge.index.index_entries import DOCUMENT_FIELD, PreparedDocument, entries_of, prepare, schema
from agent_worker.knowledge.index.passage_table import PassageKey, PassageTable, document_number
from agent_worker.knowledge.index.query_filter import QueryTerm, VisibilityFilter, restrict_query, terms_query
from agent_worker.knowledge.index.tenant_store import Hit, TenantStore
from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS
from agent_worker.knowledge.index.term_statistics import TermStatistics
from agent_worker.knowledge.text.splitting import split
from agent_worker.knowledge.vectors.embedding import known_vectors
from agent_worker.knowledge.vectors.encoder import Encoder, Kind
from agent_worker.knowledge.vectors.passage_vectors import PassageVectors
from schemas.conversation import Document

log = structlog.get_logger("parley.knowledge")
FORMAT = "12"  # raise it when splitting, analysis or the fields change: older indexes are then rebuilt
_WRITER_HEAP_BYTES = 15_000_000  # tantivy's minimum for one thread


def fingerprint(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]


class TenantIndex:
    """Blocking, so callers run it in a thread. One writer at a time; readers may run beside it."""

    def __init__(self, directory: Path, encoder: Encoder | None = None) -> None:
        self._directory = directory
        self._encoder = encoder
        self.kind: Kind = encoder.kind if encoder else "words"
        self.encoder_name = encoder.name if encoder else ""
        self._format = f"{FORMAT} {encoder.name if encoder else 'words'}"
        # Kept open: its threads merge segments in the background, so that no edit waits for that.
        self._writer: Any = None
        self._has_restrictions = False
        """True once any document was restricted or had an expiry."""
        self._index = self._open()

    # ── on disk ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> Any:
        stamp = self._directory / "format"
        if self._directory.exists() and (not stamp.exists() or stamp.read_text() != self._format):
            shutil.rmtree(self._directory)
        try:
            return self._create()
        except Exception as error:  # any error about damaged files: the index can be rebuilt from the log
            log.warning("index_rebuilt", directory=self._directory.name, reason=type(error).__name__)
            shutil.rmtree(self._directory, ignore_errors=True)
            return self._create()

    def _create(self) -> Any:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._index = tantivy.Index(schema(), str(self._directory))
        self._load()
        (self._directory / "format").write_text(self._format)
        return self._index

    def _load(self) -> None:
        """Load the memory state of the last commit."""
        searcher = self._index.searcher()
        hits = searcher.search(self._kind_query("document"), max(1, searcher.num_docs), count=False).hits
        addresses = [address for _, address in hits]
        numbers = map(document_number, searcher.fast_field_values("number", addresses))
        stamps = searcher.fast_field_values("stamp", addresses)
        self._store = TenantStore(self._directory / "documents", self._encoder)
        if not self._store.load(dict(zip(numbers, stamps, strict=True))):
            self._store.close()
            raise ValueError("documents of the index are missing beside it")
        self._has_restrictions = self._has_restrictions or self.statistics.limited > 0

    @property
    def versions(self) -> dict[str, int]:
        """The version stamp of each document, see ``stamp_of``."""
        return self._store.versions

    @property
    def statistics(self) -> TermStatistics:
        return self._store.statistics

    @property
    def passages(self) -> PassageTable:
        return self._store.passages

    @property
    def vectors(self) -> PassageVectors | None:
        return self._store.vectors

    def _kind_query(self, kind: Literal["document", "passage"]) -> Any:
        return tantivy.Query.term_query(self._index.schema, "kind", kind)

    def _stored_entries(self, query: Any) -> Iterator[Any]:
        searcher = self._index.searcher()
        for _, address in searcher.search(query, max(1, searcher.num_docs), count=False).hits:
            yield searcher.doc(address)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, document: Document, stamp: str) -> PreparedDocument:
        """The slow part of a write, without any effect on the index. Texts that were embedded before are not embedded
        again."""
        return prepare(document, stamp, self._encoder, self._embedded_texts(document.id))

    def _embedded_texts(self, document_id: str) -> dict[str, Any]:
        """Text → vector, from the document's current version."""
        if self.vectors is None or self.kind != "strong" or document_id not in self.versions:
            return {}
        old = self.document(document_id)
        if old is None:
            return {}
        pieces, vectors = split(old.title, old.body), self.vectors.of(document_id)
        return known_vectors(old.title, pieces, vectors) if len(pieces) == len(vectors) else {}

    def apply(self, put: Iterable[PreparedDocument], drop: Iterable[str] = ()) -> None:
        """Replace documents and drop others; searchable when it returns."""
        changed = list(put)
        # Set before a restricted entry can be found, and never reset, because a search may be running.
        self._has_restrictions = self._has_restrictions or any(document.attributes.limited for document in changed)
        removed = [*(document.document.id for document in changed), *drop]
        stored = self._store.write(changed)
        if self._writer is None:
            self._writer = self._index.writer(_WRITER_HEAP_BYTES, 1)
        try:
            for document_id in removed:
                self._writer.delete_documents_by_term("doc", document_id)
            for document, location in zip(changed, stored, strict=True):
                for entry in entries_of(document, location.number, location.stamp):
                    self._writer.add_document(entry)
            self._writer.commit()
        except BaseException:
            # The disk holds the last commit; the memory state must match it.
            self._writer = None
            self._index.reload()
            self._store.close()
            self._load()
            raise
        self._index.reload()
        self._apply_to_store(stored, set(removed) - {document.document.id for document in changed})

    def _apply_to_store(self, changed: Sequence[RecordLocation], gone: Collection[str]) -> None:
        self._store.drop(gone)
        self._store.put(changed)

    def close(self) -> None:
        """Close the writer after its background work."""
        if self._writer is not None:
            self._writer.wait_merging_threads()
            self._writer = None
        self._store.close()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def documents(self) -> list[Document]:
        return sorted(self._documents(self._kind_query("document")), key=lambda document: document.id)

    def document(self, document_id: str) -> Document | None:
        by_id = tantivy.Query.term_query(self._index.schema, "doc", document_id)
        both = tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, self._kind_query("document")), (tantivy.Occur.Must, by_id)]
        )
        return next(self._documents(both), None)

    def _documents(self, query: Any) -> Iterator[Document]:
        return (Document.model_validate_json(bytes(entry["data"][0])) for entry in self._stored_entries(query))

    def document_frequency(self, text: str) -> int:
        """The number of documents with the term."""
        return self.statistics.frequency(text)

    def terms_with_prefix(self, prefix: str, limit: int) -> list[str]:
        found = self._index.searcher().terms_with_prefix(DOCUMENT_FIELD, prefix, limit=limit)
        return [text for text, _ in found if self.document_frequency(text)]

    def find_documents(self, terms: Sequence[QueryTerm], visibility: VisibilityFilter, limit: int) -> list[str]:
        """Ids of the documents that contain most of the query, over their whole text."""
        return [
            place.document
            for place in self._find(terms_query(self._index.schema, terms, [DOCUMENT_FIELD]), visibility, limit)
        ]

    def find_passages(
        self, terms: Sequence[QueryTerm], visibility: VisibilityFilter, limit: int, within: Sequence[str] = ()
    ) -> list[PassageKey]:
        """The best passages, of the documents ``within`` or of all."""
        return self._find(terms_query(self._index.schema, terms, PASSAGE_FIELDS), visibility, limit, within)

    def read(self, passages: Sequence[PassageKey], visibility: VisibilityFilter) -> dict[PassageKey, Hit]:
        """Those of the passages that exist and may be shown."""
        return self._store.read(passages, visibility)

    def _find(
        self, query: Any, visibility: VisibilityFilter, limit: int, within: Sequence[str] = ()
    ) -> list[PassageKey]:
        """Matching passages, without reading their stored data, which would take most of a search's time."""
        query = restrict_query(self._index.schema, query, self._needed_filter(visibility), "doc", within)
        searcher = self._index.searcher()
        hits = searcher.search(query, limit, count=False).hits
        numbers = searcher.fast_field_values("number", [address for _, address in hits])
        return list(self.passages_by_number(numbers))

    def passages_by_number(self, numbers: Iterable[int]) -> Iterator[PassageKey]:
        """The existing passages among these numbers."""
        document_numbers = self._store.numbers
        passages = (document_numbers.passage(number) for number in numbers)
        return (passage for passage in passages if passage is not None)

    def _needed_filter(self, visibility: VisibilityFilter) -> VisibilityFilter | None:
        """None while no document is restricted: over many passages the filter costs more than the words."""
        return visibility if self._has_restrictions else None
