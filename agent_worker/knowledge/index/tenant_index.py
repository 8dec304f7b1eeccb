"""One tenant's documents and passages in one tantivy index on disk, and beside it what else a search needs of them. It
knows what it holds: which version of a document is there is the index's own word, so it can never disagree with the
content; what stands beside it is told by the same stamp.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import structlog
import tantivy

from agent_worker.knowledge.index.document_file import Stored
from agent_worker.knowledge.index.index_entries import DOCUMENT_FIELD, Prepared, entries_of, prepare, schema
from agent_worker.knowledge.index.passage_table import PassageTable, Place, document_of
from agent_worker.knowledge.index.query_filter import Sight, Term, limited, wanted
from agent_worker.knowledge.index.tenant_store import Hit, Holdings
from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS
from agent_worker.knowledge.index.term_statistics import Census
from agent_worker.knowledge.text.splitting import split
from agent_worker.knowledge.vectors.embedding import known_vectors
from agent_worker.knowledge.vectors.encoder import Encoder, Kind
from agent_worker.knowledge.vectors.passage_vectors import PassageVectors
from schemas.conversation import Document

log = structlog.get_logger("parley.knowledge")
FORMAT = "12"  # raise it when splitting, analysis or the fields change: older indexes are then built anew
_HEAP = 15_000_000  # bytes; the least tantivy takes for one thread


def fingerprint(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]


class TenantIndex:
    """Blocking: callers run it in a thread. Not safe for two writers; readers may run beside one writer."""

    def __init__(self, directory: Path, encoder: Encoder | None = None) -> None:
        self._directory = directory
        self._encoder = encoder
        self.kind: Kind = encoder.kind if encoder else "words"
        self.encoder_name = encoder.name if encoder else ""
        self._format = f"{FORMAT} {encoder.name if encoder else 'words'}"
        # Kept open: its threads join segments in the background, so that no edit waits for that.
        self._writer: Any = None
        self._limits = False
        """Whether any document is, or was, not for everybody or not for ever."""
        self._index = self._open()

    # ── on disk ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> Any:
        stamp = self._directory / "format"
        if self._directory.exists() and (not stamp.exists() or stamp.read_text() != self._format):
            shutil.rmtree(self._directory)
        try:
            return self._create()
        except Exception as error:  # whatever tantivy says about damaged files: they can be made again from the log
            log.warning("index_rebuilt", directory=self._directory.name, reason=type(error).__name__)
            shutil.rmtree(self._directory, ignore_errors=True)
            return self._create()

    def _create(self) -> Any:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._index = tantivy.Index(schema(), str(self._directory))
        self._read_back()
        (self._directory / "format").write_text(self._format)
        return self._index

    def _read_back(self) -> None:
        """Memory as the last commit left the disk."""
        searcher = self._index.searcher()
        found = searcher.search(self._kind("document"), max(1, searcher.num_docs), count=False).hits
        addresses = [address for _, address in found]
        numbers = map(document_of, searcher.fast_field_values("number", addresses))
        stamps = searcher.fast_field_values("stamp", addresses)
        self._holdings = Holdings(self._directory / "documents", self._encoder)
        if not self._holdings.load(dict(zip(numbers, stamps, strict=True))):
            self._holdings.close()
            raise ValueError("documents of the index are missing beside it")
        self._limits = self._limits or self.census.limited > 0

    @property
    def versions(self) -> dict[str, int]:
        """Of each document that is here what ``stamp_of`` says of its version."""
        return self._holdings.versions

    @property
    def census(self) -> Census:
        return self._holdings.census

    @property
    def passages(self) -> PassageTable:
        return self._holdings.passages

    @property
    def vectors(self) -> PassageVectors | None:
        return self._holdings.vectors

    def _kind(self, kind: Literal["document", "passage"]) -> Any:
        return tantivy.Query.term_query(self._index.schema, "kind", kind)

    def _found(self, query: Any) -> Iterator[Any]:
        """Stored entries, one after another."""
        searcher = self._index.searcher()
        for _, address in searcher.search(query, max(1, searcher.num_docs), count=False).hits:
            yield searcher.doc(address)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, document: Document, stamp: str) -> Prepared:
        """The slow part of a write, which touches nothing here. What was embedded before is not embedded again."""
        return prepare(document, stamp, self._encoder, self._known(document.id))

    def _known(self, document_id: str) -> dict[str, Any]:
        """Text → vector, of the version that is here."""
        if self.vectors is None or self.kind != "strong" or document_id not in self.versions:
            return {}
        old = self.document(document_id)
        if old is None:
            return {}
        pieces, vectors = split(old.title, old.body), self.vectors.of(document_id)
        return known_vectors(old.title, pieces, vectors) if len(pieces) == len(vectors) else {}

    def apply(self, put: Iterable[Prepared], drop: Iterable[str] = ()) -> None:
        """Replace documents and drop others, visible when it returns."""
        changed = list(put)
        # Before a limited entry can be found; and once there was one it stays so, for a search may run meanwhile.
        self._limits = self._limits or any(each.label.limited for each in changed)
        gone = [*(each.document.id for each in changed), *drop]
        stored = self._holdings.write(changed)
        if self._writer is None:
            self._writer = self._index.writer(_HEAP, 1)
        try:
            for document_id in gone:
                self._writer.delete_documents_by_term("doc", document_id)
            for each, record in zip(changed, stored, strict=True):
                for entry in entries_of(each, record.number, record.stamp):
                    self._writer.add_document(entry)
            self._writer.commit()
        except BaseException:
            # What is on disk is the last commit; what memory says must follow it.
            self._writer = None
            self._index.reload()
            self._holdings.close()
            self._read_back()
            raise
        self._index.reload()
        self._remember(stored, set(gone) - {each.document.id for each in changed})

    def _remember(self, changed: Sequence[Stored], gone: Collection[str]) -> None:
        self._holdings.drop(gone)
        self._holdings.put(changed)

    def close(self) -> None:
        """Let the writer go, with what it does in the background."""
        if self._writer is not None:
            self._writer.wait_merging_threads()
            self._writer = None
        self._holdings.close()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def documents(self) -> list[Document]:
        return sorted(self._documents(self._kind("document")), key=lambda document: document.id)

    def document(self, document_id: str) -> Document | None:
        named = tantivy.Query.term_query(self._index.schema, "doc", document_id)
        both = tantivy.Query.boolean_query([(tantivy.Occur.Must, self._kind("document")), (tantivy.Occur.Must, named)])
        return next(self._documents(both), None)

    def _documents(self, query: Any) -> Iterator[Document]:
        return (Document.model_validate_json(bytes(entry["data"][0])) for entry in self._found(query))

    def known(self, text: str) -> int:
        """In how many documents a term stands now; 0 when in none."""
        return self.census.frequency(text)

    def beginning_with(self, prefix: str, limit: int) -> list[str]:
        found = self._index.searcher().terms_with_prefix(DOCUMENT_FIELD, prefix, limit=limit)
        return [text for text, _ in found if self.known(text)]

    def find_documents(self, asked: Sequence[Term], seen: Sight, limit: int) -> list[str]:
        """Ids of the documents that hold most of what is asked, over their whole text."""
        return [
            place.document for place in self._places(wanted(self._index.schema, asked, [DOCUMENT_FIELD]), seen, limit)
        ]

    def find_passages(self, asked: Sequence[Term], seen: Sight, limit: int, within: Sequence[str] = ()) -> list[Place]:
        """Best passages, of the documents ``within`` or of all."""
        return self._places(wanted(self._index.schema, asked, PASSAGE_FIELDS), seen, limit, within)

    def read(self, places: Sequence[Place], seen: Sight) -> dict[Place, Hit]:
        """Those of the passages that are there and may be shown."""
        return self._holdings.read(places, seen)

    def _places(self, query: Any, seen: Sight, limit: int, within: Sequence[str] = ()) -> list[Place]:
        """What is found, without reading what is stored of it: that would take most of a search's time."""
        query = limited(self._index.schema, query, self._limit(seen), "doc", within)
        searcher = self._index.searcher()
        found = searcher.search(query, limit, count=False).hits
        numbers = searcher.fast_field_values("number", [address for _, address in found])
        return list(self.places(numbers))

    def places(self, numbers: Iterable[int]) -> Iterator[Place]:
        """Of passages by their numbers, those that are here."""
        numbering = self._holdings.numbering
        places = (numbering.place(number) for number in numbers)
        return (place for place in places if place is not None)

    def _limit(self, seen: Sight) -> Sight | None:
        """Limits are asked for only where there are any: over many passages they cost more than the words."""
        return seen if self._limits else None
