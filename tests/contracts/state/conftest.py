"""``state``: an empty store, once on each engine of the registry; ``bus``: a log beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.state.registry import EMBEDDED, list_engines
from schemas.ports import Bus, State
from schemas.ports.bus import Clock
from tests.contracts.state.engines import SEALED, OpenState, find_opener
from tests.contracts.state.other_servers import OTHER_SERVERS
from tests.contracts.state.other_servers import patient_clients as patient_clients
from tests.contracts.state.recorded_history import open_log
from tests.contracts.state.samples import NOW

PLAIN_TOO = frozenset({"test_contact_search", "test_contacts", "test_transcript", "test_turn_calls"})
"""Modules about what stores do otherwise where bodies are plain: they look into them. All others run sealed, which is
the default of an installation; that the two may be mixed is shown in test_sealed_state.py."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "open_state" not in metafunc.fixturenames:
        return
    is_plain_too = metafunc.module.__name__.rpartition(".")[2] in PLAIN_TOO
    names = [
        pytest.param(
            start + entry.name,
            marks=() if entry.name == EMBEDDED else pytest.mark.scaled,
            id=f"{start}{entry.name}".replace(" ", "-"),
        )
        for start in (("", SEALED) if is_plain_too else (SEALED,))
        for entry in list_engines()
    ]
    names += [
        pytest.param(SEALED + server, marks=pytest.mark.scaled, id=f"sealed-{server}")
        for server, modules in OTHER_SERVERS.items()
        if metafunc.module.__name__.rpartition(".")[2] in modules
    ]
    metafunc.parametrize("open_state", names, indirect=True)


@pytest.fixture
def open_state(request: pytest.FixtureRequest) -> OpenState:
    """Opens an empty store of the engine under test."""
    return find_opener(request.param, request)


@pytest.fixture
async def state(open_state: OpenState) -> AsyncIterator[State]:
    async with open_state() as state:
        yield state


@pytest.fixture
def clock() -> Clock:
    """The clock of ``bus``. It stands still unless a module has one of its own."""
    return lambda: NOW


@pytest.fixture
async def bus(tmp_path: Path, clock: Clock) -> AsyncIterator[Bus]:
    """A log of this test alone."""
    async with open_log(tmp_path / "log.db", clock) as bus:
        yield bus
