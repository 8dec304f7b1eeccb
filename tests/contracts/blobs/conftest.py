"""``blobs``: an empty store of attachments, on disk, in memory, and in a bucket behind the S3 protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from infra.blobs import StoredBlobs, open_blobs
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


@pytest.fixture(params=["file", "memory", "s3"])
async def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StoredBlobs]:
    if request.param == "memory":
        yield StoredBlobs(MemoryStore(), clock)
    elif request.param == "file":
        yield open_blobs("file", tmp_path, clock)
    else:
        async with serving(Bucket()) as environment:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            yield open_blobs("s3://attachments/parley", tmp_path, clock)
