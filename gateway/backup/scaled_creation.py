"""Backup on servers: the topics of the log are saved. The state store needs none, because it is rebuilt from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.backup.contents import (
    LOG,
    MANIFEST,
    DataManifest,
    add_blobs,
    name_contact,
    name_engine,
    select_newest,
    write_keys,
)
from gateway.backup.log_records import group_records, pack_records, read_log, read_offsets
from gateway.config.settings import Config
from gateway.contacts.erasure_records import ErasureRecords
from gateway.wiring.engines import Engine, build_kafka_bus, channels_of
from infra.backup.archive import create_archive
from infra.backup.encryption import BackupSecret
from schemas import topics
from schemas.ports import Bus
from schemas.privacy.contact_keys import ContactKey
from schemas.runtime.crash_points import reach

_PAGE = 500


async def write_scaled_data(config: Config, data: Path, secret: BackupSecret) -> int:
    """Write the data file. Returns the number of attachments and descriptions."""
    created_at, channels, bus = datetime.now(UTC), channels_of(config), build_kafka_bus(config)
    await bus.start()
    try:
        manifest = DataManifest(
            newest_keys=[name_contact(key) for key in select_newest(await _read_keys(bus))],
            offsets=await read_offsets(bus, channels),
            topics=await bus.describe_topics(),
        )
        with create_archive(data, secret, kind="data", created_at=created_at, engine=name_engine(config)) as archive:
            archive.add(MANIFEST, manifest.model_dump_json().encode())
            async for topic, records in group_records(read_log(bus, channels)):
                archive.add(LOG + topic, pack_records(records))
            files = await add_blobs(config, archive)
            reach("backup.before_end")
    finally:
        await bus.close()
    return files


async def write_scaled_keys(config: Config, engine: Engine, keys: Path, secret: BackupSecret) -> int:
    """Write the keys file from the log, and return the number of keys, all of which are held in memory: about a
    kilobyte each."""
    created_at = datetime.now(UTC)
    records = ErasureRecords(engine.state.leases, config.secret_key, lambda: created_at)
    erasures = {tenant: await records.list_all(tenant) for tenant in config.tenants}
    known = await _read_keys(engine.bus)

    async def read_pages() -> AsyncIterator[Sequence[ContactKey]]:
        for start in range(0, len(known), _PAGE):
            yield known[start : start + _PAGE]

    count, _ = await write_keys(keys, secret, config, created_at=created_at, erasures=erasures, keys=read_pages())
    return count


async def _read_keys(bus: Bus) -> list[ContactKey]:
    """The newest key of each contact."""
    newest: dict[str, ContactKey] = {}
    async for record in await bus.read(topics.KEYS):
        if record.value is None:
            newest.pop(record.key, None)  # retention has removed the contact
            continue
        key, before = ContactKey.model_validate_json(record.value), newest.get(record.key)
        if before is None or key.rank > before.rank:
            newest[record.key] = key
    return list(newest.values())
