"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import typer

_MARKS = {"ok": ("ok", typer.colors.GREEN), "warn": ("warn", typer.colors.YELLOW), "fail": ("fail", typer.colors.RED)}


class Progress(Protocol):
    def __call__(self, what: str) -> None:
        """One more item is done, and ``what`` comes next."""


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; the last one as long as it is."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [list(head), *cells]) for at in range(len(head))]
    for row in [[name.upper() for name in head], *cells]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def mark(status: str) -> str:
    """``ok``, ``warn`` or ``fail``, in its colour on a terminal."""
    text, color = _MARKS[status]
    return typer.style(text.ljust(4), fg=color)


def note(text: str) -> None:
    """For the person at the terminal, not for the program behind a pipe."""
    typer.echo(text, err=True)


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere. ``total`` None: nobody knows yet."""
    if not sys.stderr.isatty() or total == 0:
        yield lambda what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[what]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, what="")
        yield lambda what: bar.update(task, advance=1, what=what)
