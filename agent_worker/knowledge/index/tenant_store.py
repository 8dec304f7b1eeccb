"""A tenant's document data beside the word index: versions, counts and vectors, in memory and in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent_worker.knowledge.index.arrays import ArrayBuffer
from agent_worker.knowledge.index.document_codec import DocumentHeader, UnpackedDocument, pack, read_passages, unpack
from agent_worker.knowledge.index.document_file import DocumentFile, Pages, RecordLocation
from agent_worker.knowledge.index.index_entries import PreparedDocument
from agent_worker.knowledge.index.passage_table import DocumentNumbers, PassageKey, PassageTable, format_key
from agent_worker.knowledge.index.query_filter import VisibilityFilter
from agent_worker.knowledge.index.term_statistics import DocumentStatistics, TermStatistics
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.knowledge.vectors.passage_vectors import PassageVectors, VectorLocation

MIN_DEAD_BYTES = 1 << 24
"""The file is compacted when it has more dead bytes than this and than live ones."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage. The ranker sets ``score``."""

    document: str
    version: int
    title: str
    heading: str
    url: str
    text: str
    order: int
    score: float = 0.0

    @property
    def key(self) -> str:
        return format_key(self.document, self.order)


@dataclass(slots=True)
class _Records:
    """Replaced as a whole when the file is compacted, because locations are valid for one file only. ``places``: by
    document number, which is never reused, where its record begins and how long it is."""

    pages: Pages
    places: ArrayBuffer

    def content(self, number: int) -> memoryview | None:
        """None when the document has no record."""
        rows = self.places.rows
        begin, size = rows[number].tolist() if number < len(rows) else (0, 0)
        # Read the pages last: they cover at least every location read before.
        return self.pages.content(RecordLocation(number, 0, begin, size)) if size else None


class TenantStore:
    """One writer and many readers."""

    def __init__(self, path: Path, encoder: Encoder | None) -> None:
        self._file = DocumentFile(path)
        self.versions: dict[str, int] = {}
        """The version stamp of each document."""
        self.statistics = TermStatistics()
        self.passages = PassageTable(encoder)
        self.numbers = DocumentNumbers()
        self.vectors = PassageVectors(encoder.size, self._file.pages, self.numbers) if encoder else None
        self._records = _Records(self._file.pages, ArrayBuffer(np.int64, 2))
        self._live = self._dead = 0

    def close(self) -> None:
        self._file.close()

    def load(self, stamps: Mapping[int, int]) -> bool:
        """Load the file's records of the given documents, number → stamp. False when some are missing."""
        records: dict[int, RecordLocation] = {}
        for record in self._file.records():
            if stamps.get(record.number) == record.stamp:
                if replaced := records.get(record.number):
                    self._dead += replaced.size_on_disk
                records[record.number] = record
            else:
                self._dead += record.size_on_disk
        self.put(sorted(records.values(), key=lambda stored: stored.begin))
        return len(records) == len(stamps)

    def write(self, documents: Sequence[PreparedDocument]) -> list[RecordLocation]:
        """Write documents to disk. They become visible by ``put``."""
        records = []
        for prepared in documents:
            document = prepared.document
            number = self.numbers.number_for(document.id)
            self.numbers.put(document.id, number)
            header = DocumentHeader(document.id, document.version, document.title, document.url, prepared.attributes)
            content = pack(header, prepared.pieces, prepared.counts, prepared.vectors)
            records.append((number, stamp_of(document.version, prepared.stamp), content))
        return self._file.add(records)

    def put(self, changed: Iterable[RecordLocation]) -> None:
        """Make written records visible, each in place of the document's previous one."""
        pages = self._file.pages
        self._records.pages = pages
        for each in changed:
            self._add(each, unpack(pages.content(each)))
        pages.release()
        self._compact_if_sparse()

    def _add(self, location: RecordLocation, unpacked: UnpackedDocument) -> None:
        header = unpacked.header
        document = header.document
        self._discard(document)
        self.numbers.put(document, location.number)
        old_statistics = self.passages.statistics_of(document)
        if old_statistics is not None:
            self.statistics.drop(old_statistics)
        self.statistics.put(
            DocumentStatistics(unpacked.counts.terms, unpacked.counts.lengths, header.attributes.limited)
        )
        self.passages.put(document, unpacked.counts, header.attributes)
        if self.vectors is not None and len(unpacked.sizes):
            placed = VectorLocation(location.number, location.begin + unpacked.vectors_begin, unpacked.sizes)
            self.vectors.put(self._file.pages, [placed])
        self._set_location(location)
        self.versions[document] = location.stamp

    def drop(self, documents: Collection[str]) -> None:
        for document in documents:
            self._discard(document)
            old_statistics = self.passages.statistics_of(document)
            if old_statistics is not None:
                self.statistics.drop(old_statistics)
            self.passages.drop(document)
            self.numbers.drop(document)
        self._compact_if_sparse()

    def _discard(self, document: str) -> None:
        """Count the document's record as dead."""
        if self.versions.pop(document, None) is None:
            return
        if self.vectors is not None:
            self.vectors.remove(document)
        size = RecordLocation(0, 0, *self._records.places.rows[self.numbers.number_for(document)].tolist()).size_on_disk
        self._live -= size
        self._dead += size

    def _set_location(self, stored: RecordLocation) -> None:
        places = self._records.places
        missing = stored.number + 1 - len(places)
        if missing > 0:
            places.extend(np.zeros((missing, 2), np.int64))
        places.rows[stored.number] = stored.begin, stored.size
        self._live += stored.size_on_disk

    def read(self, passages: Sequence[PassageKey], visibility: VisibilityFilter) -> dict[PassageKey, Hit]:
        """Those of the passages that exist and may be shown."""
        orders: dict[str, list[int]] = {}
        for document, order in passages:
            orders.setdefault(document, []).append(order)
        view, records, hits = self.passages.view(), self._records, {}
        for document, document_orders in orders.items():
            number = self.numbers.find(document)
            content = records.content(number) if number is not None and view.is_visible(document, visibility) else None
            if content is not None:
                header, texts = read_passages(content, document_orders)
                for order, (heading, text) in texts.items():
                    hit = Hit(document, header.version, header.title, heading, header.url, text, order)
                    hits[PassageKey(document, order)] = hit
        records.pages.release()
        return hits

    def _compact_if_sparse(self) -> None:
        """Copy the live records into a new file once most of the file is dead."""
        if self._dead <= max(MIN_DEAD_BYTES, self._live):
            return
        live_numbers = {self.numbers.number_for(document) for document in self.versions}
        places = self._records.places.rows
        live = [
            record
            for record in self._file.records()
            if record.number in live_numbers and places[record.number].tolist() == [record.begin, record.size]
        ]
        moved = self._file.compact(live)
        if self.vectors is not None:
            pairs = zip(live, moved, strict=True)
            self.vectors.compact(self._file.pages, {new.number: new.begin - old.begin for old, new in pairs})
        new_places = ArrayBuffer(places.dtype.type, 2)
        new_places.extend(places)
        for record in moved:
            new_places.rows[record.number] = record.begin, record.size
        self._records = _Records(self._file.pages, new_places)
        self._dead = 0


def stamp_of(version: int, fingerprint: str) -> int:
    """A number that identifies a document's version and fits into the index."""
    return int.from_bytes(hashlib.sha256(f"{version}/{fingerprint}".encode()).digest()[:7])
