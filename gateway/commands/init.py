"""`parley init`: create a project with a configuration, documents and an action."""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.common.printing import note, program_name


class Template(StrEnum):
    """The kinds of business for which there is a template."""

    shop = "shop"
    clinic = "clinic"
    saas = "saas"


def add(app: typer.Typer) -> None:
    app.command()(init)


def init(
    folder: Annotated[
        Path | None, typer.Argument(help="The folder to create.", show_default="the template's name")
    ] = None,
    template: Annotated[
        Template | None, typer.Option("--template", "-t", help="The kind of business.", show_default="shop")
    ] = None,
) -> None:
    """Create a project: configuration, documents and an action."""
    from gateway.scaffold import new_project

    is_template_name = folder is not None and folder.name in list(Template)
    kind = template or (Template(folder.name) if folder is not None and is_template_name else Template.shop)
    target = folder if folder is not None else Path(kind.value)
    for path in new_project(kind.value, target):
        typer.echo(path)
    program, place = program_name(), shlex.quote(os.path.relpath(target))
    if target.resolve() == Path.cwd():
        start = f"  {program} dev"
    elif program == "parley":
        start = f"  cd {place}\n  parley dev"
    else:  # a path, which may be relative to this folder
        start = f"  {program} dev --config {place}/parley.yaml"
    note(f"\nNow start it:\n{start}")
