"""Connections to the database file, and the meaning of SQLite's failures."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from schemas.errors import SetupError, Unavailable

APPLICATION_ID = 0x50524C59
"""`PRLY`, in the header of the file: tells our files from others."""

WAL_BYTES = 32 << 20
"""What the write-ahead log grows to before it is copied into the file and starts over. Most pages change with every
message, and are copied once for all of them. It keeps this size, because a commit that makes it longer takes longer."""

PAGE_BYTES = 1024
"""Of a new file. A message changes more than a hundred pages by a few hundred bytes each, and the write-ahead log takes
every one of them whole. Smaller pages would split most rows."""

_BROKEN = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class DatabaseFailed(Unavailable):
    """The file could not be written or read now. It is unknown whether the work was done; it may be tried again."""


def is_broken(error: BaseException) -> bool:
    """True when the file or its disk is at fault, so that the transaction is lost; False when only the statement is."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and (code & 0xFF) in _BROKEN


def is_damage(error: BaseException) -> bool:
    """True when the bytes read are not the ones written: a malformed page, or text that is no text."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or str(error).startswith("Could not decode")


class Connection(sqlite3.Connection):
    """A connection that knows what its users need for the rows: ``row_sealer`` is theirs."""

    read_only = False
    row_sealer: object = None


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection without implicit transactions, usable from any one thread at a time."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512, factory=Connection
    )
    connection.read_only = read_only
    try:
        # The Checkpointer does the checkpoints: never in the middle of a commit.
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        connection.execute("PRAGMA cache_size=-16384")
        connection.execute("PRAGMA temp_store=MEMORY")
        # On macOS, where a plain fsync stops at the drive's cache, these two go through it; elsewhere they change
        # nothing.
        connection.execute("PRAGMA fullfsync=1")
        connection.execute("PRAGMA checkpoint_fullfsync=1")
        connection.execute("PRAGMA synchronous=FULL")
        # What is deleted is overwritten, so that nothing of somebody who was erased stays on free pages.
        connection.execute("PRAGMA secure_delete=1").fetchone()
        if read_only:
            connection.execute("PRAGMA query_only=1")
    except BaseException:
        connection.close()
        raise
    return connection


def create(path: Path) -> None:
    """Create the file, or check that it is ours and readable. Raises SetupError."""
    try:
        _prepare(path)
    except (sqlite3.Error, OSError) as error:
        raise unusable_file(path, error) from error


def database_file(data_dir: Path) -> Path:
    return data_dir / "parley.db"


def create_folder(path: Path) -> None:
    """Create the file's folder, for us alone, and make it survive a power cut. Raises SetupError."""
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, mode=0o700)
            sync_path(path.parent.parent)
    except OSError as error:
        raise unusable_file(path, error) from error


def unusable_file(path: Path, error: Exception) -> SetupError:
    return SetupError(
        f"cannot use {path} as the database: {error}",
        fix="check the folder's permissions and free space; restore a damaged file from a backup, or move it away",
    )


def _prepare(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = connect(path)
    try:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application_id != APPLICATION_ID and tables:
            raise sqlite3.DatabaseError("it belongs to another program")
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        if not tables:  # an older file only uses its free pages again
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise sqlite3.NotSupportedError("its file system has no shared memory, which the write-ahead log needs")
        if application_id != APPLICATION_ID:
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    finally:
        connection.close()


def sync_path(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
