"""Output of commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import typer

if TYPE_CHECKING:
    from infra.deploy.doctor_finding import Finding

PROGRESS_INTERVAL_S = 3.0
"""Seconds between two lines of progress if the output is not a terminal."""
_STATUS_MARKS = {
    "ok": ("ok", typer.colors.GREEN),
    "warn": ("warn", typer.colors.YELLOW),
    "fail": ("fail", typer.colors.RED),
}


class Progress(Protocol):
    def __call__(self, item: str) -> None:
        """Count one more item as done. ``item`` is the next one."""


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def shorten(text: str, most: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, each column as wide as its widest cell."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [list(head), *cells]) for at in range(len(head))]
    for row in [[name.upper() for name in head], *cells]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_findings(findings: Iterable[Finding]) -> None:
    """Print a line for each finding, with its status, and another with its fix."""
    for finding in findings:
        text, color = _STATUS_MARKS[finding.status]
        typer.echo(f"{typer.style(text.ljust(4), fg=color)}  {finding.check.ljust(24)}  {finding.detail}")
        if finding.fix:
            typer.echo(f"      {' ' * 24}  fix: {finding.fix}")


def note(text: str) -> None:
    """Print a message for the person at the terminal, not for a program behind a pipe."""
    typer.echo(text, err=True)


def program_name() -> str:
    """The command as it can be typed here: ``parley`` if the shell finds it, else a path."""
    if shutil.which("parley"):
        return "parley"
    relative = os.path.relpath(sys.argv[0])
    return sys.argv[0] if relative.startswith("..") else relative


def tell(text: str) -> None:
    """Print a message of a command that logs to stderr. A log that is no terminal holds nothing but its JSON lines."""
    typer.echo(text, err=sys.stderr.isatty())


@contextmanager
def progress(title: str, total: int | None, print_line: Callable[[str], None] = note) -> Iterator[Progress]:
    """Show progress: a bar on a terminal, elsewhere a line every few seconds.

    ``total`` is None if the number of items is not known."""
    if total == 0:
        yield lambda item: None
        return
    if not sys.stderr.isatty():
        yield _line_progress(title, total, print_line)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[item]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, item="")
        yield lambda item: bar.update(task, advance=1, item=item)


def _line_progress(title: str, total: int | None, print_line: Callable[[str], None]) -> Progress:
    done, printed_at = 0, time.monotonic()

    def step(item: str) -> None:
        nonlocal done, printed_at
        done += 1
        if time.monotonic() - printed_at >= PROGRESS_INTERVAL_S:
            printed_at = time.monotonic()
            print_line(f"{title}: {done}" + (f" of {total}" if total else ""))

    return step
