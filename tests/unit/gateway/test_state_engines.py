"""A state engine is a package and one entry of the registry; the gateway works with any."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gateway.commands.migrate import migrate
from gateway.config import loader
from gateway.wiring.engines import refuse_embedded, state_location
from infra.database.migration import SchemaState
from infra.deploy.doctor_finding import Finding
from infra.state import registry
from infra.state.registry import EngineEntry, StateLocation
from schemas.errors import ConfigInvalid, NotFound, SetupError
from schemas.ports import State

SECRETS = f"secret_key: {'k' * 32}\nadmin_token: {'t' * 32}\n"
SHOP = "tenants: {shop: {name: Shop}}\n"


class FakeEngine:
    def __init__(self) -> None:
        self.migrated: list[StateLocation] = []

    async def open_state(self, location: StateLocation) -> State:
        raise NotImplementedError

    async def schema_state(self, location: StateLocation) -> SchemaState:
        return SchemaState(1, 2, () if self.migrated else ("label the shelves",))

    async def migrate(self, location: StateLocation) -> None:
        self.migrated.append(location)

    async def run_checks(self, location: StateLocation) -> list[Finding]:
        return [Finding("shelf", "ok", location.address)]


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """A further engine, known to the registry alone."""
    engine, module = FakeEngine(), ModuleType("shelf.engine")
    vars(module)["ENGINE"] = engine
    monkeypatch.setitem(sys.modules, "shelf", ModuleType("shelf"))
    monkeypatch.setitem(sys.modules, "shelf.engine", module)
    entry = EngineEntry("shelf", "Shelf", "shelf", ("shelf://room/number",))
    monkeypatch.setattr(registry, "ENGINES", (*registry.ENGINES, entry))
    return engine


def write(folder: Path, text: str) -> Path:
    file = folder / "parley.yaml"
    file.write_text(text + SECRETS + SHOP)
    return file


async def test_the_configuration_accepts_a_further_engine(tmp_path: Path, shelf: FakeEngine) -> None:
    file = write(tmp_path, "bus: kafka://b:1\nstate: shelf://cellar/3\ntopic_prefix: t.\n")
    config = loader.load(file, environ={})
    assert config.servers == "Kafka and Shelf"
    assert state_location(config) == StateLocation("shelf://cellar/3", tmp_path / ".parley", "t.parley")
    assert await registry.load_engine(config.state).run_checks(state_location(config)) == [
        Finding("shelf", "ok", "shelf://cellar/3")
    ]


def test_migrate_works_on_a_further_engine(
    tmp_path: Path, shelf: FakeEngine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loggers are bound for good by the real one, to a stream that ends with this test.
    monkeypatch.setattr("infra.telemetry.set_up_logging", lambda **_: None)
    migrate(write(tmp_path, "bus: kafka://b:1\nstate: shelf://cellar/3\n"), check=False, as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert (report["store"], report["steps"], report["migrated"]) == ("shelf", ["label the shelves"], True)
    assert [location.address for location in shelf.migrated] == ["shelf://cellar/3"]


def test_messages_name_the_engines_of_the_registry(tmp_path: Path, shelf: FakeEngine) -> None:
    with pytest.raises(ConfigInvalid, match=r"must be sqlite, redis://\S+, rediss://\S+ or shelf://room/number"):
        loader.load(write(tmp_path, "bus: kafka://b:1\nstate: drawer://1\n"), environ={})
    with pytest.raises(ConfigInvalid, match="or kafka:// and redis:// or shelf:// together"):
        loader.load(write(tmp_path, "state: shelf://cellar/3\n"), environ={})
    with pytest.raises(SetupError, match="needs Kafka and Redis or Shelf"):
        refuse_embedded(loader.load(write(tmp_path, ""), environ={}), "run edge")


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="drawer") as caught:
        registry.find_engine("drawer://1")
    assert caught.value.fix == "one of sqlite, redis, rediss"
