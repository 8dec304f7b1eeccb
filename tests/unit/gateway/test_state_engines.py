"""A state engine is found by its entry points; the gateway and the contract suite work with any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gateway.commands.migrate import migrate
from gateway.config import loader
from gateway.wiring.engines import refuse_embedded, state_location
from infra.database.migration import SchemaState
from infra.deploy.doctor_finding import Finding
from infra.state import registry
from infra.state.registry import StateLocation
from schemas.errors import ConfigInvalid, NotFound, SetupError
from schemas.ports import State
from tests.harness.folder_engine import install_shelf
from tests.harness.processes import ROOT

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
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """A further engine, known by the entry point of its package alone."""
    engine, module = FakeEngine(), ModuleType("shelf.engine")
    vars(module)["ENGINE"] = engine
    monkeypatch.setitem(sys.modules, "shelf", ModuleType("shelf"))
    monkeypatch.setitem(sys.modules, "shelf.engine", module)
    install_shelf(tmp_path, "shelf.engine:ENGINE")
    monkeypatch.syspath_prepend(tmp_path)
    registry.list_engines.cache_clear()
    yield engine
    registry.list_engines.cache_clear()


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
    with pytest.raises(
        ConfigInvalid,
        match=r"must be sqlite, redis://\S+, redis\+cluster://\S+, redis\+sentinel://\S+, rediss://\S+, "
        r"rediss\+cluster://\S+, rediss\+sentinel://\S+ or shelf://\S+",
    ):
        loader.load(write(tmp_path, "bus: kafka://b:1\nstate: drawer://1\n"), environ={})
    with pytest.raises(ConfigInvalid, match="or kafka:// and redis:// or shelf:// together"):
        loader.load(write(tmp_path, "state: shelf://cellar/3\n"), environ={})
    with pytest.raises(SetupError, match="needs Kafka and Redis or Shelf"):
        refuse_embedded(loader.load(write(tmp_path, ""), environ={}), "run edge")


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="drawer") as caught:
        registry.find_engine("drawer://1")
    known = "redis, redis+cluster, redis+sentinel, rediss, rediss+cluster, rediss+sentinel"
    assert caught.value.fix == f"one of sqlite, {known}"


def run_with_shelf(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a module in a process in which the package with the engine ``shelf`` is installed."""
    install_shelf(folder)
    environ = {**os.environ, "PYTHONPATH": str(folder), "SHELF_URL": f"shelf://{folder}", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def test_a_package_adds_an_engine_and_its_section_to_the_configuration(tmp_path: Path) -> None:
    file = write(tmp_path, f"bus: kafka://b:1\nstate: shelf://{tmp_path}\nshelf: {{label: Letters}}\n")
    checked = run_with_shelf(tmp_path, "gateway.cli", "config", "check", "--config", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "shelf" not in loader.load(write(tmp_path, ""), environ={}).model_dump(), "known beyond its own process"


def test_the_section_of_an_added_engine_is_checked(tmp_path: Path) -> None:
    file = write(tmp_path, f"bus: kafka://b:1\nstate: shelf://{tmp_path}\nshelf: {{lable: Letters}}\n")
    checked = run_with_shelf(tmp_path, "gateway.cli", "config", "check", "--config", str(file))
    assert checked.returncode != 0
    assert "shelf.lable" in checked.stdout + checked.stderr


def test_the_contract_suite_runs_on_an_added_engine(tmp_path: Path) -> None:
    suite = [f"tests/contracts/state/test_{name}.py" for name in ("leases", "transcript", "parking", "deliveries")]
    ran = run_with_shelf(tmp_path, "pytest", "-q", "-k", "shelf", *suite)
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert len(list(tmp_path.glob("t*.db"))) > 20, "no test opened a store of the added engine"
