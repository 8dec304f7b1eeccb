"""One file of a tenant's documents as scoring and comparing look at them, beside the index of their words.

It is written at its end and read by mapping it, so that what a search compares is held by the system's cache and not by
the process. A record says whose it is; which one of a document's holds is the index's word, and the others are dead.
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

_HEAD = struct.Struct("<4sIQQQ")
_MARK = b"PRK1"
_ALIGNED = 8
"""Records begin at multiples of it, so that numbers can be read where they stand."""
_AT_ONCE = 1 << 22
"""Bytes that are copied, or read, before their pages are given back."""


class Stored(NamedTuple):
    """Where a record's content stands, and whose it is: the document's number, and a stamp of its version."""

    number: int
    stamp: int
    begin: int
    size: int

    @property
    def taken(self) -> int:
        """Bytes on disk."""
        return _taken(self.size)


@dataclass(frozen=True, slots=True)
class Pages:
    """The file as far as it went once. Stays readable when the file has grown, or was replaced."""

    mapped: mmap.mmap

    def content(self, stored: Stored) -> memoryview:
        return memoryview(self.mapped)[stored.begin : stored.begin + stored.size]

    def release(self) -> None:
        """Give the memory back that reading took. Whoever reads meanwhile only reads again."""
        if hasattr(self.mapped, "madvise"):
            self.mapped.madvise(mmap.MADV_DONTNEED)


class DocumentFile:
    """One writer; readers have ``pages``. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._end = os.fstat(self._file).st_size
        if not self._end:
            self._write(_padded(b""))
        self.pages = self._mapped()

    def close(self) -> None:
        """What is mapped stays readable."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def records(self) -> Iterator[Stored]:
        """All that are whole, in the order in which they were written. What a crash left half written is cut off."""
        pages, at, released = self.pages, _ALIGNED, 0
        while at + _HEAD.size <= self._end:
            mark, checked, number, stamp, size = _HEAD.unpack_from(pages.mapped, at)
            found = Stored(number, stamp, at + _HEAD.size, size)
            if mark != _MARK or at + found.taken > self._end or zlib.crc32(pages.content(found)) != checked:
                break
            yield found
            at += found.taken
            if at - released > _AT_ONCE:
                pages.release()
                released = at
        pages.release()
        self._cut(at)

    def add(self, records: Iterable[tuple[int, int, bytes]]) -> list[Stored]:
        """Number, stamp and content of each. On disk when it returns; ``pages`` then reach to the end of them."""
        added, out = [], []
        at = self._end
        for number, stamp, content in records:
            added.append(Stored(number, stamp, at + _HEAD.size, len(content)))
            out += [_HEAD.pack(_MARK, zlib.crc32(content), number, stamp, len(content)), _padded(content)]
            at += added[-1].taken
        self._write(b"".join(out))
        os.fdatasync(self._file)
        self.pages = self._mapped()
        return added

    def tidied(self, kept: Iterable[Stored]) -> list[Stored]:
        """Write these alone into a new file, which takes the old one's place. They are returned as they stand there."""
        aside, begin = self._path.with_suffix(".new"), _ALIGNED
        moved: list[Stored] = []
        with aside.open("wb") as out:
            out.write(_padded(b""))
            for each in kept:
                head = each.begin - _HEAD.size
                out.write(memoryview(self.pages.mapped)[head : head + each.taken])
                moved.append(each._replace(begin=begin + _HEAD.size))
                begin += each.taken
            out.flush()
            os.fdatasync(out.fileno())
        self.pages.release()
        aside.replace(self._path)
        _on_disk(self._path.parent)
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR)
        self._end = begin
        self.pages = self._mapped()
        return moved

    def _write(self, data: bytes) -> None:
        at, left = self._end, memoryview(data)
        while left:
            written = os.pwrite(self._file, left, at)
            at, left = at + written, left[written:]
        self._end = at

    def _cut(self, end: int) -> None:
        if end < self._end:
            self._end = end
            # Mapped anew first: nothing may be mapped where there is no file.
            self.pages = self._mapped()
            os.ftruncate(self._file, end)

    def _mapped(self) -> Pages:
        return Pages(mmap.mmap(self._file, self._end, mmap.MAP_SHARED, mmap.PROT_READ))


def _on_disk(folder: Path) -> None:
    """The folder's own content: without it a lost power could bring the old file back, which lacks what came later."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _ALIGNED) if content else bytes(_ALIGNED)


def _taken(size: int) -> int:
    return _HEAD.size + max(_ALIGNED, size + -size % _ALIGNED)
