"""The smallest quotable pieces of a text: sentences, list items and table rows, all verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
class Cell:
    """A cell of a table. ``column``: the column's name, empty if it has none."""

    column: str
    text: str


@dataclass(frozen=True, slots=True)
class QuoteUnit:
    """``quote`` is a verbatim part of the passage; ``text`` is how it reads alone; ``group`` counts blocks. ``lead``:
    the line that introduces its list. ``cells``: those of a table's row, which its label is the first of."""

    quote: str
    text: str
    group: int
    kind: str
    lead: str = ""
    cells: tuple[Cell, ...] = ()


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
            texts = _cells(row)
            if len(head) != len(texts) or len(head) < 2:
                yield QuoteUnit(row, " – ".join(filter(None, texts)), group, "row", lead)
                continue
            cells = tuple(map(Cell, head, texts))
            is_plain = len(cells) == 2 and len(head[1].split()) < 2
            text = f"{texts[0]}: {texts[1]}" if is_plain else read_row(cells)
            yield QuoteUnit(row, text, group, "row", lead, cells)


def read_row(cells: Sequence[Cell]) -> str:
    """A table row as text that names each cell's column. Dashes are left out beside other cells."""
    label, *others = cells
    filled = [cell for cell in others if cell.text.strip("-–— ")] or [cell for cell in others if cell.text]
    rest = "; ".join(f"{cell.column}: {cell.text}" if cell.column else cell.text for cell in filled)
    return f"{label.text} – {rest}"
