"""Real processes over real sockets, on both engines."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.slack_desk import DeskInstallation, open_desk, open_visitor
from tests.harness.chat_client import Contact
from tests.harness.contract_client import ContractClient, Visitor
from tests.harness.installation import QUICK_ERASURE, UNLIMITED, Installation
from tests.harness.processes import ForkServer

ENGINES = [pytest.param("embedded"), pytest.param("scaled", marks=pytest.mark.scaled)]


@asynccontextmanager
async def run_installation(
    request: pytest.FixtureRequest, fork_server: ForkServer, folder: Path, **changes: Any
) -> AsyncIterator[Installation]:
    """An installation of the engine that the fixture is asked for, with its documents searchable."""
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    prefix = f"t-{uuid.uuid4().hex[:8]}."
    installation = Installation.make(fork_server, folder, prefix=prefix, **servers, **changes)
    installation.env.update(QUICK_ERASURE)
    await installation.prepare()
    await installation.start()
    if installation.scaled:
        await installation.put_documents()
    yield installation
    await installation.stop()


@pytest.fixture(params=ENGINES)
async def parley(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path: Path
) -> AsyncIterator[Installation]:
    """Of this test alone. Modules whose tests leave it well have one for all of them, under the same name."""
    async with run_installation(request, fork_server, tmp_path) as installation:
        yield installation


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


@pytest.fixture(params=ENGINES)
async def stage(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[DeskInstallation]:
    """A shop with a desk that promises a first reply within half an hour, of this test alone."""
    async with open_desk(request, fork_server, tmp_path, topic_prefix, times={"first_reply": 30}) as stage:
        yield stage


@pytest.fixture
async def ann(stage: DeskInstallation) -> AsyncIterator[Contact]:
    """A visitor of the shop with the desk."""
    async with open_visitor(stage, "ann") as contact:
        yield contact


IDENTITY_SECRET = "the-site-signs-its-visitors-with-this"
SITE = "https://shop.example.com"


def shop_tenants() -> dict[str, Any]:
    """A tenant with an account of each kind, one that is a stranger to it, and one with a small allowance."""
    fold = {"web": 0.05, "others": 0.05}
    many = {"messages_per_minute": 100_000}
    web = {
        "main": many,
        "signed": {**many, "identity_secret": IDENTITY_SECRET},
        "members": {**many, "identity_secret": IDENTITY_SECRET, "identity": "required"},
        "site": {**many, "origins": [SITE]},
        "slow": {"messages_per_minute": 3},
    }
    served = {"fold": fold, "limits": UNLIMITED}
    return {
        "plantstore": {"name": "Plants", **served, "channels": {"web": web}, "knowledge": {"paths": ["knowledge"]}},
        "bookshop": {"name": "Books", **served, "channels": {"web": {"main": many}}},
        "tiny": {"name": "Tiny", "fold": fold, "limits": {"inbound_per_s": 1}, "channels": {"web": {"main": many}}},
    }


@pytest.fixture(scope="module")
async def shop(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContractClient]:
    """One embedded process that serves every test of a module; each test brings its own visitors."""
    folder = tmp_path_factory.mktemp("shop")
    installation = Installation.make(fork_server, folder, tenants=shop_tenants())
    await installation.start(flags=["--log-level", "debug"])
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=40)) as session:
        yield ContractClient(installation, session)
    await installation.stop()


@pytest.fixture
async def visitor(shop: ContractClient) -> Visitor:
    return await shop.visitor()


@pytest.fixture
async def own_shop(parley: Installation, http: aiohttp.ClientSession) -> ContractClient:
    """An installation of this test alone, on each engine."""
    return ContractClient(parley, http)


@pytest.fixture
def embedded_alone(fork_server: ForkServer, tmp_path: Path) -> Installation:
    """An embedded installation of this test alone, not started."""
    made = Installation.make(fork_server, tmp_path)
    made.env.update(QUICK_ERASURE)
    return made
