"""One Parley with an account at every simulated vendor; all scenarios of a run share it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from gateway.config.loader import load
from gateway.wiring.engines import open_engine
from infra.deploy.process import free_port
from schemas import topics
from schemas.envelope import Envelope
from tests import desks
from tests.harness.installation import UNLIMITED, Installation
from tests.harness.processes import ForkServer
from tests.scenarios.customers.customer import Customers
from tests.scenarios.customers.discord import DiscordCustomers
from tests.scenarios.customers.instagram import InstagramCustomers
from tests.scenarios.customers.slack import SlackCustomers, SocketCustomers
from tests.scenarios.customers.whatsapp_meta import WhatsAppCustomers
from tests.scenarios.customers.whatsapp_twilio import TwilioCustomers
from tests.simulators.help_desk import HelpDesk
from tests.simulators.vendor_clock import VendorClock

TENANT = "plantstore"
FOLD = 0.25
"""Seconds: long enough for what follows a message at once to find it waiting."""
HURRY = 15
KINDS: tuple[type[Any], ...] = (
    SlackCustomers,
    SocketCustomers,
    DiscordCustomers,
    WhatsAppCustomers,
    TwilioCustomers,
    InstagramCustomers,
)


@dataclass(frozen=True)
class ScenarioSettings:
    """``tenant``: more of its settings. ``env``: of the processes. ``has_help_desk``: people work behind the webhook
    desk. ``config``: settings of the installation."""

    kinds: Sequence[type[Any]] = KINDS
    tenant: Callable[[list[Customers]], dict[str, Any]] = lambda _: {}
    env: Mapping[str, str] = field(default_factory=dict)
    has_help_desk: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)


MATRIX = ScenarioSettings()


@dataclass
class ScenarioInstallation:
    """``clock`` is the vendors'; ``ahead`` seconds later than the machine's, as the installation's is."""

    installation: Installation
    clock: VendorClock
    customers: list[Customers]
    ahead: float = 0
    env: dict[str, str] = field(default_factory=lambda: {"TEST_HURRY": str(HURRY)})
    help_desk: HelpDesk | None = None
    log: list[Envelope] = field(default_factory=list)
    """Of the time before the latest restart."""
    at_last: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Done when nothing runs any more."""
    _found: dict[str, str] = field(default_factory=dict)
    """Conversations by customers and person."""

    async def start(self, *roles: str, wait: bool = True, **env: str) -> None:
        late = {"TEST_AHEAD": str(self.ahead)} if self.ahead else {}
        await self.installation.start(*roles, env=self.env | late | env, wait=wait)
        if wait:
            await self._heard()

    async def _heard(self) -> None:
        """Until what is said where nobody calls us would reach us."""
        port = self.installation.port("connectors" if self.installation.scaled else "dev")
        wanted = [
            f'parley_accounts_heard{{account="{each.account}",channel="{each.channel}",tenant="{TENANT}"}} 1.0'
            for each in self.customers
            if each.over_socket
        ]
        async with aiohttp.ClientSession() as http, asyncio.timeout(90):
            while True:
                async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    page = await answer.text()
                if all(line in page for line in wanted):
                    return
                await asyncio.sleep(0.05)

    async def _read_up(self) -> None:
        """Until what vendors told of what was sent is read: what follows from it, a thumb say, is on the log then. On a
        screen nothing of it is seen."""
        group = 'group="parley.receipts.'
        port = self.installation.port("connectors" if self.installation.scaled else "dev")
        async with aiohttp.ClientSession() as http, asyncio.timeout(90):
            while True:
                async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    page = (await answer.text()).splitlines()
                lags = [line for line in page if line.startswith("parley_lag_records{") and group in line]
                if lags and all(line.endswith(" 0.0") for line in lags):
                    return
                await asyncio.sleep(0.05)

    async def restart(self, ahead: float) -> None:
        """Everything ends, the log is read, so much time passes, everything starts again."""
        await self._read_up()
        await self.installation.stop()
        self.log = await self.events()
        self.ahead += ahead
        self.clock.forward(ahead)
        await self.start()

    def conversation_id(self, customers: Customers, person: str) -> str:
        return self._found.get(f"{customers.name()} {person}") or customers.conversations(TENANT, person)[0]

    def conversation_ids(self, customers: Customers, person: str) -> list[str]:
        """All that it may be called: which it is nobody knows before it was looked at."""
        found = self._found.get(f"{customers.name()} {person}")
        return [found] if found else customers.conversations(TENANT, person)

    async def conversation(self, customers: Customers, person: str) -> dict[str, Any]:
        """As the admin API tells it; empty while there is none, or nobody who tells."""
        for conversation in customers.conversations(TENANT, person):
            found: dict[str, Any] = {}
            with suppress(aiohttp.ClientError):
                found = await self.installation.admin("GET", f"conversations/{conversation}", ok=False)
            if "transcript" in found:
                self._found[f"{customers.name()} {person}"] = conversation
                return found
        return {}

    async def events(self) -> list[Envelope]:
        """What stands on ``parley.events``. Embedded, only while the one process is not running."""
        config = load(self.installation.config)
        async with open_engine(config, config.data_path) as engine:
            records = [record async for record in await engine.bus.read(topics.EVENTS)]
        return [Envelope.from_wire(record.headers, record.value) for record in records]

    async def upload(self, conversation: str, name: str, type_: str, data: bytes) -> str:
        """A file that a colleague may send in this conversation; its id."""
        form = aiohttp.FormData()
        form.add_field("file", data, filename=name, content_type=type_)
        told = await self.installation.admin("POST", f"conversations/{conversation}/attachments", data=form)
        return str(told["attachment_id"])

    async def fetch(self, link: str) -> bytes:
        async with aiohttp.ClientSession() as http, http.get(link) as answer:
            assert answer.status == 200, link
            return await answer.read()


@asynccontextmanager
async def stage_of(
    fork_server: ForkServer, folder: Path, scene: ScenarioSettings = MATRIX, /, **servers: str
) -> AsyncIterator[ScenarioInstallation]:
    """``servers``: kafka, redis and prefix; none of them is the embedded engine."""
    clock, port = VendorClock(), free_port()
    customers: list[Customers] = [kind(clock) for kind in scene.kinds]
    async with AsyncExitStack() as stack:
        for each in customers:
            await stack.enter_async_context(each.vendor.serving())
        public = f"http://127.0.0.1:{port}"
        tenants = _tenants(customers, scene.tenant(customers))
        help_desk = HelpDesk(clock) if scene.has_help_desk else None
        if help_desk is not None:
            stack.enter_context(desks.installed())
            await stack.enter_async_context(help_desk.serving())
            tenants[TENANT]["channels"][desks.WEBHOOK] = {"main": help_desk.settings()}
            help_desk.call(f"{public}/v1/webhooks/{desks.WEBHOOK}/{TENANT}/main")
        installation = Installation.make(
            fork_server, folder, **servers, **scene.config, public_url=public, tenants=tenants
        )
        installation.ports["edge" if installation.scaled else "dev"] = port
        for each in customers:
            each.vendor.call(f"{public}/v1/webhooks/{each.channel}/{TENANT}/{each.account}{each.hook}")
        await installation.prepare(dict(scene.env))
        stage = ScenarioInstallation(installation, clock, customers, help_desk=help_desk)
        stage.env.update(scene.env)
        await stage.start()
        if installation.scaled:
            await installation.put_documents()
        try:
            yield stage
        finally:
            try:
                await stage.installation.stop()
            finally:
                for finish in stage.at_last:
                    await finish()


def _tenants(customers: list[Customers], more: dict[str, Any]) -> dict[str, Any]:
    channels: dict[str, Any] = {"web": {"main": {}}}
    for each in customers:
        channels.setdefault(each.channel, {})[each.account] = each.vendor.settings()
    fold = {"web": FOLD, "others": FOLD}
    known = {"name": "Plants", "fold": fold, "limits": UNLIMITED, "channels": channels}
    known |= {"knowledge": {"paths": ["knowledge"]}}
    return {TENANT: known | more}
