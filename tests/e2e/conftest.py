"""Real processes over real sockets, on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.harness.client import Contact
from tests.harness.installation import Installation

ENGINES = [pytest.param("embedded"), pytest.param("scaled", marks=pytest.mark.scaled)]


@pytest.fixture(params=ENGINES)
async def parley(
    request: pytest.FixtureRequest, nursery: object, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[Installation]:
    """A running installation with its documents searchable."""
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    installation = Installation.make(nursery, tmp_path, prefix=topic_prefix, **servers)  # type: ignore[arg-type]
    await installation.prepare()
    await installation.start()
    if installation.scaled:
        await installation.put_documents()
    yield installation
    await installation.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@pytest.fixture
async def contact(parley: Installation, http: aiohttp.ClientSession) -> Contact:
    """Somebody with an open session."""
    someone = Contact(parley.base, http, "ann")
    await someone.open()
    return someone
