"""Restoring a backup into an empty installation. Nothing is changed before both files have been verified whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gateway.backup.completion import RestoreReport, complete_restore
from gateway.backup.contents import (
    BLOBS,
    DATABASE,
    FILES,
    MANIFEST,
    STATE_FILES,
    KeysManifest,
    find_conversation,
    read_keys_manifest,
    verify_pair,
)
from gateway.backup.erasures import ErasureReplay, Files
from gateway.backup.scaled_restoration import restore_scaled
from gateway.config.secret_keys import SECRET_NAMES, is_generated
from gateway.config.settings import Config
from gateway.wiring.compose import open_services
from infra.backup.archive import Entry, read_archive
from infra.backup.encryption import BackupSecret
from infra.blobs import StoredBlobs, open_blobs
from infra.database import database_file
from infra.database.file import sync_path
from infra.database.lock import ProcessLock
from schemas.errors import Conflict
from schemas.key_ring import KeyRing
from schemas.runtime.crash_points import reach

STAGING = ".restore"
"""The folder inside the data folder in which a restore is prepared."""
_COPY_BYTES = 1 << 20
_REPLACED = ("parley.db*", "blobs", "knowledge/[0-9]*", "flight", *STATE_FILES)
"""What an earlier installation has left in the data folder, which may hold other files too."""


async def restore_backup(
    config: Config, data: Path, keys: Path, secret: BackupSecret, *, replaces: bool, resumes: bool
) -> RestoreReport:
    """Restore both files. ``replaces``: also over an installation that has data, which is deleted. ``resumes``: the
    installation has not run since the backup, so what was waiting there is answered and sent. May be repeated after a
    kill. Raises DatabaseLocked while an instance runs, Conflict, and SetupError."""
    if not config.embedded:
        pair = verify_pair(data, keys, secret, config)
        return await restore_scaled(config, data, keys, secret, pair, replaces=replaces, resumes=resumes)
    folder = config.data_path
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database, staging = database_file(folder), folder / STAGING
    lock = ProcessLock(database.with_name(database.name + ".lock"))
    try:
        if database.exists() and not replaces:
            raise Conflict(f"{folder} holds an installation", fix="use an empty data_dir, or delete it with --replace")
        pair = verify_pair(data, keys, secret, config)
        manifest = read_keys_manifest(keys, secret)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        _restore_secrets(config, manifest, staging)
        staged = config.model_copy(update={"data_dir": str(staging)})
        files, by_conversation = await _extract(data, secret, staging, open_blobs(config.blobs, staging))
        reach("restore.extracted")
        async with open_services(staged, searches=False) as (services, _):
            replay = ErasureReplay(services, pair.data.created_at, by_conversation)
            count = await replay.restore_keys(keys, secret)
            erased = await complete_restore(services, replay, manifest, resumes=resumes)
        _replace_files(folder, staging)
        return RestoreReport(saved_at=pair.data.created_at, keys=count, erased=erased, files=files)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        lock.release()


async def _extract(data: Path, secret: BackupSecret, folder: Path, blobs: StoredBlobs) -> tuple[int, Files]:
    """Write the entries of the data file below ``folder``. Returns the number of attachments and descriptions, and the
    attachments of each conversation."""
    files, by_conversation = 0, Files(list)
    for entry in read_archive(data, secret, "data"):
        if entry.name == DATABASE:
            _write(entry, database_file(folder))
        elif entry.name.startswith(FILES):
            _write(entry, folder / Path(entry.name).name)
        elif entry.name.startswith(BLOBS):
            path, content = entry.name.removeprefix(BLOBS), entry.read()
            await blobs.write_object(path, content)
            if (found := find_conversation(path, content)) is not None:
                by_conversation[found[0]].append(found[2])
            files += 1
        elif entry.name != MANIFEST:
            raise Conflict(f"the backup holds {entry.name!r}, which this release does not know", fix="upgrade first")
    return files, by_conversation


def _restore_secrets(config: Config, manifest: KeysManifest, folder: Path) -> None:
    """Use the secrets that the backed up installation had generated, unless the configuration has its own."""
    for name in SECRET_NAMES:
        secret = manifest.secrets.get(name, "")
        if secret and is_generated(config, name):
            getattr(config, name).renew(KeyRing(secret))
            (folder / name).write_text(secret + "\n", encoding="utf-8")
            (folder / name).chmod(0o600)


def _write(entry: Entry, target: Path) -> None:
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:
        shutil.copyfileobj(entry.stream, sink, _COPY_BYTES)
        sink.flush()
        os.fsync(sink.fileno())


def _replace_files(folder: Path, staging: Path) -> None:
    """Move the prepared files into place. The old database goes first and the new one comes last: whoever is killed in
    between leaves no database, and the restore can be repeated."""
    database = database_file(folder)
    kept = {database.name + ".lock", STAGING}
    database.unlink(missing_ok=True)
    for item in sorted(item for pattern in _REPLACED for item in folder.glob(pattern) if item.name not in kept):
        shutil.rmtree(item) if item.is_dir() else item.unlink(missing_ok=True)
    reach("restore.emptied")
    prepared = [item for item in staging.iterdir() if item.name not in kept]
    for item in sorted(prepared, key=lambda item: item.name == database.name):
        os.replace(item, folder / item.name)
    sync_path(folder)
