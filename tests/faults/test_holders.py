"""Accounts that are heard over a connection: one process holds each, and its death is a matter of seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer
from tests.simulators.discord import Discord
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import Vendor, all_of

TAKEOVER = 10.0
"""Seconds from the death of a holder until another is heard (a promise)."""


class Shop:
    """An installation with customers at Discord and, by Socket Mode, at Slack."""

    def __init__(self) -> None:
        self.discord = Discord(pace=0.02)
        self.slack = SlackVendor(mode="socket", pace=0.1)
        self.vendors: tuple[Vendor, ...] = (self.discord, self.slack)

    def tenants(self) -> dict[str, Any]:
        channels = {vendor.name: {"main": vendor.settings()} for vendor in self.vendors}
        fold = {"web": 0.05, "others": 0.05}
        return {"plantstore": {"name": "P", "fold": fold, "channels": channels, "knowledge": {"paths": ["knowledge"]}}}

    def connections(self) -> tuple[int, int]:
        """Those that are told what customers write: at Discord a connection that has identified itself."""
        told = [each for each in self.discord.gateway.connections if each.session is not None]
        return len(told), len(self.slack.sockets.links)

    async def connected(self, deadline: float = 60) -> None:
        await self.discord.ledger.until(lambda: self.connections() == (1, 1), deadline=deadline)

    async def answered(self, times: int) -> None:
        """Every customer has so many answers, which is as many as questions."""
        for vendor in self.vendors:
            place = vendor.place("ann")
            await vendor.ledger.until(partial(_has, vendor, place, times), deadline=60)
            assert len(vendor.ledger.at(place)) == times, vendor.name

    async def ask(self, number: int) -> None:
        for vendor in self.vendors:
            await vendor.say("ann", QUESTIONS[number])


def _has(vendor: Vendor, place: str, times: int) -> bool:
    return len(vendor.ledger.at(place)) >= times


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    shop = Shop()
    async with all_of(*shop.vendors):
        yield shop


async def holders(installation: Installation, channel: str) -> list[str]:
    """The processes that say that they hear the account."""
    found = []
    async with aiohttp.ClientSession() as http:
        for role, process in installation.roles.items():
            if not process.alive:
                continue
            async with http.get(f"http://127.0.0.1:{process.port}/metrics") as answer:
                wanted = f'parley_accounts_heard{{account="main",channel="{channel}",tenant="plantstore"}} 1.0'
                found += [role] if wanted in await answer.text() else []
    return found


@pytest.mark.timeout(300)
async def test_an_embedded_process_that_is_killed_goes_on_where_it_was(fork_server: ForkServer, tmp_path: Path) -> None:
    async with open_shop() as shop:
        installation = Installation.make(fork_server, tmp_path, tenants=shop.tenants())
        await installation.start()
        await shop.connected()
        await shop.ask(0)
        await shop.answered(1)
        await installation.kill("dev")
        await shop.ask(1)
        await installation.start()
        await shop.answered(2)
        operations = [each.operation for each in shop.discord.ledger.requests]
        assert (operations.count("Identify"), operations.count("Resume")) == (1, 1)
        await installation.stop()


@pytest.mark.scaled
@pytest.mark.timeout(240)
async def test_of_two_connector_processes_the_other_hears_an_account_ten_seconds_after_its_holder_is_killed(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> None:
    async with open_shop() as shop:
        installation = Installation.make(
            fork_server, tmp_path, kafka=kafka_bootstrap, redis=redis_url, prefix=topic_prefix, tenants=shop.tenants()
        )
        await installation.prepare()
        await installation.start("edge", "worker", "connectors", "connectors#2")
        await installation.put_documents()
        await shop.connected()
        await shop.ask(0)
        await shop.answered(1)
        for round_, vendor in enumerate(shop.vendors, 1):
            (holder,) = await holders(installation, vendor.name)
            await installation.kill(holder)
            killed = asyncio.get_running_loop().time()
            await shop.discord.ledger.until(lambda: shop.connections() != (1, 1), deadline=60)
            await shop.ask(round_)
            await shop.connected(TAKEOVER)
            print(f"{vendor.name}: {asyncio.get_running_loop().time() - killed:.1f} s without a holder")
            # Its share of the sending comes back with it.
            await installation.start(holder)
            await shop.answered(round_ + 1)
        await installation.stop()
