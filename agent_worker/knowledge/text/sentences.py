"""The smallest quotable pieces of a text: sentences, list items and table rows, all verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent_worker.knowledge.text.blocks import Block, bare_item, blocks_of, is_row, is_ruler, lines_of

# A full stop ends a sentence unless it follows an initial or an abbreviation, or is inside a number.
_END = re.compile(r"[.!?…](?:[\"'”’)\]*_]*)(?=\s+[\"'“‘(*_\[]*[A-ZÀ-ÞΑ-ΩА-Я0-9€£$])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|e\.g|i\.e|etc|approx|incl|max|min|no|nos|cf|vs|mr|mrs|ms|dr|st|var|ssp|subsp|sp|spp|fig|ca)\.$",
    re.IGNORECASE,
)
_LONGEST_ABBREVIATION = 12
"""Characters, including the one before it."""
_COLUMNS = re.compile(r"\S {2,}\S")


@dataclass(frozen=True, slots=True)
class QuoteUnit:
    """``quote`` is a verbatim part of the passage; ``text`` is how it reads alone; ``group`` counts blocks. ``lead``:
    the line that introduces its list."""

    quote: str
    text: str
    group: int
    kind: str
    lead: str = ""


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    stop = len(text) if end is None else end
    at = start
    for match in _END.finditer(text, start, stop):
        cut = match.end()
        if _ABBREVIATION.search(text[max(at, match.start() - _LONGEST_ABBREVIATION) : match.start() + 1]):
            continue
        yield at, cut
        at = cut
    if text[at:stop].strip():
        yield at, stop


def units_of(text: str) -> list[QuoteUnit]:
    """Everything quotable in a passage, in order."""
    out: list[QuoteUnit] = []
    lead = ""
    for group, block in enumerate(blocks_of(text)):
        block_units = list(_units(text, block, group, lead))
        out.extend(block_units)
        lead = block_units[-1].quote if block_units and block_units[-1].quote.rstrip().endswith(":") else ""
    return out


def _units(text: str, block: Block, group: int, lead: str) -> Iterator[QuoteUnit]:
    if block.kind == "heading":
        return
    if block.kind == "code":
        yield QuoteUnit(text[block.start : block.end], text[block.start : block.end], group, "code", lead)
    elif block.kind == "table":
        yield from _rows(text, block, group, lead)
    elif block.kind == "list" or _is_columns(text[block.start : block.end]):
        for start, end in _items(text, block):
            quote = text[start:end].strip()
            if quote:
                yield QuoteUnit(quote, " ".join(quote.split()), group, "item", lead)
    else:
        for start, end in sentence_spans(text, block.start, block.end):
            quote = text[start:end].strip()
            if quote:
                yield QuoteUnit(quote, " ".join(quote.split()), group, "sentence", lead)


def _is_columns(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) > 1 and sum(bool(_COLUMNS.search(line)) for line in lines) * 2 > len(lines)


def _items(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """Items with their continuation lines, without markers."""
    begin: int | None = None
    columns = block.kind != "list"
    last = block.start
    for start, end in lines_of(text, block.start, block.end):
        marker = bare_item(text[start:end])
        if marker or columns or begin is None:
            if begin is not None:
                yield begin, last
            begin = start + marker
        last = end
    if begin is not None:
        yield begin, last


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _rows(text: str, block: Block, group: int, lead: str) -> Iterator[QuoteUnit]:
    rows = [text[start:end].strip() for start, end in lines_of(text, block.start, block.end)]
    head = _cells(rows[0]) if len(rows) > 1 and is_ruler(rows[1]) else []
    for row in rows[2:] if head else rows:
        if row and is_row(row) and not is_ruler(row):
            yield QuoteUnit(row, _read_row(head, _cells(row)), group, "row", lead)


def _read_row(head: list[str], cells: list[str]) -> str:
    """A table row as text that names each cell's column."""
    if len(head) != len(cells) or len(cells) < 2:
        return " – ".join(cell for cell in cells if cell)
    if len(cells) == 2:
        return f"{cells[0]}: {cells[1]}"
    rest = "; ".join(
        f"{name}: {cell}" if name else cell for name, cell in zip(head[1:], cells[1:], strict=True) if cell
    )
    return f"{cells[0]} – {rest}"
