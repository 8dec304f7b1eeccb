"""The embedded database on a disk that does not answer."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.database import Database, DatabaseFailed, committer
from tests.harness.extra_tables import declare
from tests.harness.silent_disk import silent_disk


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    monkeypatch.setattr(committer, "PATIENCE_S", 0.2)
    with silent_disk(monkeypatch) as answers:
        yield answers


def add(file: sqlite3.Connection, text: str) -> None:
    file.execute("INSERT INTO notes (text) VALUES (?)", (text,))


async def test_nobody_is_left_waiting_for_a_silent_disk(
    tmp_path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits is told after the patience is over, who comes later at once; what was under way is written all the
    same, what had not begun is not; and when the disk answers, writes work."""
    database = Database.open(tmp_path / "parley.db")
    declare(database, "notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    await database.write(lambda file: add(file, "before"))
    held.clear()
    under_way = asyncio.create_task(database.write(lambda file: add(file, "under way")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    behind = asyncio.create_task(database.write(lambda file: add(file, "behind")))
    patient = asyncio.create_task(database.write(lambda file: add(file, "patient"), patient=True))
    async with asyncio.timeout(30):
        for impatient in (under_way, behind):
            with pytest.raises(DatabaseFailed, match="not answered"):
                await impatient
    monkeypatch.setattr(committer, "PATIENCE_S", 1_000)
    with pytest.raises(DatabaseFailed, match="not answered"):
        await asyncio.wait_for(database.write(lambda file: add(file, "later")), 30)
    assert not patient.done()
    held.set()
    async with asyncio.timeout(30):
        await patient
        await database.write(lambda file: add(file, "after"))
    texts = await database.read(lambda file: [text for (text,) in file.execute("SELECT text FROM notes ORDER BY id")])
    assert texts == ["before", "under way", "patient", "after"]
    await database.close()
