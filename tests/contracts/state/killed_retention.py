"""A process that applies retention to a folder and is killed before its n-th write: ``python -m … FOLDER N``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from obstore.store import MemoryStore

from gateway.storage.retention_cleaner import RetentionCleaner
from infra.blobs import StoredBlobs
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from tests.contracts.state.retention_samples import GROUPS, PERIODS, TENANT
from tests.contracts.state.samples import NOW


class CrashingDatabase(Database):
    """Kills the process before a write."""

    writes_left = 0

    def submit(self, *arguments: Any, **options: Any) -> asyncio.Future[Any]:
        type(self).writes_left -= 1
        if self.writes_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().submit(*arguments, **options)


async def run(folder: Path, writes: int) -> None:
    database = CrashingDatabase.open(folder / "parley.db")
    bus = SqliteBus(database, clock=lambda: NOW)
    await bus.start()
    cleaner = RetentionCleaner(
        bus=bus,
        state=open_sqlite_state(database),
        blobs=StoredBlobs(MemoryStore(), lambda: NOW),
        periods={TENANT: PERIODS},
        groups=GROUPS,
        clock=lambda: NOW,
    )
    CrashingDatabase.writes_left = writes
    await cleaner.sweep()
    await bus.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
