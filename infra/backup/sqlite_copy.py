"""The copy of embedded mode's database that goes into a backup, without the keys of contacts."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from infra.bus.sqlite import tables
from infra.database import database_file
from infra.database.file import connect
from infra.database.lock import ProcessLock
from schemas import topics
from schemas.errors import SetupError
from schemas.privacy.contact_keys import ContactKey

_FOLDER = ".backup"
"""Inside the data folder, so that what is not encrypted never leaves its disk."""
_PAGE = 500


@contextmanager
def copy_without_keys(data_dir: Path) -> Iterator[Path]:
    """A copy as of one instant, which is deleted at the end. What a killed backup has left is deleted too. Raises
    DatabaseLocked while another backup is made, and SetupError."""
    source, folder = database_file(data_dir), data_dir / _FOLDER
    if not source.is_file():
        raise SetupError(f"there is no database in {data_dir}", fix="check `data_dir`; `parley config show` prints it")
    lock = ProcessLock(data_dir / f"{_FOLDER}.lock")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        copy = folder / source.name
        _copy_database(source, copy)
        with closing(connect(copy)) as connection:
            connection.execute("BEGIN")
            connection.execute("DELETE FROM state_contact_keys")
            tables.delete_records(connection, topics.KEYS)
            connection.execute("COMMIT")
        yield copy
    except (OSError, sqlite3.Error) as error:
        fix = "check the free space of the data folder: the copy needs as much as the database"
        raise SetupError(f"the database cannot be copied: {error}", fix=fix) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _copy_database(source: Path, copy: Path) -> None:
    """Copy the database of a running or stopped instance to a new file, as of one instant."""
    reader = connect(source)
    try:
        # One read transaction: writers go on beside it, and the copy holds none of their writes in part.
        reader.execute("VACUUM INTO ?", (str(copy),))
    finally:
        reader.close()
    copy.chmod(0o600)
    written = sqlite3.connect(copy)
    try:
        (verdict,) = written.execute("PRAGMA quick_check").fetchone()
    finally:
        written.close()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged: {verdict}")


def read_keys(data_dir: Path) -> Iterator[Sequence[ContactKey]]:
    """The keys of contacts in the database of a running or stopped instance, page by page. Raises SetupError."""
    query = (
        "SELECT tenant, contact, body FROM state_contact_keys WHERE (tenant, contact) > (?, ?)"
        " ORDER BY tenant, contact LIMIT ?"
    )
    after = ("", "")
    with _open(data_dir) as connection:
        if connection.execute("SELECT 1 FROM state_lost LIMIT 1").fetchone() is not None:
            raise SetupError("the state is being rebuilt", fix="make the backup once `parley doctor` is content")
        while rows := connection.execute(query, (*after, _PAGE)).fetchall():
            after = rows[-1][:2]
            yield [ContactKey.model_validate_json(body) for _, _, body in rows]


def read_note(data_dir: Path, name: str) -> str:
    """A note that is kept with a lease; empty if there is none. Raises SetupError."""
    with _open(data_dir) as connection:
        row = connection.execute("SELECT note FROM state_lease_notes WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


@contextmanager
def _open(data_dir: Path) -> Iterator[sqlite3.Connection]:
    source = database_file(data_dir)
    if not source.is_file():
        raise SetupError(f"there is no database in {data_dir}", fix="check `data_dir`; `parley config show` prints it")
    try:
        with closing(connect(source, read_only=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise SetupError(f"the database cannot be read: {error}", fix="run: parley doctor") from error
