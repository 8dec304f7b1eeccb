"""Data of an older release that was killed is migrated, and the messages it had accepted are answered.

`tests/golden/stores/1` was written by the last release without schema versions
(`tests/deploy/record_release.py` tells how).
"""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from infra.database.migration import newest
from infra.deploy.local_redis import LocalRedis
from infra.state.redis.engine import open_redis_state
from infra.state.redis.rebuild import migration
from infra.state.redis.rebuild.schema import MIGRATIONS, VERSION, Migration
from schemas.errors import SchemaMismatch, StateUnavailable
from schemas.ports import State
from tests.contracts.state.port_calls import calls_of_all_ports
from tests.deploy.record_release import GROUP, OBEY, configure_actions, yes_to
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer
from tests.simulators.payments import PaymentService, open_payments

FIRST = Path(__file__).resolve().parents[1] / "golden/stores/1"
pytestmark = pytest.mark.timeout(240)


def unpacked(folder: Path) -> dict[str, Any]:
    """The data folder, and what its writer told of it."""
    with tarfile.open(FIRST / "data.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    told: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return told


def seconds_since_written(file: Path) -> float:
    with closing(sqlite3.connect(file)) as database:
        (last,) = database.execute("SELECT max(time_ms) FROM bus_records").fetchone()
    return float(time.time() - last / 1000)


def version(file: Path) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture
async def payments() -> AsyncIterator[PaymentService]:
    async with open_payments() as payments:
        yield payments


@pytest.fixture
def old(fork_server: ForkServer, tmp_path: Path, payments: PaymentService) -> tuple[Installation, dict[str, Any]]:
    made = Installation.make(fork_server, tmp_path)
    configure_actions(made, payments.url, patience=0.05)
    told = unpacked(tmp_path / "data")
    return made, told


async def test_a_file_of_the_first_release_is_migrated_and_what_was_accepted_is_answered(
    old: tuple[Installation, dict[str, Any]], payments: PaymentService
) -> None:
    parley, told = old
    file = parley.folder / "data/parley.db"
    # The messages are from the day on which the file was written; a week later nobody answers them any more.
    then = {"TEST_AHEAD": str(-seconds_since_written(file) + 1)}
    assert version(file) == 0
    status, output = await parley.command("migrate", "--check")
    assert (status, version(file)) == (1, 0), output
    await parley.start(env=OBEY | then)
    assert version(file) == newest()
    async with aiohttp.ClientSession() as http:
        people = {
            name: Contact(
                parley.base,
                http,
                name,
                tenant="bookshop" if name in told["waiting"] else "plantstore",
                token=told["tokens"][name],
                conversation=conversation,
            )
            for name, conversation in told["conversations"].items()
        }
        for name, message in told["waiting"].items():
            assert await people[name].answered(message), f"{name} waited since before"
        assert [line["text"] for line in await people["ann"].transcript()][::2] == list(QUESTIONS)
        # The till of that time is gone, so it knows of no refund: eve is told that nothing was done.
        await until_told(people["eve"], "nothing was changed")
        asked = (await people["bob"].transcript())[-1]
        agreed = await people["bob"].say("Yes, go ahead", client_msg_id="after", choice=yes_to(asked))
        await people["bob"].answered(agreed.message_id)
        assert payments.effects() == {"A-1 5.00": 1}
    (approval,) = (await parley.admin("GET", f"conversations/{told['conversations']['cara']}/approvals"))["items"]
    assert approval["arguments"]["order"] == "A-2"
    dan = await parley.admin("GET", f"conversations/{told['conversations']['dan']}")
    assert dan["owner"] == "queue"
    (letter,) = (await parley.admin("GET", "deadletters"))["items"]
    assert letter["id"] == "letter-1"
    await parley.stop()
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM state_parked WHERE consumer_group = ?", (GROUP,)).fetchone() == (
            0,
        )
    assert await parley.command("migrate", "--check") == (0, f"schema version {newest()}: nothing to do\n")


async def until_told(contact: Contact, words: str) -> None:
    after = 0
    async with asyncio.timeout(90):
        while True:
            for line in await contact.transcript(after, wait=5):
                after = line["seq"]
                if words in line["text"]:
                    return


async def test_an_older_program_refuses_a_newer_file(old: tuple[Installation, dict[str, Any]]) -> None:
    """With exit code 2, a code and what to do; and it serves nothing."""
    parley, _ = old
    with closing(sqlite3.connect(parley.folder / "data/parley.db", isolation_level=None)) as database:
        database.execute(f"PRAGMA user_version={newest() + 1}")
    for command in (["dev"], ["migrate"], ["migrate", "--check"]):
        status, output = await parley.command(*command)
        assert status == 2, output
        assert "error[schema_mismatch]" in output
        assert "newer release" in output


# ── Redis ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def server(stoppable_redis: LocalRedis) -> AsyncIterator[Any]:
    """A Redis that holds what the first release wrote."""
    async with Redis.from_url(stoppable_redis.url, protocol=2) as client:
        for key, kind, value, expires in json.loads((FIRST / "redis.json").read_text()):
            await _write(client, key, kind, value)
            if expires:
                await client.expire(key, expires)
        yield client


async def _write(client: Any, key: str, kind: str, value: Any) -> None:
    plain = base64.b64decode
    if kind == "hash":
        await client.hset(key, mapping={plain(name): plain(each) for name, each in value})
    elif kind == "zset":
        await client.zadd(key, {plain(name): score for name, score in value})
    elif kind == "set":
        await client.sadd(key, *map(plain, value))
    elif kind == "string":
        await client.set(key, plain(value))
    else:
        await client.rpush(key, *map(plain, value))


@pytest.fixture
async def state(server: Any, stoppable_redis: LocalRedis) -> AsyncIterator[State]:
    state = await open_redis_state(stoppable_redis.url)
    yield state
    await state.close()


@pytest.mark.scaled
async def test_a_redis_of_the_first_release_is_migrated_and_worked_on(
    state: State, stoppable_redis: LocalRedis
) -> None:
    url = stoppable_redis.url
    found = await migration.state_of(url, "parley")
    assert (found.found, found.known, len(found.pending)) == (0, VERSION, len(MIGRATIONS))
    await migration.require_current(url, "parley")  # the first version only writes the number down
    assert await migration.migrate(url, "parley") == [step.name for step in MIGRATIONS]
    found = await migration.state_of(url, "parley")
    assert (found.found, found.pending) == (VERSION, ())
    assert await state.rebuild.check() == frozenset(), "nothing was lost by it"
    items = (await state.conversations.list_page("plantstore")).items
    assert items
    for item in items:
        assert await state.conversations.snapshot(item.id)
        await state.transcript.read(item.id)
    for call in calls_of_all_ports(state):
        await call()


@pytest.mark.scaled
async def test_a_program_works_on_no_redis_of_another_version(
    state: State, server: Any, stoppable_redis: LocalRedis
) -> None:
    """Neither at its start nor when a newer release migrates it meanwhile; and it rebuilds nothing over it."""
    url = stoppable_redis.url
    await state.check_ready()
    later = (*MIGRATIONS, Migration(VERSION + 1, "of a later release"))
    await migration.migrate(url, "parley", migrations=later)
    for call in calls_of_all_ports(state):
        with pytest.raises(StateUnavailable, match=f"schema version {VERSION + 1}") as refused:
            await call()
        assert "newer release" in refused.value.fix
    with pytest.raises(StateUnavailable, match="schema version"):
        await state.rebuild.prepare(frozenset({3}))
    for look in (migration.state_of, migration.migrate, migration.require_current):
        with pytest.raises(SchemaMismatch):
            await look(url, "parley")


@pytest.mark.scaled
async def test_a_step_runs_once_on_each_shard(
    server: Any, stoppable_redis: LocalRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs it again, or beside another, changes nothing more."""
    url, later = stoppable_redis.url, (*MIGRATIONS, Migration(VERSION + 1, "of a later release"))
    await asyncio.gather(*(migration.migrate(url, "parley", migrations=later) for _ in range(3)))
    heads = await server.keys("parley:{s*}:shard")
    assert len(heads) == 256
    assert {await server.hget(head, "schema") for head in heads} == {str(VERSION + 1).encode()}
