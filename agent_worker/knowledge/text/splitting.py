"""Documents into passages: along headings, 100–180 words, nothing cut through, every passage verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent_worker.knowledge.text.blocks import Block, bare_item, blocks_of, is_ruler, lines_of
from agent_worker.knowledge.text.sentences import sentence_spans

LONGEST = 180
ENOUGH = 100
Span = tuple[int, int]
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage: ``text`` is a verbatim part of the body, ``heading`` the path of headings over it. ``note`` is what
    it needs to be found, but does not contain: the head of a table that was cut."""

    heading: str
    text: str
    note: str = ""


def words(text: str) -> int:
    return len(text.split())


def split(title: str, body: str) -> list[Piece]:
    """Never empty for a body with a visible character; no passage is blank."""
    out: list[Piece] = []
    path: list[tuple[int, str]] = []
    section: list[Block] = []
    bare: list[Block] = []
    for block in blocks_of(body):
        if block.kind != "heading":
            section.append(block)
            continue
        out.extend(_pack(body, _path(path, title), section))
        section = []
        bare.append(block)
        path = [*(entry for entry in path if entry[0] < block.level), (block.level, block.title)]
    out.extend(_pack(body, _path(path, title), section))
    if not out and bare:
        out = [Piece("", body[bare[0].start : bare[-1].end])]
    return out


def _path(path: list[tuple[int, str]], title: str) -> str:
    names = [name for _, name in path]
    if names and names[0].casefold() == title.casefold():
        names = names[1:]
    return " > ".join(names)


def _pack(body: str, heading: str, section: list[Block]) -> Iterator[Piece]:
    """Put neighbours together until a passage is long enough; a heading never joins two sections."""
    held: Span | None = None
    held_words = 0
    for start, end, note in _parts(body, section):
        size = words(body[start:end])
        joined = held_words + size
        if held is not None and not note and (joined <= LONGEST and (held_words < ENOUGH or size < ENOUGH // 2)):
            held, held_words = (held[0], end), joined
            continue
        if held is not None:
            yield Piece(heading, body[held[0] : held[1]])
            held = None
        if note:
            yield Piece(heading, body[start:end], note)
        else:
            held, held_words = (start, end), size
    if held is not None:
        yield Piece(heading, body[held[0] : held[1]])


def _parts(body: str, section: list[Block]) -> Iterator[tuple[int, int, str]]:
    for block in section:
        if words(body[block.start : block.end]) <= LONGEST:
            yield block.start, block.end, ""
        elif block.kind == "table":
            yield from _table(body, block)
        elif block.kind == "text":
            yield from _runs(body, _atoms(body, list(sentence_spans(body, block.start, block.end))), "")
        else:
            yield from _runs(body, _atoms(body, list(_lines(body, block))), "")


def _lines(body: str, block: Block) -> Iterator[Span]:
    """Lines, list items with what continues them."""
    begin = block.start
    for start, end in lines_of(body, block.start, block.end):
        if start > begin and (block.kind != "list" or bare_item(body[start:end])):
            yield begin, start - 1
            begin = start
    yield begin, block.end


def _table(body: str, block: Block) -> Iterator[tuple[int, int, str]]:
    rows = list(lines_of(body, block.start, block.end))
    headed = len(rows) > 1 and is_ruler(body[rows[1][0] : rows[1][1]])
    note = body[rows[0][0] : rows[1][1]] if headed else ""
    first = True
    for start, end, _ in _runs(body, _atoms(body, rows), ""):
        yield start, end, "" if first else note
        first = False


def _atoms(body: str, spans: list[Span]) -> Iterator[Span]:
    """Spans none of which is too long by itself: text without any break is cut between words."""
    for start, end in spans:
        while end - start > LONGEST * 12 or words(body[start:end]) > LONGEST:
            cut = _cut(body, start, end)
            yield start, cut
            start = cut
        if body[start:end].strip():
            yield start, end


def _cut(body: str, start: int, end: int) -> int:
    """Where to cut text that has no break: behind a word, or anywhere when there is no word's end either."""
    furthest = min(end, start + LONGEST * 6)
    last = start
    for count, match in enumerate(_WORD.finditer(body, start, furthest), 1):
        if count > LONGEST or (match.end() == furthest < end and last > start):
            break
        last = match.end()
    return last if last > start else furthest


def _runs(body: str, spans: Iterator[Span], note: str) -> Iterator[tuple[int, int, str]]:
    held: Span | None = None
    for start, end in spans:
        if held is not None and words(body[held[0] : end]) <= LONGEST:
            held = (held[0], end)
            continue
        if held is not None:
            yield (*held, note)
        held = (start, end)
    if held is not None:
        yield (*held, note)
