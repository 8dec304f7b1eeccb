"""One installation with servers of its own for all tests that break them: they leave it well."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.faults.faulty_installation import FaultyInstallation, open_world
from tests.harness.processes import ForkServer


@pytest.fixture(scope="package")
async def shared_world(
    fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultyInstallation]:
    if os.environ.get("PARLEY_TEST_SERVERS") == "none":
        pytest.skip("PARLEY_TEST_SERVERS=none: tests that need Kafka or Redis are left out")
    async with open_world(fork_server, tmp_path_factory.mktemp("broken")) as world:
        yield world


@pytest.fixture
async def world(shared_world: FaultyInstallation) -> AsyncIterator[FaultyInstallation]:
    """Everything runs and is well, before and after."""
    for role in shared_world.parley.all_roles:
        if not shared_world.parley.roles[role].alive:
            await shared_world.start(role)
    yield shared_world
    await shared_world.heal()
