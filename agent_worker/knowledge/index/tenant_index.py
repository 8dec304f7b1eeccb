"""One tenant's search index: documents, passages and vectors in an SQLite file, and a tantivy index of their terms.

The file is the authority. Both name the same generation after each change; if they differ, a crash came between them,
and the terms are indexed again from the file. If the file is damaged, all is built again from the log.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock

import structlog

from agent_worker.knowledge.index.passage_store import PassageStore, Totals, WordEntry, passage_numbers
from agent_worker.knowledge.index.prepared_document import PreparedDocument, prepare
from agent_worker.knowledge.index.query_filter import QueryTerm, VisibilityFilter
from agent_worker.knowledge.index.stored_passage import StoredPassage
from agent_worker.knowledge.index.word_index import WordIndex
from agent_worker.knowledge.text.splitting import split
from agent_worker.knowledge.vectors.embedding import known_vectors
from agent_worker.knowledge.vectors.encoder import Encoder, Kind, Vectors
from agent_worker.knowledge.vectors.passage_vectors import TenantVectors, VectorSummary, embedded_rows, nearest_of
from agent_worker.nlu.language_detection import detect_language
from schemas.conversation import Document

log = structlog.get_logger("parley.knowledge")
FORMAT = "16"  # raise it when splitting, analysis or the tables change: older indexes are then rebuilt
_COMPARED = 3
"""Passages whose vectors are compared for each that is wanted."""
_LANGUAGE_SAMPLE = 20
"""Documents without a declared language whose language is detected."""
_FORMAT_FILE, _STORE_FILE, _WORDS_FOLDER = "format", "passages.db", "words"


def fingerprint(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]


class TenantIndex:
    """Blocking, so callers run it in a thread. One writer at a time; readers may run beside it. What holds threads and
    descriptors is opened at the first use and after ``close``."""

    def __init__(self, directory: Path, encoder: Encoder | None = None) -> None:
        self._directory = directory
        self._encoder = encoder
        self.kind: Kind = encoder.kind if encoder else "words"
        self.encoder_name = encoder.name if encoder else ""
        self._format = f"{FORMAT} {encoder.name if encoder else 'words'}"
        self.versions: dict[str, str] = {}
        """The version stamp of each document, see ``stamp_of``."""
        self.generation = 0
        """The number of changes so far."""
        self.totals: Totals
        self.vectors: TenantVectors | None = None
        """None without an encoder."""
        self._changing, self._opening = Lock(), Lock()
        self._words: WordIndex | None = None
        self._languages: tuple[int, frozenset[str]] | None = None
        """With the generation that they belong to."""
        self._open()

    # ── on disk ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> None:
        stamp = self._directory / _FORMAT_FILE
        is_current = stamp.exists() and stamp.read_text() == self._format
        if not is_current and self._directory.exists():
            shutil.rmtree(self._directory)
        try:
            self._load()
        except Exception as error:  # any error about damaged files: the index can be rebuilt from the log
            log.warning("index_rebuilt", directory=self._directory.name, reason=type(error).__name__)
            shutil.rmtree(self._directory, ignore_errors=True)
            self._load()
            is_current = False
        if not is_current:
            stamp.write_text(self._format)

    def _load(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._store = PassageStore(self._directory / _STORE_FILE)
        self.generation, self.versions = self._store.generation(), self._store.stamps()
        self.totals = self._store.totals()
        if self._encoder is not None:
            self.vectors = TenantVectors.of(self._encoder.size, self._store.vectors_of_documents())

    def _open_words(self) -> WordIndex:
        with self._opening:
            if self._words is None:
                self._words = self._load_words()
            return self._words

    def _load_words(self) -> WordIndex:
        """The word index, once it agrees with the documents."""
        folder = self._directory / _WORDS_FOLDER
        try:
            words = WordIndex(folder)
            if words.generation() == self.generation:
                return words
            reason = "generation"
        except Exception as error:  # any error about damaged files
            reason = type(error).__name__
        log.warning("words_indexed_again", directory=self._directory.name, reason=reason)
        _remove_folder(folder)
        words = WordIndex(folder)
        words.write(self.generation, [], self._store.word_entries())
        return words

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, document: Document, stamp: str) -> PreparedDocument:
        """The slow part of a write, without any effect on the index. Texts that were embedded before are not embedded
        again."""
        return prepare(document, stamp, self._encoder, self._embedded_texts(document.id))

    def _embedded_texts(self, document_id: str) -> dict[str, Vectors]:
        """Text → vector, from the document's current version."""
        if self._encoder is None or self.kind != "strong" or document_id not in self.versions:
            return {}
        old = self.document(document_id)
        if old is None:
            return {}
        pieces = split(old.title, old.body, old.url)
        vectors = [embedded_rows(rows, self._encoder.size) for rows in self._store.vectors(document_id)]
        return known_vectors(old.title, pieces, vectors) if len(pieces) == len(vectors) else {}

    def apply(self, put: Iterable[PreparedDocument], drop: Iterable[str] = ()) -> None:
        """Replace documents and drop others; searchable when it returns."""
        with self._changing:
            self._apply(put, drop)

    def _apply(self, put: Iterable[PreparedDocument], drop: Iterable[str]) -> None:
        words = self._open_words()
        changed, dropped = {each.document.id: each for each in put}, list(drop)
        replaced = self._store.vectors_of_documents([*changed, *dropped])
        with self._store.change() as writer:
            removed = writer.remove(dropped)
            entries = [writer.put(prepared) for prepared in changed.values()]
            # The words first: when the file cannot be written, the same change is applied once more.
            words.write(writer.generation, [*removed, *(entry.number for entry in entries)], entries)
        self.generation = writer.generation
        for document_id in dropped:
            self.versions.pop(document_id, None)
        self.versions.update((document_id, prepared.version_stamp) for document_id, prepared in changed.items())
        self.totals = self._store.totals()
        if self.vectors is not None:
            added = map(_vector_summary, entries, changed.values())
            self.vectors = self.vectors.replace(replaced, added)

    def copy_to(self, directory: Path) -> TenantIndex:
        """A copy in a new folder, which changes without this one."""
        with self._changing:
            self._open_words()
            directory.mkdir()
            self._store.copy_to(directory / _STORE_FILE)
            try:
                # Segments never change; the lock files belong to this index.
                ignored = shutil.ignore_patterns("*.lock")
                shutil.copytree(self._directory / _WORDS_FOLDER, directory / _WORDS_FOLDER, ignore=ignored)
            except OSError:  # segments were merged meanwhile: the copy indexes its words from the documents
                shutil.rmtree(directory / _WORDS_FOLDER, ignore_errors=True)
        (directory / _FORMAT_FILE).write_text(self._format)
        return TenantIndex(directory, self._encoder)

    @property
    def is_open(self) -> bool:
        """Whether a search need not open anything first."""
        return self._words is not None

    def close(self) -> None:
        """Close what holds threads and descriptors, unless a change needs it just now. The next use opens it again."""
        if self._changing.acquire(blocking=False):
            try:
                with self._opening:
                    words, self._words = self._words, None
                if words is not None:
                    words.close()
                self._store.close()
            finally:
                self._changing.release()

    def close_writers(self) -> None:
        """Close what only changes need, unless one is in progress. The next change opens it again."""
        if self._changing.acquire(blocking=False):
            try:
                with self._opening:
                    if self._words is not None:
                        self._words.close()
                self._store.close_writer()
            finally:
                self._changing.release()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def documents(self) -> list[Document]:
        """In the order of their ids."""
        return self._store.documents()

    def list_page(self, after: str, limit: int) -> list[Document]:
        """The first documents whose ids come after ``after``."""
        return self._store.list_page(after, limit)

    def list_outlines(self) -> list[Document]:
        """All documents without their text and history, in the order of their ids."""
        return self._store.list_outlines()

    def document(self, document_id: str) -> Document | None:
        return self._store.document(document_id)

    def languages(self) -> frozenset[str]:
        """The documents' languages: those they declare, and those of a sample of the others."""
        generation = self.generation
        if self._languages is None or self._languages[0] != generation:
            detected = map(detect_language, self._store.sample_undeclared(_LANGUAGE_SAMPLE))
            self._languages = generation, frozenset((self.totals.languages | frozenset(detected)) - {""})
        return self._languages[1]

    def document_frequency(self, term: str) -> int:
        """The number of documents with the term."""
        return self._open_words().document_frequency(term)

    def terms_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """See WordIndex."""
        return self._open_words().terms_with_prefix(prefix, limit)

    def find_documents(self, terms: Sequence[QueryTerm], visibility: VisibilityFilter, limit: int) -> list[int]:
        """See WordIndex."""
        return self._open_words().find_documents(terms, self._needed_filter(visibility), limit)

    def find_passages(
        self, terms: Sequence[QueryTerm], visibility: VisibilityFilter, limit: int, within: Sequence[int] = ()
    ) -> list[int]:
        """See WordIndex."""
        return self._open_words().find_passages(terms, self._needed_filter(visibility), limit, within)

    def find_nearest(self, queries: Vectors, limit: int) -> list[int]:
        """Numbers of the passages whose text or heading is nearest to any of the queries. Of all passages, signs are
        compared; of those nearest by signs, the vectors."""
        if self.vectors is None:
            return []
        found = self._store.passages(self.vectors.index.nearest(queries, limit * _COMPARED))
        return [found[place].number for place in nearest_of([each.rows for each in found], queries, limit)]

    def read(self, passages: Sequence[int], visibility: VisibilityFilter) -> list[StoredPassage]:
        """Those of the passages that exist and may be shown, in the given order."""
        return self._store.passages(passages, visibility)

    def _needed_filter(self, visibility: VisibilityFilter) -> VisibilityFilter | None:
        """None while no document is restricted: over many passages the filter costs more than the words. ``read`` has
        the last word."""
        return visibility if self.totals.limited else None


def _vector_summary(entry: WordEntry, prepared: PreparedDocument) -> VectorSummary:
    vectors = prepared.vectors
    numbers = passage_numbers(entry.number, len(prepared.passages))
    return VectorSummary(numbers, vectors.signs, vectors.sentences, vectors.sentence_sum)


def _remove_folder(folder: Path) -> None:
    """Remove a word index. Readers of it that are still open write lock files, so that an emptied folder could fill
    again; it is moved out of their way first."""
    removed = folder.with_name(f"{folder.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    folder.rename(removed)
    shutil.rmtree(removed, ignore_errors=True)
