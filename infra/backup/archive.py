"""Backup files as archives: named entries, one after the other, inside an encrypted stream."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TypeVar

from pydantic import BaseModel

from infra.backup.encryption import BackupHeader, BackupSecret, EncryptedWriter, Kind, open_backup
from infra.database.file import sync_path
from schemas.errors import SetupError

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an archive. ``stream`` can be read until the next entry is asked for."""

    name: str
    size: int
    stream: IO[bytes]

    def read(self) -> bytes:
        return self.stream.read()


class ArchiveWriter:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def add_file(self, name: str, path: Path) -> None:
        """Add a file that does not change meanwhile."""
        info = tarfile.TarInfo(name)
        with path.open("rb") as source:
            info.size = os.fstat(source.fileno()).st_size
            self._tar.addfile(info, source)


@contextmanager
def create_archive(
    target: Path, secret: BackupSecret, *, kind: Kind, created_at: datetime, engine: str, replaces: bool = False
) -> Iterator[ArchiveWriter]:
    """A new archive, which appears under its name only when it is complete and on disk. A file that is there is only
    replaced if it ``replaces``. Raises SetupError."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not replaces:
            raise SetupError(f"{target} already exists", fix="name a new file, one for each backup")
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink:
            encrypted = EncryptedWriter(sink, secret, kind=kind, created_at=created_at, engine=engine)
            with tarfile.open(fileobj=encrypted, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
                yield ArchiveWriter(tar)
            encrypted.finish()
            sink.flush()
            os.fsync(sink.fileno())
        draft.replace(target)
        sync_path(target.parent)
    except OSError as error:
        fix = "check the free space and the permissions there"
        raise SetupError(f"the backup was not made: {error}", fix=fix) from error
    finally:
        draft.unlink(missing_ok=True)


def read_archive(path: Path, secret: BackupSecret, kind: Kind) -> Generator[Entry, None, None]:
    """The entries of an archive, each verified as it is read; the end is verified with the last one. Raises
    SetupError."""
    with open_backup(path, secret) as reader:
        check_kind(path, reader.header, kind)
        try:
            with tarfile.open(fileobj=reader, mode="r|") as tar:  # type: ignore[call-overload]
                for info in tar:
                    stream = tar.extractfile(info)
                    if stream is None or not is_safe(info.name):
                        raise _refuse(path)
                    yield Entry(info.name, info.size, stream)
        except tarfile.TarError:
            raise _refuse(path) from None
        reader.read_to_end()


def read_model(entries: Iterator[Entry], name: str, model: type[M]) -> M:
    """The next entry, which has this name, as a model. Raises SetupError."""
    entry = next(entries, None)
    if entry is None or entry.name != name:
        raise SetupError(f"the backup has no {name}", fix="use a backup of this release")
    return model.model_validate_json(entry.read())


def verify_backup(path: Path, secret: BackupSecret) -> BackupHeader:
    """Decrypt every byte of a backup file. Raises SetupError if something is wrong with it."""
    with open_backup(path, secret) as reader:
        reader.read_to_end()
        return reader.header


def check_kind(path: Path, header: BackupHeader, kind: Kind) -> None:
    """Raises SetupError if the file is the other one of the two that make a backup."""
    if header.kind != kind:
        raise SetupError(f"{path} holds the {header.kind}, not the {kind}", fix="name the files the other way round")


def is_safe(name: str) -> bool:
    """Whether the name of an entry stays below the folder that it is extracted to."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def _refuse(path: Path) -> SetupError:
    return SetupError(f"{path} holds what no backup contains", fix="use another backup")
