from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.agent_worker.worker_environment import WorkerEnvironment, world_at


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WorkerEnvironment]:
    async with world_at(tmp_path) as made:
        yield made
