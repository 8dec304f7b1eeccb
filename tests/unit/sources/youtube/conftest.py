from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.platforms.youtube.server import SimulatedYouTube, serve


@pytest.fixture
async def youtube() -> AsyncIterator[SimulatedYouTube]:
    async with serve() as server:
        yield server
