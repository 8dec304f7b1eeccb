"""Copy embedded mode's data folder while it is in use: everything that a restored installation needs, and nothing
else."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from infra.database.file import connect
from schemas.errors import SetupError

FILE = "parley.db"
LEFT_OUT = frozenset({FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}.lock", "knowledge"})
"""The index is rebuilt from the documents, which are in the file."""


def back_up(data_dir: Path, target: Path) -> int:
    """Copy to ``target``, a folder that must not exist yet; returns the bytes of the database. It appears under its
    name only when it is complete and on disk. Log and state in it are of one instant.

    Writers go on meanwhile. Raises SetupError."""
    return write_copy(data_dir, target, copy_database)


def write_copy(data_dir: Path, target: Path, copy: Callable[[Path, Path], None]) -> int:
    """Do as ``back_up``; ``copy`` creates the second file from the first, the database."""
    source = data_dir / FILE
    if not source.is_file():
        raise SetupError(f"there is no database in {data_dir}", fix="check `data_dir`; `parley config show` prints it")
    if target.exists():
        raise SetupError(f"{target} already exists", fix="name a new folder, one for each backup")
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.mkdir(parents=True, mode=0o700)
        copy(source, partial / FILE)
        # After the database: files are on disk before the database refers to them, and never change.
        _copy_others(data_dir, partial)
        _sync(partial)
        partial.rename(target)
        _sync_one(target.parent)
    except (OSError, sqlite3.Error) as error:
        fix = "check the free space and the permissions there"
        raise SetupError(f"the backup was not made: {error}", fix=fix) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # renamed already when all went well
    return (target / FILE).stat().st_size


def copy_database(source: Path, copy: Path) -> None:
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


def _copy_others(data_dir: Path, partial: Path) -> None:
    for item in sorted(data_dir.iterdir()):
        if item.name in LEFT_OUT or item.name.startswith("."):
            continue
        if item.is_dir():
            ignored = shutil.ignore_patterns(".*")
            shutil.copytree(item, partial / item.name, ignore=ignored, copy_function=_copy_file)
        else:
            shutil.copy2(item, partial / item.name)


def _copy_file(source: str, target: str) -> str:
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        if Path(source).exists():
            raise
        # An upload that no message references was deleted meanwhile.
    return target


def _sync(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
