"""Making a backup: the data file and the keys file, of a running or stopped installation."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from pydantic import TypeAdapter

from gateway.access.audit_routes import CREATE_BACKUP
from gateway.backup.contents import (
    DATABASE,
    FILES,
    MANIFEST,
    STATE_FILES,
    BackupReport,
    DataManifest,
    add_blobs,
    name_engine,
    write_keys,
)
from gateway.backup.scaled_creation import write_scaled_data, write_scaled_keys
from gateway.commands.common.instance import AdminApi, find_admin_api
from gateway.config.settings import Config
from gateway.contacts.erasure_records import Erasure, name_note
from gateway.wiring.engines import open_engine
from infra.backup import sqlite_copy
from infra.backup.archive import create_archive
from infra.backup.encryption import BackupSecret
from schemas.audit.trail import AuditTrail
from schemas.privacy.contact_keys import ContactKey
from schemas.runtime.crash_points import reach

ACTOR = "command"
_ERASURES = TypeAdapter(list[Erasure])


async def create_backup(config: Config, data: Path, keys: Path, secret: BackupSecret) -> BackupReport:
    """Write both files of a backup. What they hold is a state that existed; the keys are those of a moment later, so
    none is missing. Raises SetupError, and what the audit trail raises."""
    await _record(config)
    if not config.embedded:
        files = await write_scaled_data(config, data, secret)
        report = await create_keys(config, keys, secret, records=False)
        return report.model_copy(update={"files": files, "data_bytes": os.stat(data).st_size})
    created_at = _now()
    with sqlite_copy.copy_without_keys(config.data_path) as copy:
        count, newest = await _write_embedded_keys(config, keys, secret)
        with create_archive(data, secret, kind="data", created_at=created_at, engine=name_engine(config)) as archive:
            archive.add(MANIFEST, DataManifest(newest_keys=newest).model_dump_json().encode())
            archive.add_file(DATABASE, copy)
            for file in sorted(file for pattern in STATE_FILES for file in config.data_path.glob(pattern)):
                archive.add(FILES + file.name, file.read_bytes())
            # After the log: files are stored before the log refers to them, and never change.
            files = await add_blobs(config, archive)
            reach("backup.before_end")
    return BackupReport(keys=count, files=files, data_bytes=os.stat(data).st_size)


async def create_keys(config: Config, keys: Path, secret: BackupSecret, *, records: bool = True) -> BackupReport:
    """Write the keys file alone, in place of the earlier one. ``records``: in the audit trail. Raises what
    ``create_backup`` does."""
    if records:
        await _record(config)
    if not config.embedded:
        async with open_engine(config, config.data_path) as engine:
            return BackupReport(keys=await write_scaled_keys(config, engine, keys, secret))
    count, _ = await _write_embedded_keys(config, keys, secret)
    return BackupReport(keys=count)


async def _write_embedded_keys(config: Config, keys: Path, secret: BackupSecret) -> tuple[int, list[str]]:
    folder, created_at = config.data_path, _now()
    notes = {tenant: sqlite_copy.read_note(folder, name_note(tenant)) for tenant in config.tenants}

    async def read_pages() -> AsyncIterator[Sequence[ContactKey]]:
        for page in sqlite_copy.read_keys(folder):
            yield page

    erasures = {tenant: _ERASURES.validate_json(note) for tenant, note in notes.items() if note}
    return await write_keys(keys, secret, config, created_at=created_at, erasures=erasures, keys=read_pages())


async def _record(config: Config) -> None:
    """Record in the audit trail of each tenant that a backup is about to be made. A running instance holds the file of
    embedded mode, so it writes the records itself."""
    if config.embedded:
        async with aiohttp.ClientSession() as http:
            if address := await find_admin_api(http, config, None):
                for tenant in config.tenants:
                    token = config.admin_token.get_secret_value()
                    await AdminApi(http, address, token, tenant).call("POST", "/backups")
                return
    async with open_engine(config, config.data_path) as engine:
        trail = AuditTrail(bus=engine.bus, state=engine.state, clock=_now)
        for tenant in config.tenants:
            await trail.record(tenant, CREATE_BACKUP, actor=ACTOR, surface=ACTOR, subject=f"tenant:{tenant}")


def _now() -> datetime:
    return datetime.now(UTC)
