from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.simulators.website import Site, page, serve


@pytest.fixture
async def site_with_trap() -> AsyncIterator[Site]:
    """A server that must not be asked, unless it is allowed."""
    async with serve({"/": page("Trap", "Secrets.")}) as site:
        yield site
