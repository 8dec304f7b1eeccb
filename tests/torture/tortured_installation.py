"""An installation to be tortured: its processes, its servers where it has any, and the links between all of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.deploy.local_redis import LocalRedis
from infra.deploy.process import LocalServer
from tests.faults.faulty_installation import ForkedKafka
from tests.harness.installation import UNLIMITED, Installation
from tests.harness.processes import ForkServer
from tests.harness.proxy import Proxy
from tests.torture.load import BRANDS

ROLES = ("edge", "worker", "connectors")
DOCUMENTS = {
    "shipping": """# Shipping

## Winter

In winter {0} adds a heat pack to every parcel for 4.50 euro.

## Times

Parcels of {0} leave on Mondays and Tuesdays.
""",
    "returns": """# Returns

## Deadline

You can return an item to {0} within 30 days of delivery.
""",
    "water": """# Water

## Quality

{0} recommends rain water or distilled water.
""",
}


@dataclass
class TorturedInstallation:
    """``links``: place → proxy; ``people`` is the one between the people and the edge. ``env``: by role."""

    parley: Installation
    links: dict[str, Proxy]
    servers: dict[str, LocalServer] = field(default_factory=dict)
    env: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """What people dial."""
        return f"http://{self.links['people'].address}"

    async def put_documents(self) -> None:
        for tenant, brand in BRANDS.items():
            for name, text in DOCUMENTS.items():
                body = {"title": name.title(), "body": text.format(brand)}
                await self.parley.admin("PUT", f"knowledge/{name}", tenant=tenant, json=body)


def tenants_of() -> dict[str, Any]:
    """Three tenants without limits that a load on one machine could meet."""
    limits = UNLIMITED
    account = {"messages_per_minute": 1_000_000}
    fold = {"web": 0.05, "others": 0.05}
    return {
        tenant: {"name": brand, "limits": limits, "fold": fold, "channels": {"web": {"main": account}}}
        for tenant, brand in BRANDS.items()
    }


@asynccontextmanager
async def embedded(fork_server: ForkServer, folder: Path, **env: str) -> AsyncIterator[TorturedInstallation]:
    parley = Installation.make(fork_server, folder, tenants=tenants_of())
    async with Proxy(parley.port("dev")) as people:
        yield TorturedInstallation(parley, {"people": people}, env={"dev": env})


@asynccontextmanager
async def scaled(fork_server: ForkServer, folder: Path, **env: str) -> AsyncIterator[TorturedInstallation]:
    async with AsyncExitStack() as stack:
        kafka, redis = ForkedKafka(doors=[role.upper() for role in ROLES]), LocalRedis()
        for server in (kafka, redis):
            stack.callback(server.close)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in (kafka, redis)))
        links: dict[str, Proxy] = {}
        for role in ROLES:
            links[f"{role}-kafka"] = await stack.enter_async_context(kafka.doors[role.upper()][1])
            links[f"{role}-redis"] = await stack.enter_async_context(Proxy(redis.port))
        parley = Installation.make(
            fork_server,
            folder,
            kafka=kafka.bootstrap,
            redis=redis.url,
            prefix=f"t-{uuid.uuid4().hex[:8]}.",
            tenants=tenants_of(),
        )
        links["people"] = await stack.enter_async_context(Proxy(parley.port("edge")))
        await parley.prepare()
        yield TorturedInstallation(
            parley, links, {"kafka": kafka, "redis": redis}, {role: _env(role, links, env) for role in ROLES}
        )


def _env(role: str, links: dict[str, Proxy], more: dict[str, str]) -> dict[str, str]:
    return {
        "PARLEY_BUS": f"kafka://{links[f'{role}-kafka'].address}",
        "PARLEY_STATE": f"redis://{links[f'{role}-redis'].address}/0",
        **more,
    }
