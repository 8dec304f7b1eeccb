"""What one process holds of a tenant's documents beside the index of their words: versions, counts and vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent_worker.knowledge.index.arrays import Growing
from agent_worker.knowledge.index.document_codec import About, Unpacked, pack, shown, unpack
from agent_worker.knowledge.index.document_file import DocumentFile, Pages, Stored
from agent_worker.knowledge.index.index_entries import Prepared
from agent_worker.knowledge.index.passage_table import Numbering, PassageTable, Place, key_of
from agent_worker.knowledge.index.query_filter import Sight
from agent_worker.knowledge.index.term_statistics import Census, Tally
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.knowledge.vectors.passage_vectors import PassageVectors, Placed

_SPARE = 1 << 24
"""Bytes of dead records, and more than of live ones, before the file is tidied."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage. ``score`` is set by whoever ranks it."""

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
        return key_of(self.document, self.order)


@dataclass(slots=True)
class _Records:
    """Replaced whole when the file is tidied: what is said of one file holds in no other. ``places``: by a document's
    number, which is never given twice, where its record is and how long."""

    pages: Pages
    places: Growing

    def content(self, number: int) -> memoryview | None:
        """None when there is none."""
        rows = self.places.rows
        begin, size = rows[number].tolist() if number < len(rows) else (0, 0)
        # The pages last: they reach at least as far as what was said of them.
        return self.pages.content(Stored(number, 0, begin, size)) if size else None


class Holdings:
    """One writer; readers beside it."""

    def __init__(self, path: Path, encoder: Encoder | None) -> None:
        self._file = DocumentFile(path)
        self.versions: dict[str, int] = {}
        """Of each document that is here the stamp of its version."""
        self.census = Census()
        self.passages = PassageTable(encoder)
        self.numbering = Numbering()
        self.vectors = PassageVectors(encoder.size, self._file.pages, self.numbering) if encoder else None
        self._records = _Records(self._file.pages, Growing(np.int64, 2))
        self._live = self._dead = 0

    def close(self) -> None:
        self._file.close()

    def load(self, wanted: Mapping[int, int]) -> bool:
        """Take over what the file has of documents, number → stamp. False when it does not have them all."""
        found: dict[int, Stored] = {}
        for each in self._file.records():
            if wanted.get(each.number) == each.stamp:
                if before := found.get(each.number):
                    self._dead += before.taken
                found[each.number] = each
            else:
                self._dead += each.taken
        self.put(sorted(found.values(), key=lambda stored: stored.begin))
        return len(found) == len(wanted)

    def write(self, changed: Sequence[Prepared]) -> list[Stored]:
        """On disk when it returns; they count once ``put`` is told of them."""
        records = []
        for each in changed:
            document = each.document
            number = self.numbering.of(document.id)
            self.numbering.put(document.id, number)
            about = About(document.id, document.version, document.title, document.url, each.label)
            content = pack(about, each.pieces, each.counted, each.vectors)
            records.append((number, stamp_of(document.version, each.stamp), content))
        return self._file.add(records)

    def put(self, changed: Iterable[Stored]) -> None:
        """Each in the place of what was there of its document."""
        pages = self._file.pages
        self._records.pages = pages
        for each in changed:
            self._take(each, unpack(pages.content(each)))
        pages.release()
        self._tidy()

    def _take(self, stored: Stored, found: Unpacked) -> None:
        about = found.about
        document = about.document
        self._leave(document)
        self.numbering.put(document, stored.number)
        before = self.passages.tally(document)
        if before is not None:
            self.census.drop(before)
        self.census.put(Tally(found.counted.terms, found.counted.lengths, about.label.limited))
        self.passages.put(document, found.counted, about.label)
        if self.vectors is not None and len(found.sizes):
            placed = Placed(stored.number, stored.begin + found.vectors, found.sizes)
            self.vectors.put(self._file.pages, [placed])
        self._place(stored)
        self.versions[document] = stored.stamp

    def drop(self, documents: Collection[str]) -> None:
        for document in documents:
            self._leave(document)
            before = self.passages.tally(document)
            if before is not None:
                self.census.drop(before)
            self.passages.drop(document)
            self.numbering.drop(document)
        self._tidy()

    def _leave(self, document: str) -> None:
        """What is there of it is dead."""
        if self.versions.pop(document, None) is None:
            return
        if self.vectors is not None:
            self.vectors.remove(document)
        taken = Stored(0, 0, *self._records.places.rows[self.numbering.of(document)].tolist()).taken
        self._live -= taken
        self._dead += taken

    def _place(self, stored: Stored) -> None:
        places = self._records.places
        missing = stored.number + 1 - len(places)
        if missing > 0:
            places.extend(np.zeros((missing, 2), np.int64))
        places.rows[stored.number] = stored.begin, stored.size
        self._live += stored.taken

    def read(self, places: Sequence[Place], seen: Sight) -> dict[Place, Hit]:
        """Those of the passages that are there and may be shown."""
        orders: dict[str, list[int]] = {}
        for document, order in places:
            orders.setdefault(document, []).append(order)
        view, records, out = self.passages.view(), self._records, {}
        for document, wanted in orders.items():
            number = self.numbering.known(document)
            content = records.content(number) if number is not None and view.shown(document, seen) else None
            if content is not None:
                about, texts = shown(content, wanted)
                for order, (heading, text) in texts.items():
                    hit = Hit(document, about.version, about.title, heading, about.url, text, order)
                    out[Place(document, order)] = hit
        records.pages.release()
        return out

    def _tidy(self) -> None:
        """Copies what is live into a new file, once that is the lesser part."""
        if self._dead <= max(_SPARE, self._live):
            return
        numbers = {self.numbering.of(document) for document in self.versions}
        places = self._records.places.rows
        there = [
            each
            for each in self._file.records()
            if each.number in numbers and places[each.number].tolist() == [each.begin, each.size]
        ]
        moved = self._file.tidied(there)
        if self.vectors is not None:
            pairs = zip(there, moved, strict=True)
            self.vectors.tidy(self._file.pages, {new.number: new.begin - old.begin for old, new in pairs})
        anew = Growing(places.dtype.type, 2)
        anew.extend(places)
        for each in moved:
            anew.rows[each.number] = each.begin, each.size
        self._records = _Records(self._file.pages, anew)
        self._dead = 0


def stamp_of(version: int, fingerprint: str) -> int:
    """Tells versions of a document apart; fits in what the index keeps of it."""
    return int.from_bytes(hashlib.sha256(f"{version}/{fingerprint}".encode()).digest()[:7])
