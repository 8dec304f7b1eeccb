"""An installation of each engine whose tenant asks a remote model: a provider on loopback that a test can hold."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.e2e.conftest import ENGINES
from tests.harness.chat_client import Contact
from tests.harness.contract_client import ChatSocket
from tests.harness.installation import Installation, config_of
from tests.harness.processes import ForkServer
from tests.simulators.models.server import ModelServer, Script


@pytest.fixture(scope="package")
async def provider() -> AsyncIterator[ModelServer]:
    async with ModelServer().serving() as running:
        yield running


@pytest.fixture
def model(provider: ModelServer) -> ModelServer:
    """The provider, with nothing in its script and no call remembered."""
    provider.calls.clear()
    provider.next_scripts.clear()
    provider.script, provider.script_for = Script(), None
    return provider


@pytest.fixture(scope="package", params=ENGINES)
async def parley(
    request: pytest.FixtureRequest,
    fork_server: ForkServer,
    provider: ModelServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Installation]:
    """One for all tests of this folder: each brings contacts of its own."""
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    folder = tmp_path_factory.mktemp("remote-model")
    (folder / "key").write_text("sk-from-a-file\n")
    entry = {
        "provider": "openai",
        "model": "adapter-7",
        "base_url": provider.base_url,
        "api_key": "file:key",
        "abilities": ["vision"],
    }
    tenants = config_of(folder)["tenants"]
    tenants["plantstore"]["model"] = "remote"
    installation = Installation.make(
        fork_server,
        folder,
        prefix=f"t-{uuid.uuid4().hex[:8]}.",
        models={"remote": entry, "local": {"provider": "local"}},
        tenants=tenants,
        **servers,
    )
    await installation.prepare()
    await installation.start()
    if installation.scaled:
        await installation.put_documents()
    yield installation
    await installation.stop()


@asynccontextmanager
async def tab_of(contact: Contact, last_seq: int | None = None) -> AsyncIterator[ChatSocket]:
    """A chat socket of this contact, welcomed."""
    async with contact.http.ws_connect(f"{contact.chat}/socket") as socket:
        tab = ChatSocket(socket)
        await tab.hello(contact.token, last_seq)
        yield tab


async def another(parley: Installation, http: aiohttp.ClientSession, name: str) -> Contact:
    contact = Contact(parley.base, http, name)
    await contact.open()
    return contact
