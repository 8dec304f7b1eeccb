"""`parley operator`: passwords and authenticator apps of the people who use the console."""

from __future__ import annotations

import sys

import typer

app = typer.Typer(help="Manage the people who use the console.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Manage the people who use the console."""


@app.command("hash")
def hash_command(
    stdin: bool = typer.Option(
        False, "--stdin", help="Read the password from standard input instead of asking for it."
    ),
) -> None:
    """Print the hash of a password for the configuration: `operators: {anna: {password_hash: …}}`."""
    from gateway.config.operators import MIN_PASSWORD_LENGTH, hash_password
    from schemas.errors import InvalidRequest

    password = sys.stdin.readline().rstrip("\r\n") if stdin else _prompt_password()
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidRequest(f"a password needs at least {MIN_PASSWORD_LENGTH} characters", fix="choose a longer one")
    typer.echo(hash_password(password))


@app.command("totp")
def totp_command(
    name: str = typer.Argument(help="The key of the operator, as in the configuration."),
) -> None:
    """Print a new secret of an authenticator app for the configuration: `operators: {anna: {totp_secret: …}}`."""
    from gateway.console.authenticator_codes import build_enrolment_uri, generate_secret

    secret = generate_secret()
    typer.echo(secret)
    typer.echo(build_enrolment_uri(secret, name), err=True)


def _prompt_password() -> str:
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return answer
