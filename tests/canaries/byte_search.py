"""Search for canaries in files, byte by byte, also in base64."""

from __future__ import annotations

import base64
import binascii
import errno
import os
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

PREFIX = b"canaryof"
LENGTH = 20
"""Bytes of a canary: the prefix, and twelve digits."""
_PLAIN = re.compile(PREFIX + rb"[0-9a-f]{12}")
_SHIFTS = {base64.b64encode(PREFIX[skip : skip + 6]): skip for skip in range(3)}
"""The beginnings of canaries in base64, by how many of their bytes the group before has."""
_ENCODED = re.compile(b"(" + b"|".join(map(re.escape, _SHIFTS)) + rb")[A-Za-z0-9+/]{16,20}")
CHUNK = 16 * 1024 * 1024
_OVERLAP = 64


def make_canary(rng: random.Random) -> str:
    return f"{PREFIX.decode()}{rng.getrandbits(48):012x}"


@dataclass
class Findings:
    """``places``: the files in which each canary was found, and each of ``texts``, which are searched as they are."""

    texts: frozenset[str] = frozenset()
    bytes: int = 0
    files: int = 0
    places: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def of(self, canaries: Iterable[str]) -> dict[str, list[str]]:
        return {canary: sorted(self.places[canary]) for canary in canaries if canary in self.places}


def search(folders: Iterable[Path], texts: Iterable[str] = ()) -> Findings:
    """Search every file in these folders. Blocking."""
    found = Findings(frozenset(texts))
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()):
        try:
            size = _search_file(path, found)
        except FileNotFoundError:
            continue  # a server has replaced it meanwhile
        found.bytes += size
        found.files += 1
    return found


def _search_file(path: Path, found: Findings) -> int:
    with path.open("rb") as file:
        for part in _read_parts(file):
            for canary in (*find_canaries(part), *(text for text in found.texts if text.encode() in part)):
                found.places[canary].add(str(path))
        size = os.fstat(file.fileno()).st_size
    for canary in find_canaries(path.name.encode()):
        found.places[canary].add(str(path))
    return size


def _read_parts(file: BinaryIO) -> Iterator[bytes]:
    """The file in overlapping parts, without what was reserved and never written: nearly all of Kafka's indexes."""
    end, before = 0, b""
    while True:
        try:
            start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            written = os.lseek(file.fileno(), start, os.SEEK_HOLE) - start
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing is written from here to the end
                raise
            return
        if start > end:
            before = b""
        if not (part := os.pread(file.fileno(), min(CHUNK, written), start)):
            return
        yield before + part
        end, before = start + len(part), part[-_OVERLAP:]


def find_canaries(data: bytes) -> Iterator[str]:
    """All canaries in the data."""
    # Most of what servers write is preallocated, and empty: this is quicker than the expressions.
    if not any(needle in data for needle in (PREFIX, *_SHIFTS)):
        return
    for plain in _PLAIN.findall(data):
        yield plain.decode()
    for match in _ENCODED.finditer(data):
        text = match.group()
        try:
            decoded = base64.b64decode(text[: len(text) // 4 * 4])
        except binascii.Error:
            continue
        whole = PREFIX[: _SHIFTS[match.group(1)]] + decoded
        if _PLAIN.match(whole):
            yield whole[:LENGTH].decode()
