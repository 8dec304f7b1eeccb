"""The command ``parley``. An error is reported as one line with a code and a fix, not as a stack trace."""

from __future__ import annotations

import errno
import json
import os
import sys
from importlib import metadata
from typing import Annotated

import typer

from gateway.commands import (
    backup,
    chat,
    configuration,
    contacts,
    dead_letters,
    doctor,
    init,
    migrate,
    new,
    operators,
    route,
    schema,
    serving,
    state,
    tokens,
)
from gateway.commands.knowledge import documents
from gateway.commands.learning import evals, finetune, insights, replay, turns
from schemas.errors import ParleyError
from schemas.runtime.optional_dependencies import DISTRIBUTION

app = typer.Typer(
    name="parley",
    help="An event-driven messaging gateway for AI support agents.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
init.add(app)
serving.add(app)
chat.add(app)
doctor.add(app)
migrate.add(app)
insights.add(app)
replay.add(app)
app.add_typer(configuration.app, name="config")
app.add_typer(documents.app, name="knowledge")
app.add_typer(route.app, name="route")
app.add_typer(dead_letters.app, name="deadletter")
app.add_typer(turns.app, name="turns")
app.add_typer(contacts.app, name="contact")
app.add_typer(evals.app, name="eval")
app.add_typer(finetune.app, name="finetune")
app.add_typer(backup.app, name="backup")
app.add_typer(state.state, name="state")
app.add_typer(state.topics, name="topics")
app.add_typer(schema.app, name="schema")
app.add_typer(operators.app, name="operator")
app.add_typer(tokens.app, name="token")
app.add_typer(new.app, name="new")


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"parley {metadata.version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """An event-driven messaging gateway for AI support agents."""


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 a check failed, 2 an error, 130 interrupted."""
    try:
        if not _wants_json():
            app()
        # Outside the standalone mode Typer raises its errors, so that they can be printed as JSON.
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:
        _print_error(
            "invalid_request", error.format_message(), "see `parley --help` for the commands and their options"
        )
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    except ParleyError as error:
        _print_error(error.code, error.message, error.fix)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("PARLEY_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _print_error("setup", f"the disk is full: {error}", "free some space on the disk of data_dir")
            sys.exit(2)
        _print_error(
            "internal", f"{type(error).__name__}: {error}", "run it again with PARLEY_DEBUG=1 and report the output"
        )
        sys.exit(2)


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]


def _print_error(code: str, message: str, fix: str) -> None:
    """Print an error: as JSON on stdout with ``--json``, else as text on stderr."""
    if _wants_json():
        typer.echo(json.dumps({"error": {"code": code, "message": message, "fix": fix}}, ensure_ascii=False))
        return
    typer.echo(f"error[{code}]: {message}", err=True)
    if fix:
        typer.echo(f"fix: {fix}", err=True)


if __name__ == "__main__":
    main()
