"""`parley backup`: save an installation in two encrypted files, verify them, and restore them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.common.options import AsJson, ConfigFile, confirm, load, run
from gateway.commands.common.printing import note, print_json
from schemas.errors import SetupError

if TYPE_CHECKING:
    from infra.backup.encryption import BackupSecret

app = typer.Typer(help="Back up an installation, encrypted, and restore it.", no_args_is_help=True)
PASSPHRASE = "PARLEY_BACKUP_PASSPHRASE"
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file", help=f"The file with the key that protects the backup [a passphrase: {PASSPHRASE}, or typed]."
    ),
]


@app.callback()
def group() -> None:
    """Back up an installation, encrypted, and restore it."""


@app.command()
def create(
    target: Annotated[Path, typer.Argument(help="The data file to create.", show_default=False)],
    keys: Annotated[
        Path | None,
        typer.Option(help="The keys file to write or replace; TARGET with `.keys` by default.", show_default=False),
    ] = None,
    key_file: KeyFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Back up the installation, even while it is in use. TARGET gets all data, and a small second file the keys of
    contacts. Keep the two apart."""
    from gateway.backup.creation import create_backup

    loaded = load(config)
    where = keys or _get_keys_file(target)
    report = run(create_backup(loaded, target.absolute(), where.absolute(), _read_secret(key_file, confirms=True)))
    if as_json:
        print_json(report.model_dump())
        return
    typer.echo(f"{target}: {report.data_bytes / 1024**2:.1f} MiB")
    typer.echo(f"{where}: the keys of {report.keys} contacts")


@app.command("keys")
def save_keys(
    target: Annotated[Path, typer.Argument(help="The keys file to write or replace.", show_default=False)],
    key_file: KeyFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Save the keys of contacts alone, in place of the earlier file. Run it often: whoever is erased in the newest keys
    file is erased in every backup."""
    from gateway.backup.creation import create_keys

    report = run(create_keys(load(config), target.absolute(), _read_secret(key_file, confirms=True)))
    if as_json:
        print_json(report.model_dump(include={"keys"}))
    else:
        typer.echo(f"{target}: the keys of {report.keys} contacts")


@app.command()
def verify(
    source: Annotated[Path, typer.Argument(help="A data file or a keys file.", show_default=False)],
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Decrypt every byte of a file of a backup, and check that nothing was changed or cut off."""
    from infra.backup.archive import verify_backup

    header = verify_backup(source, _read_secret(key_file))
    if as_json:
        print_json(header.model_dump(mode="json", include={"kind", "created_at", "engine"}))
    else:
        typer.echo(
            f"{source}: {header.kind} of {header.created_at:%Y-%m-%d %H:%M:%S} UTC on {header.engine}, unchanged"
        )


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="The data file.", show_default=False)],
    keys: Annotated[
        Path | None,
        typer.Option(help="The newest keys file; SOURCE with `.keys` by default.", show_default=False),
    ] = None,
    key_file: KeyFile = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete what the installation holds.")] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Answer and send what was waiting; only if Parley has not run since the backup was made."
        ),
    ] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation with --replace.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty installation that does not run. Who was erased since is not in it."""
    from gateway.backup.restoration import restore_backup

    loaded = load(config)
    if replace:
        confirm("Delete what this installation holds?", is_sure=is_sure)
    files = source.absolute(), (keys or _get_keys_file(source)).absolute()
    secret = _read_secret(key_file)
    report = run(restore_backup(loaded, *files, secret, replaces=replace, resumes=resume))
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    typer.echo(
        f"restored the state of {report.saved_at:%Y-%m-%d %H:%M:%S} UTC, with the keys of {report.keys} contacts"
    )
    typer.echo(f"contacts erased again: {report.erased}")
    if not resume:
        note("What was waiting in the backup is recorded, but neither answered nor sent again.")


def _get_keys_file(data: Path) -> Path:
    return data.with_name(data.name + ".keys")


def _read_secret(key_file: Path | None, *, confirms: bool = False) -> BackupSecret:
    """Raises SetupError."""
    from gateway.config.loader import environment
    from infra.backup.encryption import BackupSecret

    if key_file is not None:
        return BackupSecret.from_file(key_file)
    if passphrase := environment().get(PASSPHRASE):
        return BackupSecret.from_passphrase(passphrase)
    if not sys.stdin.isatty():
        fix = f"give --key-file, or set {PASSPHRASE}"
        raise SetupError("a backup needs a key file or a passphrase", fix=fix)
    passphrase = typer.prompt("Passphrase of the backup", hide_input=True, confirmation_prompt=confirms, err=True)
    return BackupSecret.from_passphrase(passphrase)
