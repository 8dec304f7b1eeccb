"""Restoring a backup on servers: the topics are written, and the state store is rebuilt from them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from gateway.backup.completion import RestoreReport, complete_restore
from gateway.backup.contents import (
    BLOBS,
    LOG,
    MANIFEST,
    BackupPair,
    DataManifest,
    find_conversation,
    read_data_manifest,
    read_keys,
    read_keys_manifest,
)
from gateway.backup.erasures import ErasureReplay, find_erasure
from gateway.backup.log_records import OffsetTranslation, list_groups, unpack_records
from gateway.config.settings import Config
from gateway.wiring.compose import open_services
from gateway.wiring.engines import channels_of, kafka_access, periods_of, required_topics, state_location
from gateway.wiring.process_services import ProcessServices
from infra.backup.archive import read_archive
from infra.backup.encryption import BackupSecret
from infra.blobs import StoredBlobs, open_blobs
from infra.bus.kafka.restoration import MARKER, TopicRestoration
from infra.bus.partitioner import SHARDS
from infra.state.rebuild import rebuild
from infra.state.registry import load_engine
from schemas.errors import Conflict, SetupError
from schemas.ports import Record
from schemas.privacy import sealed_events
from schemas.runtime.crash_points import reach

_ALL = frozenset(range(SHARDS))


async def restore_scaled(
    config: Config, data: Path, keys: Path, secret: BackupSecret, pair: BackupPair, *, replaces: bool, resumes: bool
) -> RestoreReport:
    """Do as ``restore_backup`` with two files that were verified."""
    manifest = read_data_manifest(data, secret)
    _check_topics(config, manifest)
    servers = config.bus.removeprefix("kafka://")
    log = TopicRestoration(servers, prefix=config.topic_prefix, access=kafka_access(config))
    try:
        await _check_empty(config, log, replaces=replaces)
        await log.begin(required_topics(config))
        writer = _DataWriter(log, open_blobs(config.blobs, config.data_path), manifest)
        writer.note_erased(keys, secret)
        files = await writer.write(data, secret)
        reach("restore.extracted")
        async with open_services(config, searches=False) as (services, _):
            replay = ErasureReplay(services, pair.data.created_at)
            count = await replay.restore_keys(keys, secret, in_state=False)
            await _rebuild_state(services)
            erased = await complete_restore(services, replay, read_keys_manifest(keys, secret), resumes=resumes)
        await log.end()
    finally:
        await log.close()
    return RestoreReport(saved_at=pair.data.created_at, keys=count, erased=max(erased, len(writer.erased)), files=files)


async def _rebuild_state(services: ProcessServices) -> None:
    """Rebuild all of the state. No process runs that would have to notice."""
    await rebuild(
        services.bus,
        services.state.rebuild,
        _ALL,
        channels=channels_of(services.config),
        grace=0.0,
        now=services.clock(),
        periods=periods_of(services.config),
    )


def _check_topics(config: Config, manifest: DataManifest) -> None:
    wanted = {spec.name: spec.partitions for spec in required_topics(config)}
    for name, partitions in manifest.topics.items():
        if (configured := wanted.get(name, partitions)) != partitions:
            raise SetupError(
                f"topic {name} has {partitions} partitions in the backup, and {configured} in the configuration",
                fix=f"set `partitions: {partitions}`, and leave its channel out of `channel_partitions`",
            )


async def _check_empty(config: Config, log: TopicRestoration, *, replaces: bool) -> None:
    """Raise Conflict if a process runs, or if there is anything that the restore does not replace."""
    await log.check_idle(list_groups(channels_of(config)))
    used = await log.list_used(spec.name for spec in required_topics(config))
    if used == [MARKER]:
        return
    if used and not replaces:
        raise Conflict(f"{used[0]} holds records", fix="use another topic_prefix, or delete them with --replace")
    state = await load_engine(config.state).open_state(state_location(config))
    try:
        lost = await state.rebuild.check()
    finally:
        await state.close()
    if lost != _ALL:
        raise Conflict(
            "the state store is not empty",
            fix="delete this installation's keys there: a restore rebuilds the state from the log",
        )


class _DataWriter:
    """Writes the entries of a data file to topics and file store, without the files of those who were erased."""

    def __init__(self, log: TopicRestoration, blobs: StoredBlobs, manifest: DataManifest) -> None:
        self._log = log
        self._blobs = blobs
        self._offsets = OffsetTranslation(manifest.offsets)
        self._known = manifest.topics
        self._erased: dict[tuple[str, str], tuple[int, datetime]] = {}
        self._erased_at: defaultdict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=UTC))
        self._doomed: list[tuple[str, str]] = []
        self.erased = set[tuple[str, str]]()
        """Contacts in the data who were erased since."""

    def note_erased(self, keys: Path, secret: BackupSecret) -> None:
        """Note up to which generation of their key, and until when, contacts are erased."""
        for page in read_keys(keys, secret):
            for key in page:
                if (erasure := find_erasure(key)) is not None:
                    self._erased[key.tenant, key.contact_id] = erasure

    async def write(self, data: Path, secret: BackupSecret) -> int:
        """Returns the number of attachments and descriptions."""
        files = 0
        for entry in read_archive(data, secret, "data"):
            if entry.name.startswith(LOG):
                records = list(unpack_records(entry.name.removeprefix(LOG), entry.read()))
                for record in records:
                    self._observe(record)
                await self._log.write(records)
            elif entry.name.startswith(BLOBS):
                path, content = entry.name.removeprefix(BLOBS), entry.read()
                self._find_doomed(path, content)
                await self._blobs.write_object(path, content)
                files += 1
            elif entry.name != MANIFEST:
                raise Conflict(
                    f"the backup holds {entry.name!r}, which this release does not know", fix="upgrade first"
                )
        for tenant, attachment in self._doomed:
            await self._blobs.delete(tenant, attachment)
        for topic, groups in self._offsets.restored.items():
            for group, offsets in groups.items():
                await self._log.commit(group, topic, offsets)
        return files

    def _observe(self, record: Record) -> None:
        """Note where a group was, and which conversations are of the erased: the state will not know them."""
        self._offsets.observe(record)
        if (seal := sealed_events.read_seal(record)) is not None:
            tenant, contact, generation = seal
            before, at = self._erased.get((tenant, contact), (0, None))
            if at is not None and generation < before:
                self.erased.add((tenant, contact))
                self._erased_at[record.key] = max(self._erased_at[record.key], at)

    def _find_doomed(self, path: str, content: bytes) -> None:
        """Note an attachment of the erased by its description."""
        if (found := find_conversation(path, content)) is None:
            return
        conversation, tenant, name = found
        uploaded_at = self._blobs.find_upload_time(name)
        if conversation in self._erased_at and (uploaded_at is None or uploaded_at <= self._erased_at[conversation]):
            self._doomed.append((tenant, name))
