"""The head of a request as it came, read for no more than it takes to refuse it.

Only what nobody can read in two ways is taken for one: whatever is strange goes to the parser, which knows what to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 8 * 1024
"""Bytes of a head."""
_BEGINS, _ENDS = b"POST /", b" HTTP/1.1"
_STRANGE = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade|[ \t])")
"""What makes a body longer than it says, has to be answered before the body comes, or goes on from the line before."""
_LENGTH, _CONNECTION = b"content-length", b"connection"
_DIGITS = 7
"""Of a length in bytes: whoever is refused may send so much more in vain before the next request."""


@dataclass(slots=True)
class Head:
    """Of a POST with a body of a given length, on a connection that stays open. ``size`` is in bytes with the body."""

    path: bytes
    origin: bytes
    size: int


def head_of(data: bytes) -> Head | None:
    """The head that ``data`` begins with; None for what is not surely one."""
    end = data.find(b"\r\n\r\n", 0, LONGEST) + 2
    if end < 2 or not data.startswith(_BEGINS):
        return None
    lines = data[:end].lower()
    first = lines.find(b"\r\n")
    path = data[len(_BEGINS) - 1 : first - len(_ENDS)]
    if not data.endswith(_ENDS, 0, first) or b" " in path or lines.count(b"\n") != lines.count(b"\r\n"):
        return None
    length = _only(lines, _LENGTH)
    if length is None or not length.isdigit() or len(length) > _DIGITS or b"\0" in lines or _STRANGE.search(lines):
        return None
    if _only(lines, _CONNECTION) not in (b"", b"keep-alive"):
        return None
    at = lines.find(b"\r\norigin:")
    origin = b"" if at < 0 else data[at + 9 : data.find(b"\r\n", at + 2)].strip()
    return Head(path, origin, end + 2 + int(length))


def _only(lines: bytes, name: bytes) -> bytes | None:
    """What the header says, "" where there is none; None where its name is there more than once, also in a value."""
    at = lines.find(name)
    if at < 0:
        return b""
    after = at + len(name)
    if lines.find(name, after) >= 0 or lines[at - 2 : at] != b"\r\n" or lines[after : after + 1] != b":":
        return None
    return lines[after + 1 : lines.find(b"\r\n", after)].strip(b" \t")
