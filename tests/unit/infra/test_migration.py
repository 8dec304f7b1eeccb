"""The schema of the embedded file: its versions, the steps between them, and what is refused."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.database import Database
from infra.database.migration import Columns, columns_of, migrate, newest, state_of, tables
from infra.database.schema import MIGRATIONS, Migration
from infra.state.redis.rebuild.schema import MIGRATIONS as REDIS_MIGRATIONS
from infra.state.sqlite.engine import open_sqlite_state
from schemas.errors import SchemaMismatch
from tests.contracts.state.port_calls import calls_of_all_ports

ROOT = Path(__file__).resolve().parents[3]
STEPS = ROOT / "tests/golden/stores/steps.json"
ADDED = Migration(
    newest() + 1, "a column and a table", "ALTER TABLE bus_topics ADD COLUMN note TEXT; CREATE TABLE t (id)"
)
REWRITES = Migration(newest() + 1, "another spelling", "UPDATE bus_topics SET name = upper(name);", rewrites=True)


def columns(path: Path) -> dict[str, Columns]:
    with closing(sqlite3.connect(path)) as file:
        names = [name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: columns_of(file, name) for name in names if not name.startswith("sqlite_")}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute("PRAGMA user_version").fetchone()[0])


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.executescript(statement)


async def opened(path: Path) -> Path:
    await Database.open(path).close()
    return path


async def test_a_new_file_has_the_newest_version_and_says_which_steps_it_took(tmp_path: Path) -> None:
    path = await opened(tmp_path / "parley.db")
    assert version(path) == newest()
    with closing(sqlite3.connect(path)) as file:
        taken = file.execute("SELECT version, name FROM schema_migrations ORDER BY version").fetchall()
    assert taken == [(step.version, step.name) for step in MIGRATIONS]
    assert columns(path) == {name: table.columns for name, table in tables().items()}


async def test_every_version_becomes_the_newest(tmp_path: Path) -> None:
    for count in range(len(MIGRATIONS) + 1):
        path = tmp_path / f"{count}.db"
        change(path, "".join(step.script for step in MIGRATIONS[:count]) + f"PRAGMA user_version={count};")
        migrate(path)
        assert version(path) == newest()
        assert columns(path) == {name: table.columns for name, table in tables().items()}


async def test_an_older_program_refuses_a_newer_file_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    path = await opened(tmp_path / "parley.db")
    change(path, f"PRAGMA user_version={newest() + 1}; PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    with pytest.raises(SchemaMismatch) as refused:
        Database.open(path)
    assert f"version {newest() + 1}" in refused.value.message
    assert refused.value.fix
    assert path.read_bytes() == before


async def test_a_file_whose_columns_are_not_those_of_its_version_is_refused(tmp_path: Path) -> None:
    for number, (statement, said) in enumerate(
        {
            "ALTER TABLE state_deliveries ADD COLUMN later TEXT": "state_deliveries has unknown columns later",
            "ALTER TABLE state_turns DROP COLUMN body": "state_turns lacks columns body",
            "DROP TABLE state_claims": "state_claims is missing",
        }.items()
    ):
        path = await opened(tmp_path / f"{number}.db")
        change(path, statement)
        with pytest.raises(SchemaMismatch, match=said):
            Database.open(path)


def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    migrate(path)
    broken = Migration(newest() + 1, "broken", "CREATE TABLE half (id); CREATE TABLE bus_topics (id);")
    with pytest.raises(Exception, match="bus_topics already exists"):
        migrate(path, (*MIGRATIONS, broken))
    assert version(path) == newest()
    assert "half" not in columns(path)
    assert migrate(path, (*MIGRATIONS, ADDED)) == [ADDED.name]


def test_a_copy_is_made_before_what_is_there_is_rewritten(tmp_path: Path) -> None:
    """And only then: adding a table or a column needs none."""
    path = tmp_path / "parley.db"
    migrate(path)
    change(path, "INSERT INTO bus_topics (name, partitions) VALUES ('small', 1)")
    migrate(path, (*MIGRATIONS, REWRITES))
    copy = tmp_path / f"parley.db.v{newest()}"
    assert version(copy) == newest()
    assert copy.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(copy)) as before, closing(sqlite3.connect(path)) as after:
        assert before.execute("SELECT name FROM bus_topics").fetchall() == [("small",)]
        assert after.execute("SELECT name FROM bus_topics").fetchall() == [("SMALL",)]
    other = tmp_path / "other.db"
    migrate(other)
    migrate(other, (*MIGRATIONS, ADDED))
    assert [file.name for file in tmp_path.glob("other.db.v*")] == []


def test_pending_migrations_are_listed_without_a_change(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    assert state_of(path).found is None
    change(path, MIGRATIONS[0].script)
    told = state_of(path)
    assert (told.found, told.known, len(told.pending)) == (0, newest(), len(MIGRATIONS))
    assert version(path) == 0


async def test_every_operation_works_in_a_file_with_a_column_more(tmp_path: Path) -> None:
    """Statements name their columns: what a later step adds does not break what is written today."""
    database = Database.open(tmp_path / "parley.db")
    state = open_sqlite_state(database)
    for name in tables():
        change(database.path, f"ALTER TABLE {name} ADD COLUMN came_later TEXT DEFAULT 'x'")
    for call in calls_of_all_ports(state):
        await call()
    await state.leases.acquire("l", "me", ttl=5, now=datetime(2026, 3, 1, tzinfo=UTC))
    await state.close()
    await database.close()


# ── for whoever changes a table ──────────────────────────────────────────────────────────────────────────────────────


def test_versions_count_up_without_gaps() -> None:
    for steps in (MIGRATIONS, REDIS_MIGRATIONS):
        assert [step.version for step in steps] == list(range(1, len(steps) + 1))


def test_a_step_that_was_released_stays_as_it_is() -> None:
    """Files out there have taken it. A table or a column is added by a step of its own at the end of MIGRATIONS; when
    that step is ready, add its line to steps.json (CONTRIBUTING.md, "Stored data")."""
    now = {str(step.version): hashlib.sha256(step.script.encode()).hexdigest()[:16] for step in MIGRATIONS}
    assert now == json.loads(STEPS.read_text())["sqlite"], json.dumps(now)


def test_tables_are_made_in_one_place() -> None:
    """A table that is made elsewhere has no version: nothing would tell an older file from a newer one."""
    strays = [
        str(file.relative_to(ROOT))
        for file in sorted((ROOT / "infra").rglob("*.py"))
        if file != ROOT / "infra/database/schema.py"
        and re.search(r"\b(CREATE|ALTER) (TABLE|(UNIQUE )?INDEX)\b", file.read_text())
    ]
    assert strays == []
