"""A third state engine, as another package would bring it: one file per prefix in the folder that the address names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from infra.database import Database, migration
from infra.database.migration import SchemaState
from infra.deploy.doctor_finding import Finding
from infra.state.registry import ENGINES, SETTINGS, StateEngine, StateLocation
from infra.state.sqlite.engine import open_sqlite_state
from schemas.ports import State


class FolderSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    label: str = ""
    """The text on the front of the shelf."""


class FolderEngine:
    async def open_state(self, location: StateLocation) -> State:
        database = Database.open(_file(location))
        state = open_sqlite_state(database)

        async def close() -> None:
            await state.close()
            await database.close()

        return replace(state, close=close)

    async def schema_state(self, location: StateLocation) -> SchemaState:
        return migration.state_of(_file(location))

    async def migrate(self, location: StateLocation) -> None:
        await Database.open(_file(location)).close()

    async def run_checks(self, location: StateLocation) -> list[Finding]:
        return [Finding("shelf", "ok", location.address)]


def _file(location: StateLocation) -> Path:
    return Path(location.address.removeprefix("shelf://")) / f"{location.prefix}.db"


ENGINE: StateEngine = FolderEngine()


def install_shelf(folder: Path, engine: str = f"{__name__}:ENGINE") -> None:
    """Write the metadata of an installed package that registers ``engine`` under the scheme ``shelf``."""
    metadata = folder / "shelf-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n")
    settings = f"{__name__}:{FolderSettings.__name__}"
    (metadata / "entry_points.txt").write_text(f"[{ENGINES}]\nshelf = {engine}\n\n[{SETTINGS}]\nshelf = {settings}\n")
