"""The two files of a backup: what each says about itself, and how the keys file is written and read.

The data file holds the log, the state and the files of contacts. The keys file holds the keys of contacts, the erasures
and generated secrets; it is small, and replaces the one before it. Without the keys file nothing that contacts said on
the log can be read, so whoever is erased in the newest keys file is erased in every data file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from gateway.backup.log_records import GroupOffsets
from gateway.config.secret_keys import SECRET_NAMES, is_generated
from gateway.config.settings import Config
from gateway.contacts.erasure_records import Erasure
from infra.backup.archive import ArchiveWriter, create_archive, read_archive, read_model, verify_backup
from infra.backup.encryption import BackupHeader, BackupSecret
from infra.blobs import open_blobs
from schemas.errors import SetupError
from schemas.privacy.contact_keys import ContactKey

MANIFEST = "manifest.json"
DATABASE = "database"
FILES, BLOBS, LOG = "files/", "blobs/", "log/"
STATE_FILES = ("published-*.json", "read-*.json")
"""Files beside the database that say which documents were published and read."""
_KEYS = "keys/"
NAMED_KEYS = 100


class DataManifest(BaseModel):
    """The first entry of a data file. ``newest_keys`` names some contacts, so that a keys file of another installation
    is recognized. On Kafka, ``offsets`` are those of the groups, and ``topics`` the numbers of partitions."""

    newest_keys: list[str] = []
    offsets: GroupOffsets = {}
    topics: dict[str, int] = {}


class KeysManifest(BaseModel):
    """The first entry of a keys file. ``secrets``: those that this installation has generated, by name. ``erasures``:
    by tenant."""

    secrets: dict[str, str] = {}
    erasures: dict[str, list[Erasure]] = {}


class BackupReport(BaseModel):
    """``files``: attachments with their descriptions. ``data_bytes`` is 0 if only the keys were saved."""

    keys: int
    files: int = 0
    data_bytes: int = 0


class BackupPair(BaseModel):
    """The two files of a backup after their verification."""

    data: BackupHeader
    keys: BackupHeader


async def write_keys(
    target: Path,
    secret: BackupSecret,
    config: Config,
    *,
    created_at: datetime,
    erasures: dict[str, list[Erasure]],
    keys: AsyncIterator[Sequence[ContactKey]],
) -> tuple[int, list[str]]:
    """Write a keys file in place of the earlier one. Returns how many keys it has, and contacts with the newest ones.
    Raises SetupError."""
    count, newest = 0, list[ContactKey]()
    engine = name_engine(config)
    with create_archive(target, secret, kind="keys", created_at=created_at, engine=engine, replaces=True) as archive:
        secrets = {
            name: getattr(config, name).get_secret_value() for name in SECRET_NAMES if is_generated(config, name)
        }
        archive.add(MANIFEST, KeysManifest(secrets=secrets, erasures=erasures).model_dump_json().encode())
        async for page in keys:
            archive.add(f"{_KEYS}{count}", b"\n".join(key.model_dump_json().encode() for key in page))
            count += len(page)
            newest = select_newest([*newest, *page])
    return count, [name_contact(key) for key in newest]


async def add_blobs(config: Config, archive: ArchiveWriter) -> int:
    """Add everything in the file store, and return the number of objects."""
    count = 0
    async for path, content in open_blobs(config.blobs, config.data_path).read_objects():
        archive.add(BLOBS + path, content)
        count += 1
    return count


def find_conversation(path: str, content: bytes) -> tuple[str, str, str] | None:
    """Conversation, tenant and id of the attachment that an object of the file store describes; None if it is no
    description."""
    if not path.endswith(".json"):
        return None
    try:
        *_, tenant, name = path.removesuffix(".json").split("/")
        return str(json.loads(content)["conversation"]), tenant, name
    except (ValueError, KeyError, TypeError):
        return None


def read_data_manifest(path: Path, secret: BackupSecret) -> DataManifest:
    """Raises SetupError."""
    entries = read_archive(path, secret, "data")
    try:
        return read_model(entries, MANIFEST, DataManifest)
    finally:
        entries.close()


def read_keys_manifest(path: Path, secret: BackupSecret) -> KeysManifest:
    """Raises SetupError."""
    entries = read_archive(path, secret, "keys")
    try:
        return read_model(entries, MANIFEST, KeysManifest)
    finally:
        entries.close()


def read_keys(path: Path, secret: BackupSecret) -> Iterator[list[ContactKey]]:
    """The keys in a keys file, page by page. Raises SetupError."""
    for entry in read_archive(path, secret, "keys"):
        if entry.name.startswith(_KEYS):
            yield [ContactKey.model_validate_json(line) for line in entry.read().splitlines()]


def verify_pair(data: Path, keys: Path, secret: BackupSecret, config: Config) -> BackupPair:
    """Verify every byte of both files, and that they belong together. Raises SetupError."""
    pair = BackupPair(data=verify_backup(data, secret), keys=verify_backup(keys, secret))
    if pair.data.engine != name_engine(config):
        raise SetupError(
            f"{data} is from an installation on {pair.data.engine}, but this one is on {name_engine(config)}",
            fix="use a configuration with the same `bus` and `state`",
        )
    if pair.keys.created_at < pair.data.created_at:
        raise SetupError(
            f"{keys} is older than {data}: the keys of the newest contacts are not in it",
            fix="use the newest keys file, or a data file that is older than it",
        )
    known = set(read_data_manifest(data, secret).newest_keys)
    # Not all: retention removes the keys of contacts whom it has removed.
    if known and not any(name_contact(key) in known for page in read_keys(keys, secret) for key in page):
        raise SetupError(f"{keys} belongs to another installation than {data}", fix="use its own keys file")
    return pair


def name_engine(config: Config) -> str:
    """The engine in words: the log and the state."""
    return "SQLite" if config.embedded else config.servers


def select_newest(keys: Sequence[ContactKey]) -> list[ContactKey]:
    return sorted(keys, key=lambda key: key.created_at)[-NAMED_KEYS:]


def name_contact(key: ContactKey) -> str:
    return f"{key.tenant}/{key.contact_id}"
