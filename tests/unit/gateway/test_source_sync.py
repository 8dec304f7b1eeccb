"""Sources that the instance syncs by itself: when, by whom, what operators see, and what waits for their decision."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from agent_worker.sources.drive.source import GoogleDrive
from gateway.commands.common.instance import ADDRESS_FILE
from gateway.doctor.knowledge_sources import check_sources
from gateway.documents import sync_service
from gateway.documents.schedule import SyncSchedule
from gateway.documents.sync_service import SyncService
from infra.telemetry import PrometheusMetrics
from tests.platforms.drive import serve_drive
from tests.platforms.drive.server_state import Fault
from tests.platforms.drive.workspace import ACCOUNT, DriveWorkspace, article
from tests.unit.gateway.conftest import TEXT, Instance, run_instance

DEADLINE_S = 60
SOURCE = """
    knowledge:
      sources:
        - location: drive://{root}
          options: {{service_account: {key}, api_url: "{url}"}}
      private_hosts: ["{host}"]
"""


class SyncShop:
    """An instance whose tenant `shop` has one folder of Drive as its source."""

    def __init__(self, instance: Instance, workspace: DriveWorkspace) -> None:
        self.instance = instance
        self.workspace = workspace

    @asynccontextmanager
    async def syncing(self, services: int = 1) -> AsyncIterator[None]:
        """So many processes' services run."""
        tasks = [asyncio.create_task(SyncService(self.instance.services).run()) for _ in range(services)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def source(self) -> dict[str, Any]:
        (item,) = (await self.instance.admin("GET", "/knowledge/sources")).body["items"]
        return dict(item)

    async def until(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The source, once it is so."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                item = await self.source()
                if is_so(item):
                    return item
                await asyncio.sleep(0.02)

    async def synced(self, before: dict[str, Any] | None = None) -> dict[str, Any]:
        """The source after the next sync, or after the first."""
        last = before["last"]["started"] if before else ""
        return await self.until(lambda item: bool(item["last"]) and item["last"]["started"] != last)

    async def poll(self) -> dict[str, Any]:
        """The source after its next sync on schedule."""
        before = await self.source()
        self.instance.clock.now = datetime.fromisoformat(before["next_run"]) + timedelta(seconds=1)
        return await self.synced(before)

    async def demand(self, **body: Any) -> dict[str, Any]:
        self.instance.clock.tick(1)
        before = await self.source()
        answer = await self.instance.admin("POST", f"/knowledge/sources/{before['source']}/sync", body)
        assert answer.status == 202
        return await self.synced(before)

    async def decide(self, decision: str) -> Any:
        path = f"/knowledge/sources/{(await self.source())['source']}/removals"
        return await self.instance.admin("POST", path, {"decision": decision})

    async def found(self, number: int) -> bool:
        """Whether a customer is answered from the document with this number."""
        await self.instance.settled()
        asked = {"query": f"What does plant {number} cost?", "k": 1}
        passages = (await self.instance.admin("POST", "/knowledge/search", asked)).body["passages"]
        return bool(passages) and f"Plant {number} costs" in passages[0]["text"]

    async def count(self) -> int:
        return len((await self.instance.admin("GET", "/knowledge?limit=200")).body["items"])


@pytest.fixture
async def workspace(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DriveWorkspace]:
    retries = replace(GoogleDrive.retries, attempts=2, first_delay_s=0.002, max_delay_s=0.02)
    monkeypatch.setattr(GoogleDrive, "retries", retries)
    monkeypatch.setattr(sync_service, "TICK_S", 0.05)
    async with serve_drive() as server:
        yield DriveWorkspace(server)


@pytest.fixture
async def shop(workspace: DriveWorkspace, tmp_path: Path) -> AsyncIterator[SyncShop]:
    server = workspace.server
    key = json.dumps(workspace.account.key_file(f"{server.url}/token"))
    settings = SOURCE.format(root=workspace.root, key=key, url=server.url, host=server.host)
    name = "    name: Shop\n"
    async with run_instance(tmp_path, TEXT.replace(name, name + settings.lstrip("\n"), 1)) as instance:
        yield SyncShop(instance, workspace)


async def test_a_source_is_synced_at_the_start_and_then_on_its_schedule(shop: SyncShop) -> None:
    ids = shop.workspace.fill(12, shop.workspace.root, folders=2)
    async with shop.syncing():
        first = await shop.synced()
        assert (first["last"]["result"], first["last"]["counts"]["added"]) == ("succeeded", 12)
        wait = datetime.fromisoformat(first["next_run"]) - shop.instance.clock()
        assert timedelta(minutes=4.4) < wait < timedelta(minutes=5.6)
        shop.workspace.edit_document(ids[3], article(3, price=9))
        second = await shop.poll()
        assert second["last"]["changed"] == [f"drive-{ids[3]}"]
        assert second["last"]["counts"]["unchanged"] == 11
        metrics = shop.instance.services.metrics
        assert isinstance(metrics, PrometheusMetrics)
        labels = f'source="{first["source"]}",tenant="shop"'
        counted = f'parley_knowledge_sync_runs_total{{result="succeeded",{labels}}} 2.0'
        # A run is counted just after it is recorded.
        await shop.until(lambda _: counted in metrics.render().decode())
        shown = metrics.render().decode()
        assert f'parley_knowledge_sync_documents_total{{outcome="added",{labels}}} 12.0' in shown


async def test_sync_now_does_not_wait_for_the_schedule(shop: SyncShop) -> None:
    shop.workspace.fill(2, shop.workspace.root, folders=0)
    async with shop.syncing():
        await shop.synced()
        shop.workspace.document("New", article(7), shop.workspace.root)
        assert (await shop.demand())["last"]["counts"]["added"] == 1
    missing = await shop.instance.admin("POST", "/knowledge/sources/drive-00000000/sync", {})
    assert (missing.status, missing.code) == (404, "not_found")


async def test_two_services_never_sync_a_source_at_once(shop: SyncShop) -> None:
    """Each sync has an access token of its own: the requests with one are never among those with another."""
    shop.workspace.fill(30, shop.workspace.root, folders=3)
    async with shop.syncing(services=3):
        await shop.synced()
        for _ in range(4):
            await shop.poll()
            await shop.demand()
    bearers = [bearer for bearer, _ in itertools.groupby(each for each in shop.workspace.server.bearers if each)]
    assert len(bearers) == len(set(bearers)) == 9


async def test_one_unshared_document_of_many_goes_at_the_next_poll_unasked(shop: SyncShop) -> None:
    ids = shop.workspace.fill(20, shop.workspace.root, folders=0)
    async with shop.syncing():
        await shop.synced()
        assert await shop.found(4)
        shop.workspace.items.limit_access(ids[4])
        item = await shop.poll()
        assert (item["last"]["removed"], item["held"]) == ([f"drive-{ids[4]}"], None)
        assert not await shop.found(4)


@pytest.mark.parametrize("lost", ["a third", "all"])
async def test_many_lost_documents_answer_nothing_more_but_are_not_removed_until_it_is_approved(
    shop: SyncShop, lost: str
) -> None:
    ids = shop.workspace.fill(15, shop.workspace.root, folders=0)
    gone = range(5) if lost == "a third" else range(15)
    async with shop.syncing():
        await shop.synced()
        if lost == "all":
            shop.workspace.items.unshare(shop.workspace.root, ACCOUNT)
        for number in gone if lost == "a third" else ():
            shop.workspace.items.limit_access(ids[number])
        item = await shop.poll()
        assert set(item["held"]["documents"]) == {f"drive-{ids[number]}" for number in gone}
        assert (item["held"]["total"], item["held"]["hidden"], item["last"]["removed"]) == (15, len(gone), [])
        assert [await shop.found(number) for number in range(15)] == [number not in gone for number in range(15)]
        assert await shop.count() == 15
        again = await shop.poll()
        assert again["held"] == item["held"], "it is asked once, not anew at every sync"
        answer = await shop.decide("approve")
        assert set(answer.body["documents"]) == set(item["held"]["documents"])
        await shop.instance.settled()
        assert await shop.count() == 15 - len(gone)
        assert ((await shop.poll())["held"], (await shop.decide("approve")).code) == (None, "conflict")


async def test_a_discarded_removal_keeps_the_documents_as_they_were(shop: SyncShop) -> None:
    ids = shop.workspace.fill(15, shop.workspace.root, folders=0)
    async with shop.syncing():
        await shop.synced()
        for number in range(5):
            shop.workspace.items.delete(ids[number])
        await shop.poll()
        assert not await shop.found(2)
        assert (await shop.decide("discard")).status == 200
        assert all([await shop.found(number) for number in range(15)])
        item = await shop.poll()
        assert (item["held"], len(item["kept"]), item["last"]["removed"]) == (None, 5, [])
        assert await shop.count() == 15


async def test_documents_that_are_shared_again_answer_again_without_a_decision(shop: SyncShop) -> None:
    shop.workspace.fill(8, shop.workspace.root, folders=0)
    async with shop.syncing():
        await shop.synced()
        shop.workspace.items.unshare(shop.workspace.root, ACCOUNT)
        assert (await shop.poll())["held"]["hidden"] == 8
        shop.workspace.items.share(shop.workspace.root, ACCOUNT)
        item = await shop.poll()
        assert (item["held"], item["last"]["counts"]["changed"]) == (None, 8)
        assert all([await shop.found(number) for number in range(8)])


async def test_removals_may_be_allowed_beforehand(shop: SyncShop) -> None:
    shop.workspace.fill(8, shop.workspace.root, folders=0)
    async with shop.syncing():
        await shop.synced()
        shop.workspace.items.unshare(shop.workspace.root, ACCOUNT)
        item = await shop.demand(allow_removals=True)
        assert (item["held"], item["last"]["counts"]["removed"]) == (None, 8)


async def test_a_failing_source_is_tried_less_and_less_often_and_not_before_the_vendor_allows(
    shop: SyncShop,
) -> None:
    shop.workspace.fill(3, shop.workspace.root, folders=0)
    async with shop.syncing():
        await shop.synced()
        faults = shop.workspace.server.faults
        faults.always["files.get"] = Fault(503, "backendError")
        waits = []
        for failures in range(1, 5):
            item = await shop.poll()
            assert (item["last"]["result"], item["last"]["code"], item["failures"]) == (
                "failed",
                "unavailable",
                failures,
            )
            waits.append(datetime.fromisoformat(item["next_run"]) - shop.instance.clock())
        assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(waits))
        assert await shop.found(1), "what is known still answers"
        faults.always["files.get"] = Fault(503, "backendError", headers={"Retry-After": "7200"})
        item = await shop.poll()
        assert item["failures"] == 5
        assert datetime.fromisoformat(item["next_run"]) >= shop.instance.clock() + timedelta(hours=2)
        faults.always.clear()
        assert (await shop.poll())["failures"] == 0


async def test_a_source_without_a_success_becomes_stale_and_is_warned_of_once(shop: SyncShop) -> None:
    shop.workspace.fill(3, shop.workspace.root, folders=0)
    async with shop.syncing():
        await shop.synced()
        shop.workspace.server.faults.always["files.get"] = Fault(503, "backendError")
        with structlog.testing.capture_logs() as logs:
            polls = [await shop.poll() for _ in range(9)]
        assert [polls[0]["is_stale"], polls[-1]["is_stale"]] == [False, True]
        assert [each["location"] for each in logs if each["event"] == "source_stale"] == [
            f"drive://{shop.workspace.root}"
        ]
        (shop.instance.services.config.data_path / ADDRESS_FILE).write_text(shop.instance.address)
        (finding,) = await check_sources(shop.instance.services.config)
        assert (finding.status, finding.check) == ("warn", f"source {polls[0]['source']}")
        assert "successfully since 2026-05-04 09:30: Google Drive does not answer (status 503" in finding.detail
        shop.workspace.server.faults.always.clear()
        assert not (await shop.poll())["is_stale"]


async def test_the_doctor_tells_of_documents_that_could_not_be_read(shop: SyncShop) -> None:
    """The sync itself went well."""
    shop.workspace.fill(3, shop.workspace.root, folders=0)
    for name in ("damaged.pdf", "broken.pdf"):
        shop.workspace.file(name, "application/pdf", b"not a PDF", shop.workspace.root)
    async with shop.syncing():
        assert (await shop.synced())["last"]["result"] == "succeeded"
        (shop.instance.services.config.data_path / ADDRESS_FILE).write_text(shop.instance.address)
        (finding,) = await check_sources(shop.instance.services.config)
    assert finding.status == "warn"
    assert finding.detail.startswith("2 of its documents could not be read, first ")
    assert ".pdf: " in finding.detail


def test_the_schedule_of_a_source_that_is_synced_only_when_asked() -> None:
    schedule = SyncSchedule(0)
    now = datetime.fromisoformat("2026-05-04T09:30:00+00:00")
    assert schedule.next_run(now, 3, 60) is None
    assert not schedule.is_stale(now - timedelta(days=900), now)
