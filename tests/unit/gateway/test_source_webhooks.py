"""Notifications of Notion: verified, signed, and followed by a sync."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.documents import sync_service
from gateway.documents.sync_service import SyncService
from gateway.http import source_webhooks
from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.webhook_subscription import WebhookSubscription
from tests.platforms.notion.workspace import Workspace, paragraph
from tests.unit.gateway.conftest import TEXT, Instance, run_instance

DEADLINE_S = 60
TOKEN = "secret_simulated_verification"
SOURCE = """
    knowledge:
      sources:
        - location: notion://
          sync_minutes: 0
          options: {{token: ntn_simulated, address: "{address}", requests_per_second: 100{token}}}
"""


class WebhookShop:
    """An instance whose tenant `shop` has a Notion workspace as its source, synced only when it is told to."""

    def __init__(self, instance: Instance, notion: NotionServer, source: str) -> None:
        self.instance = instance
        self.notion = notion
        self.page = notion.workspace.page("Prices", paragraph("A small flytrap costs 7 euro."), share=True)
        self.subscription = self.subscribe(source)

    def subscribe(self, source: str, token: str = TOKEN) -> WebhookSubscription:
        return WebhookSubscription(self.instance.http, f"{self.instance.address}/v1/sources/shop/{source}", token)

    async def source(self) -> dict[str, Any]:
        (item,) = (await self.instance.admin("GET", "/knowledge/sources")).body["items"]
        return dict(item)

    async def until(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                item = await self.source()
                if is_so(item):
                    return item
                await asyncio.sleep(0.02)

    async def synced(self, after: str = "") -> dict[str, Any]:
        """The source, when the sync after that of ``after`` has ended. Time passes until it is due."""
        self.instance.clock.now += timedelta(minutes=1)
        return await self.until(lambda item: bool(item["last"]) and item["last"]["started"] > after)

    async def body(self) -> str:
        (document,) = (await self.instance.admin("GET", "/knowledge")).body["items"]
        return str((await self.instance.admin("GET", f"/knowledge/{document['document']}")).body["body"])


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> AsyncIterator[WebhookShop]:
    """Parametrized with the ``webhook_token``."""
    monkeypatch.setattr(sync_service, "TICK_S", 0.05)
    monkeypatch.setattr(source_webhooks, "VERIFICATION_PAUSE_S", 0.0)
    token = getattr(request, "param", TOKEN)
    notion = NotionServer(Workspace())
    notion.rate = 1_000.0
    async with notion.serving():
        settings = SOURCE.format(address=notion.address, token=f", webhook_token: {token}" if token else "")
        name = "    name: Shop\n"
        async with run_instance(tmp_path, TEXT.replace(name, name + settings.lstrip("\n"), 1)) as instance:
            (item,) = (await instance.admin("GET", "/knowledge/sources")).body["items"]
            service = asyncio.create_task(SyncService(instance.services).run())
            try:
                yield WebhookShop(instance, notion, item["source"])
            finally:
                service.cancel()
                await asyncio.gather(service, return_exceptions=True)


async def test_an_edit_that_notion_announces_is_in_the_next_answer(shop: WebhookShop) -> None:
    assert await shop.subscription.announce(shop.page, "page.created") == 200
    first = await shop.synced()
    assert "7 euro" in await shop.body()
    shop.notion.workspace.rewrite(shop.page, paragraph("A small flytrap costs 9 euro."))
    assert await shop.subscription.announce(shop.page) == 200
    await shop.synced(first["last"]["started"])
    assert "9 euro" in await shop.body()


async def test_notifications_that_follow_each_other_cost_one_sync(shop: WebhookShop) -> None:
    for _ in range(20):
        assert await shop.subscription.announce(shop.page) == 200
    first = await shop.synced()
    shop.instance.clock.now += timedelta(minutes=1)
    assert (await shop.source())["requested_at"] is None
    assert (await shop.source())["last"] == first["last"]


@pytest.mark.parametrize("shop", [""], indirect=True)
async def test_operators_see_the_token_that_verifies_a_subscription_and_no_log_does(shop: WebhookShop) -> None:
    """Until it is configured, nothing else is accepted from Notion."""
    with capture_logs() as logs:
        assert await shop.subscription.verify() == 200
    assert TOKEN not in str(logs)
    assert (await shop.source())["verification_token"] == TOKEN
    assert await shop.subscription.announce(shop.page) == 401
    assert (await shop.source())["requested_at"] is None


async def test_the_first_notification_shows_that_the_token_was_entered(shop: WebhookShop) -> None:
    assert await shop.subscription.verify() == 200
    await shop.subscription.announce(shop.page)
    assert (await shop.source())["verification_token"] == ""


FORGED: dict[str, dict[str, str]] = {
    "another signature": {"X-Notion-Signature": f"sha256={'0' * 64}"},
    "no signature": {"X-Notion-Signature": ""},
    "a signature that is no ASCII": {"X-Notion-Signature": "sha256=é"},
}


@pytest.mark.parametrize("case", FORGED)
async def test_a_forged_notification_is_refused(shop: WebhookShop, case: str) -> None:
    assert await shop.subscription.announce(shop.page, **FORGED[case]) == 401
    assert (await shop.source())["requested_at"] is None


async def test_a_notification_signed_with_another_token_is_refused(shop: WebhookShop) -> None:
    source = (await shop.source())["source"]
    assert await shop.subscribe(source, "secret_of_somebody_else").announce(shop.page) == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"type": 7}', b'{"verification_token": "' + b"x" * 201 + b'"}'])
async def test_what_is_no_notification_gets_a_clear_refusal(shop: WebhookShop, body: bytes) -> None:
    assert await shop.subscription.post(body) in (400, 401)


async def test_other_sources_and_tenants_have_no_webhook(shop: WebhookShop) -> None:
    for path in ("shop/notion-00000000", "elsewhere/notion-00000000"):
        answer = await shop.instance.call("POST", f"/v1/sources/{path}", {"verification_token": "x"}, token=None)
        assert answer.status == 404


async def test_verifications_are_few(shop: WebhookShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not signed, so anybody can send any number."""
    monkeypatch.setattr(source_webhooks, "VERIFICATION_PAUSE_S", 60.0)
    assert await shop.subscription.verify() == 200
    assert await shop.subscription.verify() == 429
