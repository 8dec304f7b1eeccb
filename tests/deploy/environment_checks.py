"""Checks the environment and command line of a deployment against what Parley reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pydantic
import typer
from typer.core import TyperGroup

from gateway.cli import app
from gateway.config import loader as configuration
from gateway.config.settings import Config
from schemas.errors import ParleyError

READ = frozenset(
    {
        "PARLEY_CONFIG",
        "PARLEY_PORT",
        "PARLEY_BUS",
        "PARLEY_STATE",
        "PARLEY_MODEL",
        "PARLEY_MEMBER",
        "PARLEY_ENCODER",
    }
)


def unread(names: Iterable[str]) -> list[str]:
    """The names that would change nothing."""
    return [f"Parley does not read {name}" for name in names if name not in READ and not _is_setting(name)]


def _is_setting(name: str) -> bool:
    if not name.startswith("PARLEY__"):
        return False
    model: Any = Config
    for part in name.removeprefix("PARLEY__").lower().split("__"):
        if not (isinstance(model, type) and issubclass(model, pydantic.BaseModel)) or part not in model.model_fields:
            return False
        model = model.model_fields[part].annotation
    return True


@cache
def load_command() -> Any:
    """The whole of ``parley``, which takes a while to build."""
    return typer.main.get_command(app)


def command_problems(arguments: Sequence[str]) -> list[str]:
    """Whether ``parley <arguments>`` is a command that exists, with options that it has."""
    command = load_command()
    context = command.context_class(command, info_name="parley")
    rest = list(arguments)
    while isinstance(command, TyperGroup):
        found = command.get_command(context, rest[0]) if rest else None
        if found is None:
            return [f"there is no command parley {' '.join(arguments)}"]
        command, rest = found, rest[1:]
        context = command.context_class(command, parent=context)
    try:
        command.parse_args(context, rest)
    except Exception as error:  # typer brings a click of its own, whose errors have no public name
        return [f"parley {' '.join(arguments)}: {getattr(error, 'message', error)}"]
    return []


def load_as_deployed(file: Path, environ: Mapping[str, str]) -> Config | list[str]:
    """What the processes would run with; else what ``parley config check`` would say."""
    try:
        return configuration.load(file, environ=environ)
    except ParleyError as error:
        return [error.message]
