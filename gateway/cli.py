"""The command ``parley``. Errors are one line with a code and a fix, never a stack trace."""

from __future__ import annotations

import os
import sys

import typer

from gateway.commands import (
    chat,
    configuration,
    deadletters,
    doctor,
    knowledge,
    new,
    operators,
    route,
    schema,
    serving,
    state,
    turns,
)
from schemas.errors import ParleyError

app = typer.Typer(
    name="parley",
    help="An event-driven messaging gateway for AI support agents.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
serving.add(app)
chat.add(app)
doctor.add(app)
app.add_typer(configuration.app, name="config")
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(route.app, name="route")
app.add_typer(deadletters.app, name="deadletter")
app.add_typer(turns.app, name="turns")
app.add_typer(state.state, name="state")
app.add_typer(state.topics, name="topics")
app.add_typer(schema.app, name="schema")
app.add_typer(operators.app, name="operator")
app.add_typer(new.app, name="new")


def main() -> None:
    """Exit codes: 0 done, 1 a check failed, 2 it could not be done, 130 interrupted."""
    try:
        app()
    except ParleyError as error:
        _tell(error.code, error.message, error.fix)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("PARLEY_DEBUG"):
            raise
        _tell(
            "internal", f"{type(error).__name__}: {error}", "run it again with PARLEY_DEBUG=1 and report what it says"
        )
        sys.exit(2)


def _tell(code: str, message: str, fix: str) -> None:
    typer.echo(f"error[{code}]: {message}", err=True)
    if fix:
        typer.echo(f"fix: {fix}", err=True)


if __name__ == "__main__":
    main()
