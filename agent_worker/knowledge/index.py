"""One tenant's documents and passages in one tantivy index on disk. It knows what it holds: document, version and
fingerprint are read back from the index itself, so the stamp can never disagree with the content."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from agent_worker.knowledge.analysis import terms
from agent_worker.knowledge.splitting import Piece, split
from schemas.conversation import Document

log = structlog.get_logger("parley.knowledge")
FORMAT = "2"  # raise it when splitting, analysis or the fields change: older indexes are then built anew
_NEVER = 1 << 52
_HEAP = 15_000_000  # bytes; the least tantivy takes for one thread
PASSAGE_FIELDS = (("p_title", 2.0), ("p_heading", 1.5), ("p_body", 1.0))
DOCUMENT_FIELD = "d_all"


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a question: what may stand for it in the index, each with a factor, and how much the word weighs."""

    text: str
    options: tuple[tuple[str, float], ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by its raw score."""

    document: str
    version: int
    title: str
    heading: str
    url: str
    text: str
    order: int
    score: float


def fingerprint(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]


class TenantIndex:
    """Blocking: callers run it in a thread. Not safe for two writers; readers may run beside one writer."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._index = self._open()
        # Kept open: its threads join segments in the background, so that no edit waits for that.
        self._writer: Any = None
        self.versions: dict[str, tuple[int, str]] = self._read_versions()

    # ── on disk ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> Any:
        stamp = self._directory / "format"
        if self._directory.exists() and (not stamp.exists() or stamp.read_text() != FORMAT):
            shutil.rmtree(self._directory)
        try:
            return self._create()
        except Exception as error:  # whatever tantivy says about damaged files: they can be made again from the log
            log.warning("index_rebuilt", directory=self._directory.name, reason=type(error).__name__)
            shutil.rmtree(self._directory, ignore_errors=True)
            return self._create()

    def _create(self) -> Any:
        import tantivy

        self._directory.mkdir(parents=True, exist_ok=True)
        index = tantivy.Index(_schema(), str(self._directory))
        index.searcher().search(tantivy.Query.all_query(), 1)
        (self._directory / "format").write_text(FORMAT)
        return index

    def _read_versions(self) -> dict[str, tuple[int, str]]:
        try:
            return {
                found["document"]["id"]: (found["document"]["version"], found["fingerprint"])
                for found in self._entries(self._kind("document"))
            }
        except Exception as error:  # as above
            log.warning("index_rebuilt", directory=self._directory.name, reason=type(error).__name__)
            shutil.rmtree(self._directory, ignore_errors=True)
            self._index = self._create()
            return {}

    def _kind(self, kind: Literal["document", "passage"]) -> Any:
        import tantivy

        return tantivy.Query.term_query(self._index.schema, "kind", kind)

    def _entries(self, query: Any) -> list[dict[str, Any]]:
        searcher = self._index.searcher()
        found = searcher.search(query, max(1, searcher.num_docs), count=False)
        return [json.loads(searcher.doc(address)["data"][0]) for _, address in found.hits]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def apply(self, put: Iterable[tuple[Document, str]], drop: Iterable[str] = ()) -> None:
        """Replace documents (each with its fingerprint) and drop others, visible when it returns."""
        changed = list(put)
        if self._writer is None:
            self._writer = self._index.writer(_HEAP, 1)
        try:
            for document_id in [*(document.id for document, _ in changed), *drop]:
                self._writer.delete_documents_by_term("doc", document_id)
                self.versions.pop(document_id, None)
            for document, stamp in changed:
                for entry in _entries_of(document, stamp):
                    self._writer.add_document(entry)
            self._writer.commit()
        except BaseException:
            # What is on disk is the last commit; what memory says must follow it.
            self._writer = None
            self._index.reload()
            self.versions = self._read_versions()
            raise
        self._index.reload()
        self.versions.update({document.id: (document.version, stamp) for document, stamp in changed})

    def close(self) -> None:
        """Let the writer go, with what it does in the background."""
        if self._writer is not None:
            self._writer.wait_merging_threads()
            self._writer = None

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def documents(self) -> list[Document]:
        found = [Document.model_validate(entry["document"]) for entry in self._entries(self._kind("document"))]
        return sorted(found, key=lambda document: document.id)

    def document(self, document_id: str) -> Document | None:
        import tantivy

        named = tantivy.Query.term_query(self._index.schema, "doc", document_id)
        both = tantivy.Query.boolean_query([(tantivy.Occur.Must, self._kind("document")), (tantivy.Occur.Must, named)])
        found = self._entries(both)
        return Document.model_validate(found[0]["document"]) if found else None

    def known(self, text: str) -> int:
        """In how many documents a term stands; 0 when in none."""
        return int(self._index.searcher().doc_freq(DOCUMENT_FIELD, text))

    def beginning_with(self, prefix: str, limit: int) -> list[str]:
        return [text for text, _ in self._index.searcher().terms_with_prefix(DOCUMENT_FIELD, prefix, limit=limit)]

    def find_documents(self, asked: Sequence[Term], now: datetime, limit: int) -> dict[str, float]:
        """Document id → score over its whole text."""
        query = self._query(asked, ((DOCUMENT_FIELD, 1.0),), "document", now)
        searcher = self._index.searcher()
        found = searcher.search(query, limit, count=False)
        return {searcher.doc(address)["doc"][0]: score for score, address in found.hits}

    def find_passages(self, asked: Sequence[Term], now: datetime, limit: int, within: Sequence[str] = ()) -> list[Hit]:
        """Best passages, of the documents ``within`` or of all."""
        query = self._query(asked, PASSAGE_FIELDS, "passage", now, within)
        searcher = self._index.searcher()
        found = searcher.search(query, limit, count=False)
        return [Hit(**json.loads(searcher.doc(address)["data"][0]), score=score) for score, address in found.hits]

    def _query(
        self,
        asked: Sequence[Term],
        fields: Sequence[tuple[str, float]],
        kind: Literal["document", "passage"],
        now: datetime,
        within: Sequence[str] = (),
    ) -> Any:
        import tantivy

        schema, make, occur = self._index.schema, tantivy.Query, tantivy.Occur
        words = []
        for term in asked:
            options = [
                make.boost_query(
                    make.boolean_query(
                        [
                            (occur.Should, make.boost_query(make.term_query(schema, name, text), boost))
                            for name, boost in fields
                        ]
                    ),
                    factor * term.weight,
                )
                for text, factor in term.options
            ]
            if options:
                words.append((occur.Should, make.disjunction_max_query(options)))
        live = make.range_query(schema, "expires", tantivy.FieldType.Unsigned, lower_bound=int(now.timestamp()) + 1)
        limits = [self._kind(kind), make.term_query(schema, "visibility", "public"), live]
        if within:
            limits.append(make.term_set_query(schema, "doc", list(within)))
        must = [(occur.Must, make.const_score_query(query, 0.0)) for query in limits]
        return make.boolean_query([*must, (occur.Must, make.boolean_query(words))]) if words else make.empty_query()


def _schema() -> Any:
    import tantivy

    builder = tantivy.SchemaBuilder()
    for name in ("kind", "visibility"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("doc", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("expires", indexed=True, fast=True)
    for name in (*(name for name, _ in PASSAGE_FIELDS), DOCUMENT_FIELD):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    builder.add_bytes_field("data", stored=True)
    return builder.build()


def _entries_of(document: Document, stamp: str) -> Iterable[Any]:
    import tantivy

    expires = _NEVER if document.expires_at is None else max(0, int(document.expires_at.timestamp()))
    pieces = split(document.title, document.body)

    def entry(kind: str, data: dict[str, Any], fields: dict[str, str]) -> Any:
        made = tantivy.Document(
            kind=kind, doc=document.id, visibility=document.visibility, data=json.dumps(data).encode(), **fields
        )
        made.add_unsigned("expires", expires)
        return made

    whole = " ".join([document.title] * 4 + [f"{piece.heading} {piece.heading} {piece.text}" for piece in pieces])
    data = {"document": document.model_dump(mode="json"), "fingerprint": stamp}
    yield entry("document", data, {DOCUMENT_FIELD: _joined(whole)})
    for order, piece in enumerate(pieces):
        yield entry("passage", _stored(document, piece, order), _searched(document, piece))


def _stored(document: Document, piece: Piece, order: int) -> dict[str, Any]:
    return {
        "document": document.id,
        "version": document.version,
        "title": document.title,
        "heading": piece.heading,
        "url": document.url,
        "text": piece.text,
        "order": order,
    }


def _searched(document: Document, piece: Piece) -> dict[str, str]:
    return {
        "p_title": _joined(document.title),
        "p_heading": _joined(piece.heading),
        "p_body": _joined(f"{piece.note} {piece.text}"),
    }


def _joined(text: str) -> str:
    return " ".join(terms(text))
