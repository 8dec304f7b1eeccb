"""Every scenario on every channel, in one process on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.processes import ForkServer
from tests.harness.sizes import DAILY
from tests.scenarios.channel_scenarios import NOT_YET, SCENARIOS
from tests.scenarios.matrix import Matrix
from tests.scenarios.matrix_cells import DAILY_CELLS, Cell, every, impossible, select_cells
from tests.scenarios.scenario_installation import stage_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
async def matrix(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Matrix]:
    async with stage_of(fork_server, tmp_path_factory.mktemp("matrix")) as stage:
        matrix = Matrix(stage, select_cells(request, "test_every_scenario_holds_on_its_channels"))
        yield matrix
        await matrix.finished


@pytest.mark.parametrize("cell", DAILY_CELLS if DAILY else every(), ids="-".join)
async def test_every_scenario_holds_on_its_channels(matrix: Matrix, cell: Cell) -> None:
    await matrix.cell(cell)


async def test_no_screen_has_changed_since_its_scenario_ended(matrix: Matrix) -> None:
    assert await matrix.unrest() == []


def test_every_scenario_excluded_from_a_channel_has_a_reason() -> None:
    known = SCENARIOS.keys() | NOT_YET.keys()
    assert [cell for cell, reason in impossible().items() if cell[1] not in known or not reason] == []
