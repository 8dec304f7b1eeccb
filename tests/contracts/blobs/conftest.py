"""``blobs``: an empty store of attachments, on disk, in memory, and in a bucket behind the S3 protocol; plain and
sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from infra.blobs import StoredBlobs, open_blobs
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas.ports import Bus, State
from schemas.privacy.key_service import ContactKeyService
from schemas.privacy.sealed_files import FileSealer
from schemas.topics import topic_specs
from tests.simulators.s3 import Bucket, serving


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class Keys:
    """The keys of contacts in a file of their own, and who began each conversation."""

    state: State
    log: Bus
    clock: Clock
    contacts: dict[str, str] = field(default_factory=lambda: {"c1": "ada"})

    def open_service(self) -> ContactKeyService:
        secrets = [b"1" * 32]
        return ContactKeyService(
            bus=self.log, keys=self.state.contact_keys, derive_secrets=lambda: secrets, clock=self.clock
        )

    def open_sealer(self, *, is_sealing: bool = True) -> FileSealer:
        """The sealer of another process."""
        return FileSealer(self.open_service(), self._find_contact, self.clock, is_sealing=is_sealing)

    async def _find_contact(self, conversation: str) -> str:
        return self.contacts.get(conversation, "")


@pytest.fixture
async def keys(tmp_path: Path, clock: Clock) -> AsyncIterator[Keys]:
    database = Database.open(tmp_path / "keys.db")
    log = SqliteBus(database, clock=clock)
    await log.start()
    await log.create_topics(topic_specs(["web"], partitions=2, small=2))
    state = open_sqlite_state(database)
    yield Keys(state, log, clock)
    await state.close()
    await log.close()
    await database.close()


@pytest.fixture(params=["file", "memory", "s3", "sealed file", "sealed s3"])
async def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StoredBlobs]:
    sealer = keys.open_sealer() if request.param.startswith("sealed") else None
    if request.param == "memory":
        yield StoredBlobs(MemoryStore(), clock)
    elif request.param.endswith("file"):
        yield open_blobs("file", tmp_path, clock, sealer=sealer)
    else:
        async with serving(Bucket()) as environment:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            yield open_blobs("s3://attachments/parley", tmp_path, clock, sealer=sealer)
