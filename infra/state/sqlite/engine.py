"""The state engine of embedded mode: all state ports in the one SQLite file, its migration, and its checks."""

from __future__ import annotations

import sqlite3

from infra.database import Database, database_file, migration
from infra.database.migration import SchemaState
from infra.deploy.doctor_finding import Finding
from infra.state.registry import StateEngine, StateLocation
from infra.state.sqlite import open_sqlite_state
from schemas.errors import SetupError
from schemas.ports import State


class SqliteEngine:
    async def open_state(self, location: StateLocation) -> State:
        if location.database is None:
            raise SetupError("state on SQLite shares the file of the log", fix="set both `bus` and `state` to sqlite")
        return open_sqlite_state(location.database)

    async def schema_state(self, location: StateLocation) -> SchemaState:
        return migration.state_of(database_file(location.data_dir))

    async def migrate(self, location: StateLocation) -> None:
        await Database.open(database_file(location.data_dir)).close()

    async def run_checks(self, location: StateLocation) -> list[Finding]:
        found = sqlite3.sqlite_version
        if sqlite3.sqlite_version_info >= (3, 35):
            return [Finding("sqlite", "ok", found)]
        return [Finding("sqlite", "fail", found, "use a newer Python: SQLite 3.35 or newer is required")]


ENGINE: StateEngine = SqliteEngine()
