"""`parley schema`: the wire format as JSON Schema and AsyncAPI documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.common.printing import note, print_json

app = typer.Typer(help="Export the wire format as JSON Schema and AsyncAPI documents.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Export the wire format as JSON Schema and AsyncAPI documents."""


@app.command()
def export(
    out: Annotated[
        Path | None, typer.Option(help="Write asyncapi.json and schemas/*.json into this folder.", show_default=False)
    ] = None,
) -> None:
    """Print the AsyncAPI document. With --out, write it and a JSON Schema for each event type into a folder."""
    from connectors.registry import CHANNELS
    from gateway.commands.common import wire_schemas

    if out is None:
        print_json(wire_schemas.asyncapi(list(CHANNELS)))
        return
    files = wire_schemas.files(list(CHANNELS))
    for name, text in files.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    note(f"{len(files)} documents in {out}")
