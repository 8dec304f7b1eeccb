"""One tenant's documents and passages in an SQLite file, with everything that a search compares or shows.

The file decides which version of a document there is; the word index beside it only finds passages.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple

from agent_worker.knowledge.index.prepared_document import NEVER, PreparedDocument, PreparedPassage
from agent_worker.knowledge.index.query_filter import VisibilityFilter
from agent_worker.knowledge.index.stored_passage import MAX_PASSAGES, PassageCache, StoredPassage
from agent_worker.knowledge.text.analysis import primary_language
from agent_worker.knowledge.vectors.passage_vectors import VectorSummary
from schemas.conversation import Document

_WAIT_S = 10.0
_PAGE_BYTES = 8192  # most passages with their vectors fit into one
_SCHEMA = """
CREATE TABLE documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- the same for all versions of a document, and never reused
    id TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL, version INTEGER NOT NULL, title TEXT NOT NULL,
    visibility TEXT NOT NULL, expires INTEGER NOT NULL, language TEXT NOT NULL, title_terms TEXT NOT NULL,
    passages INTEGER NOT NULL, title_length INTEGER NOT NULL, heading_length INTEGER NOT NULL,
    body_length INTEGER NOT NULL, sentences INTEGER NOT NULL, sentence_sum BLOB NOT NULL, signs BLOB NOT NULL);
CREATE INDEX document_totals ON documents (
    language, visibility, expires, passages, title_length, heading_length, body_length);
CREATE TABLE contents (number INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, heading TEXT NOT NULL, url TEXT NOT NULL, text TEXT NOT NULL,
    heading_terms TEXT NOT NULL, body_terms TEXT NOT NULL, words TEXT NOT NULL, vectors BLOB NOT NULL);
"""
_PUT_DOCUMENT = """
INSERT INTO documents VALUES (
    NULL, :id, :stamp, :version, :title, :visibility, :expires, :language, :title_terms, :passages,
    :title_length, :heading_length, :body_length, :sentences, :sentence_sum, :signs)
ON CONFLICT (id) DO UPDATE SET
    stamp = :stamp, version = :version, title = :title, visibility = :visibility, expires = :expires,
    language = :language, title_terms = :title_terms, passages = :passages, title_length = :title_length,
    heading_length = :heading_length, body_length = :body_length, sentences = :sentences,
    sentence_sum = :sentence_sum, signs = :signs
RETURNING number
"""
_READ_PASSAGES = """
SELECT p.number, d.id, d.version, d.title, p.heading, p.url, p.text, d.language, d.title_terms, p.heading_terms,
    p.body_terms, p.words, p.vectors, d.sentences, d.sentence_sum, d.visibility, d.expires
FROM passages p JOIN documents d ON d.number = p.number >> 20
WHERE p.number IN (SELECT value FROM json_each(?))
"""
_CACHE = PassageCache()
_VERSIONS = count(1)
_READ_TOTALS = """
SELECT language, visibility, expires != ?, count(*), sum(passages), sum(title_length), sum(heading_length),
    sum(body_length)
FROM documents GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of the current documents. ``languages``: the declared ones; ``terms``: in all passages, by field: title,
    heading, body; ``limited``: documents that are restricted or expire; ``for_verified``: documents shown only to
    verified contacts."""

    documents: int
    passages: int
    terms: tuple[int, int, int]
    languages: frozenset[str]
    limited: int
    for_verified: int

    @property
    def mean_lengths(self) -> tuple[float, ...]:
        """Average number of terms of a passage by field, never 0."""
        return tuple(max(1.0, count / max(1, self.passages)) for count in self.terms)


class WordEntry(NamedTuple):
    """What the word index needs of a document. ``passages``: heading terms and body terms of each."""

    number: int
    visibility: str
    expires: int
    title_terms: str
    passages: list[tuple[str, str]]


class PassageWriter:
    """One transaction, which makes ``generation``."""

    def __init__(self, connection: sqlite3.Connection, generation: int) -> None:
        self._connection = connection
        self.generation = generation

    def remove(self, documents: Iterable[str]) -> list[int]:
        """Returns the numbers of the documents that were there."""
        numbers = []
        for document in documents:
            deleted = self._connection.execute("DELETE FROM documents WHERE id = ? RETURNING number", (document,))
            for (number,) in deleted.fetchall():
                numbers.append(number)
                self._remove_passages(number)
                self._connection.execute("DELETE FROM contents WHERE number = ?", (number,))
        return numbers

    def _remove_passages(self, number: int) -> None:
        span = (number * MAX_PASSAGES, (number + 1) * MAX_PASSAGES)
        self._connection.execute("DELETE FROM passages WHERE number >= ? AND number < ?", span)

    def put(self, prepared: PreparedDocument) -> WordEntry:
        """Write a document in place of its previous version."""
        document, passages = prepared.document, prepared.passages
        ((number,),) = self._connection.execute(_PUT_DOCUMENT, _document_row(prepared)).fetchall()
        self._remove_passages(number)
        content = (number, document.model_dump_json())
        self._connection.execute("INSERT OR REPLACE INTO contents VALUES (?, ?)", content)
        vectors = prepared.vectors.passages or [b""] * len(passages)
        rows = zip(passages, vectors, strict=True)
        self._connection.executemany(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (_passage_row(number * MAX_PASSAGES + order, *row) for order, row in enumerate(rows)),
        )
        terms = [(passage.heading_terms, passage.body_terms) for passage in passages]
        return WordEntry(number, document.visibility, prepared.expires, prepared.title_terms, terms)


_KEPT_READERS = 2
"""Idle connections. Each has two open files, and there may be many tenants."""


class PassageStore:
    """One writer, in a transaction of ``change``, and many readers. Raises sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.DatabaseError when the file is damaged."""
        self._path = path
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []
        self._version = next(_VERSIONS)
        """A number of its own for each change."""
        opened = self._connect()
        try:
            _check_file(opened)
        except BaseException:
            opened.close()
            raise
        self._readers.append(opened)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for each concurrent reader. A few are kept, because opening one takes longer than a search
        reads."""
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            if len(self._readers) < _KEPT_READERS:
                self._readers.append(connection)
            else:
                connection.close()

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = self._connect()
            # A power loss may undo the last commits. The log has them, and the word index then has another generation.
            self._writer.execute("PRAGMA synchronous = NORMAL")
        return self._writer

    def close(self) -> None:
        """Close the connections that are not in use; the next use opens one again."""
        while self._readers:
            self._readers.pop().close()
        self.close_writer()

    def close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def change(self) -> Iterator[PassageWriter]:
        """A transaction. An exception undoes it."""
        connection = self._open_writer()
        connection.execute("BEGIN IMMEDIATE")
        try:
            generation = _read_generation(connection) + 1
            connection.execute(f"PRAGMA user_version = {generation}")
            yield PassageWriter(connection, generation)
            connection.execute("COMMIT")
            self._version = next(_VERSIONS)
        except BaseException:
            if connection.in_transaction:  # SQLite has ended it where the disk is full
                connection.execute("ROLLBACK")
            raise

    def copy_to(self, path: Path) -> None:
        """A consistent copy in another file, while readers and the writer go on."""
        with self._reading() as reader, closing(sqlite3.connect(path)) as copy:
            reader.backup(copy)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def passages(self, numbers: Sequence[int], visibility: VisibilityFilter | None = None) -> list[StoredPassage]:
        """Those of the passages that exist and may be shown, in the given order."""
        version = self._version
        found = _CACHE.find(version, numbers)
        if missing := [number for number in numbers if number not in found]:
            with self._reading() as reader:
                read = [StoredPassage(*row) for row in reader.execute(_READ_PASSAGES, (json.dumps(missing),))]
            _CACHE.add(version, read)
            found |= {passage.number: passage for passage in read}
        passages = [found[number] for number in numbers if number in found]
        return [each for each in passages if visibility is None or visibility.allows(each.visibility, each.expires)]

    def document(self, document: str) -> Document | None:
        query = "SELECT document FROM contents JOIN documents USING (number) WHERE id = ?"
        with self._reading() as reader:
            row = reader.execute(query, (document,)).fetchone()
        return None if row is None else Document.model_validate_json(row[0])

    def documents(self) -> list[Document]:
        query = "SELECT document FROM contents JOIN documents USING (number) ORDER BY id"
        with self._reading() as reader:
            return [Document.model_validate_json(text) for (text,) in reader.execute(query)]

    def list_page(self, after: str, limit: int) -> list[Document]:
        """The first documents whose ids come after ``after``."""
        query = "SELECT document FROM contents JOIN documents USING (number) WHERE id > ? ORDER BY id LIMIT ?"
        with self._reading() as reader:
            return [Document.model_validate_json(text) for (text,) in reader.execute(query, (after, limit))]

    def list_outlines(self) -> list[Document]:
        """All documents without their text and history."""
        query = """SELECT json_set(document, '$.body', '', '$.history', '')
            FROM contents JOIN documents USING (number) ORDER BY id"""
        with self._reading() as reader:
            return [Document.model_validate_json(text) for (text,) in reader.execute(query)]

    def vectors(self, document: str) -> list[bytes]:
        """Stored rows of each passage of a document."""
        query = """SELECT vectors FROM documents d JOIN passages p ON p.number >= d.number << 20
            AND p.number < (d.number + 1) << 20 WHERE d.id = ? ORDER BY p.number"""
        with self._reading() as reader:
            return [rows for (rows,) in reader.execute(query, (document,))]

    def generation(self) -> int:
        """The number of changes so far."""
        with self._reading() as reader:
            return _read_generation(reader)

    def stamps(self) -> dict[str, str]:
        """The stamp of each document's current version."""
        with self._reading() as reader:
            return dict(reader.execute("SELECT id, stamp FROM documents"))

    def totals(self) -> Totals:
        with self._reading() as reader:
            groups = reader.execute(_READ_TOTALS, (NEVER,)).fetchall()
        languages = frozenset(primary_language(language) for language, *_ in groups)
        documents, passages, *terms = [sum(group[column] for group in groups) for column in range(3, 8)]
        limited = sum(group[3] for group in groups if group[1] != "public" or group[2])
        verified = sum(group[3] for group in groups if group[1] == "verified")
        return Totals(documents, passages, (terms[0], terms[1], terms[2]), languages, limited, verified)

    def sample_undeclared(self, count: int) -> list[str]:
        """The first passages of about ``count`` documents that declare no language, spread over all of them."""
        query = """SELECT text FROM documents d JOIN passages p ON p.number = d.number << 20
            WHERE d.language = '' AND d.number % ? = 0 LIMIT ?"""
        with self._reading() as reader:
            (total,) = reader.execute("SELECT count(*) FROM documents WHERE language = ''").fetchone()
            return [text for (text,) in reader.execute(query, (max(1, total // count), 2 * count))]

    def word_entries(self) -> Iterator[WordEntry]:
        """Of all documents."""
        with self._reading() as reader:
            documents = "SELECT number, visibility, expires, title_terms FROM documents"
            passages = "SELECT heading_terms, body_terms FROM passages WHERE number >= ? AND number < ? ORDER BY number"
            for number, visibility, expires, title_terms in reader.execute(documents):
                span = (number * MAX_PASSAGES, (number + 1) * MAX_PASSAGES)
                yield WordEntry(number, visibility, expires, title_terms, reader.execute(passages, span).fetchall())

    def vectors_of_documents(self, documents: Iterable[str] | None = None) -> list[VectorSummary]:
        """What a search needs of the vectors of these documents, as far as they are there, or of all."""
        query = "SELECT number, passages, signs, sentences, sentence_sum FROM documents"
        with self._reading() as reader:
            if documents is None:
                rows = reader.execute(query).fetchall()
            else:
                query += " WHERE id IN (SELECT value FROM json_each(?))"
                rows = reader.execute(query, (json.dumps(list(documents)),)).fetchall()
        return [VectorSummary(passage_numbers(number, count), *rest) for number, count, *rest in rows]


def _check_file(opened: sqlite3.Connection) -> None:
    """Create the tables of a new file. Raises sqlite3.DatabaseError when the file is damaged."""
    opened.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    opened.execute("PRAGMA journal_mode = WAL")
    if not opened.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        opened.executescript(f"BEGIN; {_SCHEMA} COMMIT")
    elif (problem := opened.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(problem)


def _read_generation(connection: sqlite3.Connection) -> int:
    generation: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return generation


def passage_numbers(document: int, count: int) -> range:
    """Numbers of a document's passages."""
    return range(document * MAX_PASSAGES, document * MAX_PASSAGES + count)


def _document_row(prepared: PreparedDocument) -> dict[str, object]:
    document, passages, vectors = prepared.document, prepared.passages, prepared.vectors
    return {
        **document.model_dump(include={"id", "version", "title", "visibility", "language"}),
        "stamp": prepared.version_stamp,
        "expires": prepared.expires,
        "title_terms": prepared.title_terms,
        "passages": len(passages),
        "title_length": len(prepared.title_terms.split()) * len(passages),
        "heading_length": sum(len(passage.heading_terms.split()) for passage in passages),
        "body_length": sum(len(passage.body_terms.split()) for passage in passages),
        "sentences": vectors.sentences,
        "sentence_sum": vectors.sentence_sum,
        "signs": vectors.signs,
    }


def _passage_row(number: int, passage: PreparedPassage, vectors: bytes) -> tuple[object, ...]:
    return (
        number,
        passage.heading,
        passage.url,
        passage.text,
        passage.heading_terms,
        passage.body_terms,
        passage.words,
        vectors,
    )
