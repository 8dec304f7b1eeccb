"""Spreadsheets as tables: each visible sheet is a document, with the cells as people see them.

The Drive API exports only the first sheet as text/csv
(https://developers.google.com/workspace/drive/api/guides/ref-export-formats). Its xlsx and ods hold all sheets, but as
numbers with formats, without the sheets' ids, and at most 10 MB. The Sheets API gives ``formattedValue``, which is what
stands in the cell, and ``sheetId``, which stays when a sheet is renamed and which the address of a citation needs
(https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets/sheets)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas.ports import Content

FIELDS = (
    "sheets(properties(sheetId,title,hidden,sheetType),"
    "data(rowData(values(formattedValue,hyperlink)),rowMetadata(hiddenByUser),columnMetadata(hiddenByUser)))"
)
"""Hidden sheets, rows and columns are left out, as they are in print."""
_MAX_HEADING = 120
_LINKS = ("https://", "http://", "mailto:")
_UNSAFE_LINK = frozenset(" \t\n()<>|")

_CONTROLS = dict.fromkeys(code for code in (*range(32), 127) if not chr(code).isspace())

Row = list[str]


def sheet_contents(spreadsheet: Mapping[str, Any], name: str, link: str) -> list[Content]:
    """``link``: the spreadsheet's address. Sheets without cells are left out."""
    sheets = [sheet for sheet in _objects(spreadsheet.get("sheets")) if _is_visible(sheet)]
    contents = []
    for sheet in sheets:
        properties = _object(sheet.get("properties"))
        number = properties.get("sheetId", 0)
        title = _one_line(properties.get("title")) if len(sheets) > 1 else ""
        heading = f"{name} – {title}" if title else name
        tables = list(_tables(_visible_rows(sheet)))
        if tables and isinstance(number, int):
            url = f"{link.partition('#')[0]}#gid={number}"
            contents.append(Content(heading, "\n\n".join([f"# {heading}", *tables]), str(number), url))
    return contents


def _is_visible(sheet: Mapping[str, Any]) -> bool:
    properties = _object(sheet.get("properties"))
    return not properties.get("hidden") and properties.get("sheetType", "GRID") == "GRID"


def _visible_rows(sheet: Mapping[str, Any]) -> Iterator[Row]:
    for grid in _objects(sheet.get("data")):
        hidden_rows = _hidden_indexes(grid.get("rowMetadata"))
        hidden_columns = _hidden_indexes(grid.get("columnMetadata"))
        for index, row in enumerate(_list(grid.get("rowData"))):
            if index not in hidden_rows:
                cells = _list(_object(row).get("values"))
                yield [_cell(_object(cell)) for at, cell in enumerate(cells) if at not in hidden_columns]
        yield []


def _hidden_indexes(metadata: object) -> set[int]:
    return {index for index, each in enumerate(_list(metadata)) if _object(each).get("hiddenByUser")}


def _cell(cell: Mapping[str, Any]) -> str:
    text = _one_line(cell.get("formattedValue"))
    link = cell.get("hyperlink")
    is_link = isinstance(link, str) and link.startswith(_LINKS) and _UNSAFE_LINK.isdisjoint(link)
    if is_link and text and text != link:
        return f"[{text.replace('[', '(').replace(']', ')')}]({link})"
    return text


def _tables(rows: Iterator[Row]) -> Iterator[str]:
    """Empty rows separate tables."""
    block: list[Row] = []
    for row in rows:
        if any(row):
            block.append(row)
        elif block:
            yield _table(block)
            block = []
    if block:
        yield _table(block)


def _table(rows: Sequence[Row]) -> str:
    """Rows with one cell above a table are its headings. The first other row names the columns."""
    used = sorted({at for row in rows for at, cell in enumerate(row) if cell})
    lines = [[row[at] if at < len(row) else "" for at in used] for row in rows]
    parts, first = [], 0
    while first < len(lines) and len(used) > 1 and sum(map(bool, lines[first])) == 1:
        parts.append(_heading("".join(lines[first])))
        first += 1
    if len(used) == 1:
        return _heading(lines[0][0]) if len(lines) == 1 else "\n".join(f"- {line[0]}" for line in lines)
    if first < len(lines):
        ruler = "| " + " | ".join("---" for _ in used) + " |"
        head, *body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines[first:]]
        parts.append("\n".join([head, ruler, *body]))
    return "\n\n".join(parts)


def _heading(text: str) -> str:
    return f"## {text}" if len(text) <= _MAX_HEADING and "](" not in text else text


def _one_line(value: object) -> str:
    return " ".join(value.translate(_CONTROLS).split()) if isinstance(value, str) else ""


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]
