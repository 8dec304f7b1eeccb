"""The three ways in which the gateway writes a frame: text, one zlib stream, one zstd stream a connection.

The zstd stream is written by hand, without compressing: a frame (RFC 8878) of raw blocks is as good to a reader, and no
library is needed for it.
"""

from __future__ import annotations

import zlib
from typing import Protocol

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_HEADER = b"\x00\x38"
"""No checksum, no dictionary, size unknown; a window of 128 KiB."""
ZSTD_BLOCK = 128 * 1024


class Stream(Protocol):
    def frame(self, text: str) -> str | bytes:
        """What goes into one WebSocket message."""


class PlainStream:
    def frame(self, text: str) -> str:
        return text


class Zlib:
    """Each frame ends in 00 00 FF FF, by which a reader knows that it is whole."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj()

    def frame(self, text: str) -> bytes:
        return self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class Zstd:
    def __init__(self) -> None:
        self._begun = False

    def frame(self, text: str) -> bytes:
        data = text.encode()
        blocks = [data[at : at + ZSTD_BLOCK] for at in range(0, len(data), ZSTD_BLOCK)]
        head = b"" if self._begun else ZSTD_MAGIC + ZSTD_HEADER
        self._begun = True
        # The size stands above three bits: not the last block, and type 0, as it is.
        return head + b"".join((len(block) << 3).to_bytes(3, "little") + block for block in blocks)


def stream_for(compress: str) -> Stream | None:
    """For the query of the address; None: nothing that Discord offers."""
    if compress == "zlib-stream":
        return Zlib()
    if compress == "zstd-stream":
        return Zstd()
    return PlainStream() if compress == "" else None
