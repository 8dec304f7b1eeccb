"""The embedded log gathers appends into commits, and packs headers."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.bus.sqlite import appender, cleaner
from infra.bus.sqlite.headers import pack, unpack
from infra.database import Database
from schemas.envelope import Envelope
from schemas.ports import Position
from schemas.privacy.contact_keys import SEALED
from tests.contracts.bus.embedded_bus import open_log, read_everything
from tests.contracts.bus.recording_consumer import message

FULL = Envelope(
    id="i",
    type="parley.message.received.v1",
    source="/connectors/web",
    tenant="plantstore",
    data=b"{}",
    time=datetime(2026, 3, 1, 12, 30, 0, 250, tzinfo=UTC),
    channel="web",
    account="main",
    conversation="c",
    subject="contact:ü",
    correlation_id="i",
    causation_id="before",
    replay_of="first",
    traceparent="00-ab-cd-01",
    extra={"x-ours": "yes", "empty": ""},
)
SHORT = Envelope(id="i", type="t", source="s", tenant="p", data=None, time=datetime(2026, 3, 1, tzinfo=UTC))
ELSEWHERE = Envelope(
    id="i", type="t", source="s", tenant="p", data=None, time=datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=2)))
)
SEALED_EVENT = replace(FULL, extra={"content-type": SEALED, "ce_contact": "c-ü", "ce_keygeneration": "29000001"})
SEALED_WITH_MORE = replace(SEALED_EVENT, extra={**SEALED_EVENT.extra, "x-ours": "yes"})


# ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def record_submissions(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., Any]]:
    """What is submitted to the database from now on; the log's own cleaning, which begins with it, aside."""
    works: list[Callable[..., Any]] = []
    submit = database.submit

    def counting(work: Callable[..., Any], **how: bool) -> asyncio.Future[Any]:
        if getattr(work, "func", work).__module__ != cleaner.__name__:
            works.append(work)
        return submit(work, **how)

    monkeypatch.setattr(database, "submit", counting)
    return works


async def test_appends_of_successive_turns_share_a_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While every turn of the loop brings one more, nothing goes to the disk."""
    async with open_log(tmp_path / "parley.db") as (bus, database):
        works = record_submissions(database, monkeypatch)
        appends: list[asyncio.Task[list[Position]]] = []
        for number in range(10):
            appends.append(asyncio.create_task(bus.append([message("one", number)])))
            await asyncio.sleep(0)
        assert [position.offset for [position] in await asyncio.gather(*appends)] == list(range(10))
        assert len(works) == 1


async def test_a_stream_of_appends_keeps_none_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long more and more come, the first is written soon."""
    monkeypatch.setattr(appender, "ROWS_AT_ONCE", 1_000_000)
    async with open_log(tmp_path / "parley.db") as (bus, _):
        appends = [asyncio.create_task(bus.append([message("one", 0)]))]
        async with asyncio.timeout(30):
            while not appends[0].done():
                await asyncio.sleep(0)
                appends.append(asyncio.create_task(bus.append([message("one", len(appends))])))
        await asyncio.gather(*appends)


async def test_gathered_appends_are_written_before_the_log_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append that no transaction has been asked for yet is finished by the close."""
    monkeypatch.setattr(appender, "QUIET_TURNS", 1_000_000_000)
    monkeypatch.setattr(appender, "GATHER_S", 60.0)
    async with open_log(tmp_path / "parley.db") as (bus, _):
        append = asyncio.create_task(bus.append([message("one", 1)]))
        await asyncio.sleep(0)
    [position] = await asyncio.wait_for(append, 30)
    async with open_log(tmp_path / "parley.db") as (bus, _):
        [record] = await read_everything(bus)
        assert record.offset == position.offset


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "event",
    [FULL, SHORT, ELSEWHERE, SEALED_EVENT, SEALED_WITH_MORE],
    ids=["full", "short", "elsewhere", "sealed", "sealed with more"],
)
def test_headers_are_read_as_they_were_written(event: Envelope) -> None:
    """Every attribute, what others have added, and the time in UTC."""
    assert unpack(pack(event)) == event.headers()


def test_headers_of_a_sealed_record_are_kept_without_their_names() -> None:
    """Nearly every record has them, and every byte is written to the disk twice."""
    assert b"ce_contact" not in pack(SEALED_EVENT)


def test_headers_of_a_sealed_record_with_their_names_are_read() -> None:
    """Files held them so when sealing was new."""
    named = orjson.dumps([*orjson.loads(pack(SEALED_EVENT))[:-1], SEALED_EVENT.extra])
    assert unpack(named) == SEALED_EVENT.headers()


async def test_headers_of_an_older_file_are_read(tmp_path: Path) -> None:
    """Files once held the headers by name."""
    path = tmp_path / "parley.db"
    written = message("one", 1)
    async with open_log(path) as (bus, _):
        await bus.append([written])
    with sqlite3.connect(path) as file:
        [(id_, key, value)] = file.execute("SELECT id, key, value FROM bus_records").fetchall()
        headers = orjson.dumps(written.headers())
        crc = zlib.crc32(value, zlib.crc32(headers, zlib.crc32(key.encode())))
        file.execute("UPDATE bus_records SET headers = ?, crc = ? WHERE id = ?", (headers, crc, id_))
    file.close()
    async with open_log(path) as (bus, _):
        [record] = await read_everything(bus)
        assert record.headers == written.headers()
        assert Envelope.from_wire(record.headers, record.value) == written
