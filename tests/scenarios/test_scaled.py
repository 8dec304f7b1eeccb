"""One scenario in four, by a seed, on Kafka and Redis with an edge, a worker and connectors of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.processes import ForkServer
from tests.harness.sizes import DAILY
from tests.scenarios.matrix import Matrix
from tests.scenarios.matrix_cells import DAILY_CELLS, Cell, seed, select_cells, some
from tests.scenarios.scenario_installation import stage_of

pytestmark = [pytest.mark.scaled, pytest.mark.slow, pytest.mark.timeout(600)]
SEED = seed()


@pytest.fixture(scope="module")
async def matrix(
    request: pytest.FixtureRequest,
    fork_server: ForkServer,
    tmp_path_factory: pytest.TempPathFactory,
    kafka_bootstrap: str,
    redis_url: str,
) -> AsyncIterator[Matrix]:
    servers: dict[str, Any] = {"kafka": kafka_bootstrap, "redis": redis_url, "prefix": f"matrix-{SEED}."}
    async with stage_of(fork_server, tmp_path_factory.mktemp("matrix"), **servers) as stage:
        matrix = Matrix(stage, select_cells(request, "test_every_scenario_holds_on_its_channels"))
        yield matrix
        await matrix.finished


@pytest.mark.parametrize("cell", DAILY_CELLS if DAILY else some(SEED, one_in=4), ids="-".join)
async def test_every_scenario_holds_on_its_channels(matrix: Matrix, cell: Cell) -> None:
    print(f"PARLEY_MATRIX_SEED={SEED}")
    await matrix.cell(cell)


async def test_no_screen_has_changed_since_its_scenario_ended(matrix: Matrix) -> None:
    assert await matrix.unrest() == []
