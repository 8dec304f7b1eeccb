"""Names of contacts that the vendor tells only on request, through whole installations."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import ENGINES
from tests.harness.installation import QUESTIONS, Installation, config_of
from tests.harness.processes import ForkServer
from tests.simulators.meta import Instagram
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import Fault, ShownMessage

NAME = "Anna Bloom"


@dataclass
class Shop:
    parley: Installation
    slack: SlackVendor
    instagram: Instagram

    async def shown(self, vendor: Any, person: str) -> ShownMessage:
        place = vendor.place(person)
        await vendor.ledger.until(lambda: vendor.ledger.at(place), deadline=60)
        return vendor.ledger.at(place)[0]  # type: ignore[no-any-return]

    async def listed(self, *, named: int) -> list[dict[str, Any]]:
        """All conversations, once so many of them have a contact with a name."""
        async with asyncio.timeout(60):
            while True:
                items: list[dict[str, Any]] = (await self.parley.admin("GET", "conversations"))["items"]
                if sum(bool(item["contact_name"]) for item in items) >= named:
                    return items
                await asyncio.sleep(0.05)

    async def named(self) -> list[str]:
        return [item["id"] for item in await self.listed(named=0) if item["contact_name"]]

    async def first_author(self, conversation: str) -> tuple[str, str]:
        line = (await self.parley.admin("GET", f"conversations/{conversation}"))["transcript"][0]
        return line["author"]["kind"], line["author"]["name"]

    @property
    def asked(self) -> tuple[int, int]:
        """Slack and Instagram, for a name: how often."""
        found = [each.operation for vendor in (self.slack, self.instagram) for each in vendor.ledger.requests]
        return found.count("users.info"), found.count("profile")

    async def until_asked(self, slack: int, instagram: int) -> None:
        async with asyncio.timeout(60):
            while self.asked != (slack, instagram):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.fixture(params=ENGINES, scope="module")
async def shop(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    folder, prefix, servers = tmp_path_factory.mktemp("names"), f"t-{uuid.uuid4().hex[:8]}.", {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    slack, instagram = SlackVendor(pace=0.0002), Instagram()
    tenants = config_of(folder)["tenants"]
    async with AsyncExitStack() as stack:
        for vendor in (slack, instagram):
            await stack.enter_async_context(vendor.serving())
            tenants["plantstore"]["channels"][vendor.name] = {"main": vendor.settings()}
        parley = Installation.make(fork_server, folder, prefix=prefix, tenants=tenants, **servers)
        await parley.prepare()
        await parley.start()
        if parley.scaled:
            await parley.put_documents()
        for vendor in (slack, instagram):
            vendor.call(f"{parley.base}/v1/webhooks/{vendor.name}/plantstore/main")
        yield Shop(parley, slack, instagram)
        await parley.stop()


@pytest.mark.timeout(300)
async def test_contacts_are_known_by_the_vendors_word_and_nobody_is_merged_by_it(shop: Shop) -> None:
    """Three people of one name are three, each asked about once."""
    for person in ("anna", "bella"):
        shop.instagram.person(person).profile_name = NAME
        await shop.instagram.say(person, QUESTIONS[0])
    shop.slack.people.say(NAME, QUESTIONS[0])
    items = await shop.listed(named=3)
    assert [item["contact_name"] for item in items] == [NAME] * 3
    assert len({item["contact_id"] for item in items}) == len({item["id"] for item in items}) == 3
    for vendor, person in ((shop.instagram, "anna"), (shop.instagram, "bella"), (shop.slack, NAME)):
        assert "heat pack" in (await shop.shown(vendor, person)).text
    for item in items:
        assert await shop.first_author(item["id"]) == ("contact", NAME)
    assert shop.asked == (1, 2)


@pytest.mark.timeout(300)
async def test_answers_come_where_names_do_not(shop: Shop) -> None:
    """Slack says that it may not tell, and is asked for nobody else then; Instagram says nothing for a minute."""
    before, named = shop.asked, await shop.named()
    shop.slack.scopes.discard("users:read")
    shop.instagram.faults.next(Fault("slow", "profile", seconds=60))
    shop.slack.people.say("Ben", QUESTIONS[1])
    shop.slack.people.say("Cleo", QUESTIONS[1])
    await shop.instagram.say("dora", QUESTIONS[2])
    assert "30 days" in (await shop.shown(shop.slack, "Ben")).text
    assert "30 days" in (await shop.shown(shop.slack, "Cleo")).text
    assert "rain water" in (await shop.shown(shop.instagram, "dora")).text
    await shop.until_asked(before[0] + 1, before[1] + 1)
    assert await shop.named() == named
