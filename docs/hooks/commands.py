"""The command reference: every command of `parley`, from its argument parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup

from docs.hooks.tables import prose, table
from gateway.cli import app

INTRODUCTION = """# Commands

Every command of `parley`, generated from its argument parser; `parley COMMAND --help` prints the same.

Commands end with 0 when they have done their work, with 1 when a check failed, with 2 after an error, and with 130 when
they were interrupted. An error is one line with a [code](../../schemas/errors.py) and a fix; with `--json` it is an
object on the standard output.
"""


def build() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_render(command, context) for command, context in find_commands())


def find_commands() -> Iterator[tuple[Any, Any]]:
    """Every command that is not a group, with its context."""
    root = typer.main.get_command(app)
    yield from _walk(root, root.context_class(root, info_name="parley"))


def _walk(command: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(command, TyperGroup):
        yield command, context
        return
    for name in command.list_commands(context):
        inner: Any = command.get_command(context, name)
        yield from _walk(inner, inner.context_class(inner, info_name=name, parent=context))


def _render(command: Any, context: Any) -> str:
    usage = command.get_usage(context).removeprefix("Usage: ")
    rows = [_row(parameter, context) for parameter in command.params if not parameter.hidden]
    options = table(("argument or option", "meaning"), rows) if rows else ""
    title = f"\n## `{context.command_path}`\n\n{prose(command.help)}"
    return f"{title}\n\n```text\n{' '.join(usage.split())}\n```\n\n{options}"


def _row(parameter: Any, context: Any) -> tuple[str, str]:
    names, meaning = parameter.get_help_record(context) or (parameter.name, "")
    if isinstance(parameter, TyperArgument):
        names = names.strip("[]") if parameter.required else names
    return f"`{names}`", prose(meaning)
