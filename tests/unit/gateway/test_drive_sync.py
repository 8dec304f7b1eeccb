"""Documents from Google Drive through the real sync: what a search finds afterwards, and what it finds no more."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_worker.sources.drive.source import GoogleDrive
from gateway.config import loader as configuration
from gateway.documents import document_sources
from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import LocalDocumentStore
from gateway.documents.sync import SyncReport, sync_documents
from tests.platforms.drive import serve_drive
from tests.platforms.drive.items import FOLDER
from tests.platforms.drive.workspace import ACCOUNT, DriveWorkspace, article, kill_after
from tests.unit.gateway.conftest import Instance


class DriveSyncCommand:
    """`parley knowledge sync` of one folder, without a process."""

    def __init__(self, instance: Instance, folder: Path, workspace: DriveWorkspace) -> None:
        self._instance = instance
        self.state_file = folder / "read.json"
        self.workspace = workspace
        self.location = f"drive://{workspace.root}"

    async def sync(self, tenant: str = "shop", **fields: Any) -> SyncReport:
        source = DocumentSource(self.location, self.location, options=self.workspace.options(), **fields)
        store = LocalDocumentStore(self._instance.services, tenant)
        return await sync_documents(store, [source], remove=True, crawl_states=CrawlStateStore(self.state_file))

    async def find(self, query: str, tenant: str = "shop", assurance: str = "anonymous") -> dict[str, Any]:
        """The best passage."""
        await self._instance.settled()
        asked = {"query": query, "k": 1, "assurance": assurance}
        answer = await self._instance.call("POST", f"/v1/admin/{tenant}/knowledge/search", asked)
        return dict(answer.body["passages"][0]) if answer.body["passages"] else {"text": ""}


@pytest.fixture
async def workspace(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DriveWorkspace]:
    monkeypatch.setattr(GoogleDrive, "retries", replace(GoogleDrive.retries, first_delay_s=0.002, max_delay_s=0.02))
    async with serve_drive() as server:
        yield DriveWorkspace(server)


@pytest.fixture
def command(instance: Instance, tmp_path: Path, workspace: DriveWorkspace) -> DriveSyncCommand:
    return DriveSyncCommand(instance, tmp_path, workspace)


async def test_an_edit_is_in_the_next_answer_and_the_citation_opens_the_file(command: DriveSyncCommand) -> None:
    ids = command.workspace.fill(12, command.workspace.root, folders=3)
    assert len((await command.sync()).added) == 12
    found = await command.find("What does plant 5 cost?")
    assert "Plant 5 costs 7 euro" in found["text"]
    assert found["url"] == f"https://docs.google.com/document/d/{ids[5]}/edit?usp=drivesdk"
    command.workspace.edit_document(ids[5], article(5, price=9))
    report = await command.sync()
    assert (report.changed, report.added, report.removed) == ([f"drive-{ids[5]}"], [], [])
    assert "Plant 5 costs 9 euro" in (await command.find("What does plant 5 cost?"))["text"]


@pytest.mark.slow
async def test_no_removed_sentence_is_found_after_one_sync(command: DriveSyncCommand) -> None:
    """Files that are deleted, trashed, moved out, or whose folder is not shared any more."""
    workspace = command.workspace
    workspace.server.faults.storm(0.03, seed=3)
    ids = workspace.fill(160, workspace.root, folders=10)
    outside = workspace.items.add("Outside", FOLDER)
    assert len((await command.sync()).added) == 160
    workspace.server.count()
    folder = workspace.items.items[ids[4]].parent
    for number in (1, 2, 3):
        workspace.items.delete(ids[number + 20])
        workspace.items.trash(ids[number + 40])
        workspace.items.move(ids[number + 60], outside)
        workspace.items.limit_access(ids[number + 80])
    workspace.items.limit_access(folder)
    gone = [number for number, id in enumerate(ids) if not is_readable(workspace, id)]
    assert 25 < len(gone) < 80
    report = await command.sync()
    assert set(report.removed) == {f"drive-{ids[number]}" for number in gone}
    assert (report.failed, report.notes, report.held) == ({}, [], {})
    for number in range(160):
        text = (await command.find(f"What does plant {number} cost?"))["text"]
        assert (f"Plant {number} costs" in text) == (number not in gone)


def is_readable(workspace: DriveWorkspace, id: str) -> bool:
    items = workspace.items
    if id not in items.items or items.is_trashed(id) or not items.sees(ACCOUNT, id):
        return False
    while id and id != workspace.root:
        id = items.items[id].parent
    return bool(id)


@pytest.mark.slow
async def test_a_sync_that_is_killed_twenty_times_is_exact_in_the_end(
    command: DriveSyncCommand, instance: Instance
) -> None:
    chance, workspace = random.Random(8), command.workspace
    ids = workspace.fill(60, workspace.root, folders=8)
    workspace.server.faults.storm(0.05, seed=8)
    for _ in range(20):
        await kill_after(workspace.server, command.sync(), chance.randint(1, 60))
    report = await command.sync()
    assert (report.failed, report.notes, report.removed) == ({}, [], [])
    await instance.settled()
    listed = (await instance.admin("GET", "/knowledge?limit=100")).body["items"]
    assert {item["document"] for item in listed} == {f"drive-{id}" for id in ids}
    assert len((await command.sync()).unchanged) == 60


async def test_a_document_that_was_edited_here_is_read_again(command: DriveSyncCommand, instance: Instance) -> None:
    (id,) = command.workspace.fill(1, command.workspace.root, folders=0)
    await command.sync()
    await instance.admin("PUT", f"/knowledge/drive-{id}", {"title": "T", "body": "Edited.", "source": command.location})
    await instance.settled()
    assert (await command.sync()).changed == [f"drive-{id}"]
    assert "Plant 0 costs 7 euro" in (await command.find("What does plant 0 cost?"))["text"]


async def test_internal_documents_stay_internal_and_with_their_tenant(command: DriveSyncCommand) -> None:
    command.workspace.fill(3, command.workspace.root, folders=0)
    await command.sync(visibility="internal")
    assert (await command.find("What does plant 1 cost?", assurance="verified"))["text"] == ""
    await command.sync()
    assert "Plant 1" in (await command.find("What does plant 1 cost?"))["text"]
    assert (await command.find("What does plant 1 cost?", tenant="other"))["text"] == ""


async def test_a_folder_that_is_no_longer_shared_is_reported_and_removes_nothing(command: DriveSyncCommand) -> None:
    """As with wrong credentials, it may be a mistake; the report says what to do."""
    command.workspace.fill(3, command.workspace.root, folders=0)
    await command.sync()
    command.workspace.items.unshare(command.workspace.root, ACCOUNT)
    report = await command.sync()
    assert report.removed == []
    assert f"share the folder with {ACCOUNT}" in report.failed[command.location]


async def test_the_state_between_syncs_holds_no_secret(command: DriveSyncCommand) -> None:
    command.workspace.fill(3, command.workspace.root, folders=0)
    await command.sync()
    state = command.state_file.read_text()
    key = json.loads(command.workspace.options()["service_account"])
    assert "changes" not in state
    assert json.loads(state)[command.location]["noted"]["tree"]["token"].isdigit()
    assert key["private_key"].split("\n")[1] not in state
    assert not any(token in state for token in command.workspace.server.tokens.issued)


def test_the_key_comes_from_a_file_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"private_key": "hush-secret"}')
    (tmp_path / "parley.yaml").write_text(
        "tenants:\n  shop:\n    name: Shop\n    knowledge:\n      sources:\n"
        "        - {location: drive://1abc, options: {service_account: file:key.json, relist_hours: 12}}\n"
    )
    config = configuration.load(tmp_path / "parley.yaml", environ={})
    (source,) = document_sources.configured_sources(config, "shop")
    assert source.location == source.label == "drive://1abc"
    assert source.options == {
        "private_hosts": [], "service_account": '{"private_key": "hush-secret"}', "relist_hours": 12,
    }  # fmt: skip
    assert "hush-secret" not in repr(config)
