from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.platforms.zendesk.server import SimulatedZendesk, serve


@pytest.fixture
async def zendesk() -> AsyncIterator[SimulatedZendesk]:
    async with serve() as server:
        yield server
