"""An append-only file with the data of a tenant's documents that scoring needs, beside the word index.

It is memory-mapped, so the data a search compares stays in the system's page cache instead of the process. A document
may have several records; the index knows which one is current.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("<4sIQQQ")
_MAGIC = b"PRK1"
_ALIGNMENT = 8
"""Records begin at multiples of it, so that arrays can be read in place."""
_RELEASE_BYTES = 1 << 22
"""Bytes read before their pages are released."""


class RecordLocation(NamedTuple):
    """The location of a record's content, the document's number and a stamp of its version."""

    number: int
    stamp: int
    begin: int
    size: int

    @property
    def size_on_disk(self) -> int:
        """Bytes on disk, header and padding included."""
        return _size_on_disk(self.size)


@dataclass(frozen=True, slots=True)
class Pages:
    """The file as mapped at one time. It stays readable when the file has grown or was replaced."""

    mapped: mmap.mmap

    def content(self, record: RecordLocation) -> memoryview:
        return memoryview(self.mapped)[record.begin : record.begin + record.size]

    def release(self) -> None:
        """Release the memory that reading took. A concurrent reader only has to read again."""
        if hasattr(self.mapped, "madvise"):
            self.mapped.madvise(mmap.MADV_DONTNEED)


class DocumentFile:
    """One writer; readers use ``pages``. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._end = os.fstat(self._file).st_size
        if not self._end:
            self._write(_pad(b""))
        self.pages = self._map()

    def close(self) -> None:
        """Mapped pages stay readable."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def records(self) -> Iterator[RecordLocation]:
        """All complete records in the order of writing. A record that a crash left incomplete is cut off."""
        pages, at, released = self.pages, _ALIGNMENT, 0
        while at + _HEADER.size <= self._end:
            mark, checked, number, stamp, size = _HEADER.unpack_from(pages.mapped, at)
            record = RecordLocation(number, stamp, at + _HEADER.size, size)
            if mark != _MAGIC or at + record.size_on_disk > self._end or zlib.crc32(pages.content(record)) != checked:
                break
            yield record
            at += record.size_on_disk
            if at - released > _RELEASE_BYTES:
                pages.release()
                released = at
        pages.release()
        self._truncate(at)

    def add(self, records: Iterable[tuple[int, int, bytes]]) -> list[RecordLocation]:
        """Append records, each given by number, stamp and content. They are on disk when it returns, and ``pages``
        covers them."""
        added, out = [], []
        at = self._end
        for number, stamp, content in records:
            added.append(RecordLocation(number, stamp, at + _HEADER.size, len(content)))
            out += [_HEADER.pack(_MAGIC, zlib.crc32(content), number, stamp, len(content)), _pad(content)]
            at += added[-1].size_on_disk
        self._write(b"".join(out))
        os.fdatasync(self._file)
        self.pages = self._map()
        return added

    def compact(self, locations: Iterable[RecordLocation]) -> list[RecordLocation]:
        """Write only these records into a new file, which replaces the old one. Returns their new locations."""
        new_path, begin = self._path.with_suffix(".new"), _ALIGNMENT
        moved: list[RecordLocation] = []
        with new_path.open("wb") as out:
            out.write(_pad(b""))
            for location in locations:
                head = location.begin - _HEADER.size
                out.write(memoryview(self.pages.mapped)[head : head + location.size_on_disk])
                moved.append(location._replace(begin=begin + _HEADER.size))
                begin += location.size_on_disk
            out.flush()
            os.fdatasync(out.fileno())
        self.pages.release()
        new_path.replace(self._path)
        _sync_folder(self._path.parent)
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR)
        self._end = begin
        self.pages = self._map()
        return moved

    def _write(self, data: bytes) -> None:
        at, remaining = self._end, memoryview(data)
        while remaining:
            written = os.pwrite(self._file, remaining, at)
            at, remaining = at + written, remaining[written:]
        self._end = at

    def _truncate(self, end: int) -> None:
        if end < self._end:
            self._end = end
            # Map again first: no mapping may reach beyond the end of the file.
            self.pages = self._map()
            os.ftruncate(self._file, end)

    def _map(self) -> Pages:
        return Pages(mmap.mmap(self._file, self._end, mmap.MAP_SHARED, mmap.PROT_READ))


def _sync_folder(folder: Path) -> None:
    """Sync the folder itself. Otherwise a power loss could bring the old file back, without later records."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _pad(content: bytes) -> bytes:
    return content + bytes(-len(content) % _ALIGNMENT) if content else bytes(_ALIGNMENT)


def _size_on_disk(size: int) -> int:
    return _HEADER.size + max(_ALIGNMENT, size + -size % _ALIGNMENT)
