"""Many files while Google refuses, fails and cuts connections, and while the sync is killed again and again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from agent_worker.sources.drive import client
from agent_worker.sources.drive.source import GoogleDrive
from agent_worker.sources.retries import Retries
from schemas.errors import Forbidden, RateLimited, Unauthorized, Unavailable
from tests.harness.sizes import size
from tests.platforms.drive.items import FOLDER
from tests.platforms.drive.server_state import OUTAGES, Fault
from tests.platforms.drive.workspace import ACCOUNT, DriveWorkspace, article, sheet
from tests.unit.sources.drive.publisher import Publisher

COUNT = size(200, full=1_000)
KILLS = size(6, full=20)


@dataclass(frozen=True)
class RecordingRetries(Retries):
    """Keeps the seconds that the server asked for, and does not wait."""

    requested: list[float] = field(default_factory=list)

    def delay(self, attempt: int, retry_after: float) -> float:
        self.requested.append(retry_after)
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("saving", [20, 1_000_000], ids=["memory kept", "memory lost"])
async def test_many_files_are_exact_after_refusals_and_kills(
    workspace: DriveWorkspace, publisher: Publisher, saving: int
) -> None:
    """Memory that is lost costs time only: without it, each sync begins anew."""
    chance = random.Random(17)
    ids = workspace.fill(COUNT, workspace.root, folders=COUNT // 25)
    workspace.server.faults.storm(0.03, seed=17)
    publisher.save_every = saving
    for _ in range(KILLS):
        await publisher.sync_and_kill(after=chance.randint(1, COUNT * 3 // 20))
    outcome = await publisher.sync()
    assert (outcome.skipped, outcome.notes, outcome.removed) == ({}, [], [])
    assert {id: content.body for id, content in publisher.published.items()} == {
        f"drive-{id}": article(number).strip() for number, id in enumerate(ids)
    }
    exported = workspace.server.count()["files.export"]
    assert exported < 1.1 * COUNT + KILLS * 20 if saving == 20 else exported > COUNT
    workspace.server.faults.storm(0, seed=0)
    assert len((await publisher.sync()).unchanged) == COUNT
    again = workspace.server.count()
    assert again.total() <= 0.05 * COUNT
    assert again.total() == 3


@pytest.mark.slow
async def test_changes_are_exact_after_refusals_and_kills(workspace: DriveWorkspace, publisher: Publisher) -> None:
    """Edits, deletions and moves between and during syncs that are killed; the last one is not."""
    chance, items = random.Random(5), workspace.items
    ids = workspace.fill(150, workspace.root, folders=12)
    folders = [item.id for item in items.items.values() if item.type == FOLDER and item.parent]
    outside = items.add("Outside", FOLDER, shared_with=frozenset({ACCOUNT}))
    await publisher.sync()
    publisher.save_every = 3
    workspace.server.faults.storm(0.05, seed=5)
    for turn in range(20):
        for id in chance.sample(ids, 8):
            if id in items.items:
                match chance.randrange(4):
                    case 0:
                        workspace.edit_document(id, article(turn, price=turn))
                    case 1:
                        items.move(id, chance.choice([*folders, outside]))
                    case 2:
                        items.trash(id, trashed=not items.items[id].trashed)
                    case _:
                        items.delete(id)
        items.move(folders[-1], chance.choice([outside, workspace.root, folders[0]]))
        await publisher.sync_and_kill(after=chance.randint(1, 12))
    await publisher.sync()
    expected = {
        f"drive-{id}": items.items[id].exports["text/markdown"].decode().strip()
        for id in ids
        if id in items.items and not items.is_trashed(id) and is_below(workspace, id)
    }
    assert {id: content.body for id, content in publisher.published.items()} == expected
    assert 20 < len(expected) < 150


def is_below(workspace: DriveWorkspace, id: str) -> bool:
    while id and id != workspace.root:
        id = workspace.items.items[id].parent
    return bool(id)


@pytest.mark.parametrize("fault", OUTAGES, ids=lambda fault: str(fault.status))
async def test_a_file_that_cannot_be_read_now_stays_and_the_others_are_read(
    workspace: DriveWorkspace, publisher: Publisher, fault: Fault
) -> None:
    id = workspace.document("First", "First text.", workspace.root)
    await publisher.sync()
    workspace.edit_document(id, "First text, edited.")
    workspace.document("Second", "Second text.", workspace.root)
    workspace.server.faults.next(
        "files.export", *[fault] * (8 if fault.status else 16)
    )  # a cut connection is tried twice
    outcome = await publisher.sync()
    assert list(outcome.skipped) == ["Help/First"]
    assert publisher.bodies() == "First text.\nSecond text."
    assert (await publisher.sync()).read == [f"drive-{id}"]


async def test_an_outage_ends_the_sync_after_a_few_files(workspace: DriveWorkspace, publisher: Publisher) -> None:
    workspace.fill(50, workspace.root, folders=0)
    workspace.server.faults.always["files.export"] = Fault(503, "backendError")
    with pytest.raises(Unavailable):
        await publisher.sync()
    assert workspace.server.count()["files.export"] == 3 * GoogleDrive.retries.attempts


async def test_a_failed_spreadsheet_whose_documents_are_not_known_removes_none(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    workspace.spreadsheet("Prices", workspace.root, sheet(0, "A", ("a", "b")), sheet(7, "B", ("c", "d")))
    await publisher.sync()
    publisher.saved.memory = "{}"
    workspace.server.faults.next("spreadsheets.get", *[Fault(500)] * 8)
    assert (await publisher.sync()).removed == []
    assert len(publisher.published) == 2


async def test_the_time_that_google_asks_for_is_waited(
    workspace: DriveWorkspace, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries = RecordingRetries("Google Drive")
    monkeypatch.setattr(GoogleDrive, "retries", retries)
    workspace.document("D", "Text.", workspace.root)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    asked = [{"Retry-After": "7"}, {"Retry-After": date}, {"Retry-After": "soon"}, {}]
    workspace.server.faults.next("files.export", *[Fault(429, "rateLimitExceeded", each) for each in asked])
    await publisher.sync()
    assert retries.requested[0] == 7
    assert 90 < retries.requested[1] <= 100
    assert retries.requested[2:] == [0, 0]


async def test_a_long_wait_ends_the_sync_at_once_and_keeps_what_was_read(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    workspace.fill(5, workspace.root, folders=0)
    publisher.save_every = 1
    workspace.server.faults.next("files.export", Fault(200), Fault(429, "rateLimitExceeded", {"Retry-After": "3600"}))
    with pytest.raises(RateLimited) as error:
        await publisher.sync()
    assert error.value.retry_after_ms == 3_600_000
    assert workspace.server.count()["files.export"] == 2
    await publisher.sync()
    assert len(publisher.published) == 5


async def test_googles_quota_is_kept_by_backing_off(workspace: DriveWorkspace, publisher: Publisher) -> None:
    """Sixty reads of spreadsheets a minute; here a minute is short."""
    workspace.server.window_s = 0.05
    workspace.server.sheets_quota = 10
    for number in range(60):
        workspace.spreadsheet(f"S{number}", workspace.root, sheet(0, "A", ("a", f"b{number}")))
    outcome = await publisher.sync()
    assert len(outcome.read) == 60
    assert workspace.server.count()["spreadsheets.get"] > 60


def test_the_backoff_grows_is_jittered_and_stays_below_its_limit() -> None:
    retries = GoogleDrive.retries
    delays = [[Retries.delay(retries, attempt, 0) for _ in range(50)] for attempt in range(retries.attempts)]
    for attempt, drawn in enumerate(delays):
        most = min(64.0, 2.0**attempt)
        assert most / 2 <= min(drawn) < max(drawn) <= most
    assert sum(min(drawn) for drawn in delays) > 60, "a quota per minute is over by then"


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_token_that_was_revoked_is_renewed_once(workspace: DriveWorkspace, publisher: Publisher) -> None:
    workspace.fill(6, workspace.root, folders=0)
    seen = 0

    def revoke() -> None:
        nonlocal seen
        seen += 1
        if seen == 5:
            workspace.server.tokens.revoke_access_tokens()

    workspace.server.on_request = revoke
    assert len((await publisher.sync()).read) == 6
    assert workspace.server.count()["token"] == 2


async def test_an_access_token_that_is_refused_although_new_ends_the_sync(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    workspace.server.faults.always["files.get"] = Fault(401, "authError")
    with pytest.raises(Unauthorized) as error:
        await publisher.sync()
    assert "set new credentials" in error.value.fix
    assert workspace.server.count() == {"token": 2, "files.get": 2}


@pytest.mark.parametrize(
    ("reason", "fix"), [("accessNotConfigured", "enable the Google Drive API"), ("insufficientPermissions", "scope")]
)
async def test_a_project_without_the_api_or_the_scope_says_so(
    workspace: DriveWorkspace, publisher: Publisher, reason: str, fix: str
) -> None:
    workspace.server.faults.always["files.get"] = Fault(403, reason)
    with pytest.raises(Forbidden) as error:
        await publisher.sync()
    assert fix in error.value.fix


async def test_without_the_sheets_api_spreadsheets_are_reported_after_one_request(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    for number in range(5):
        workspace.spreadsheet(f"S{number}", workspace.root, sheet(0, "A", ("a", "b")))
    workspace.document("D", "Text.", workspace.root)
    workspace.server.is_sheets_enabled = False
    outcome = await publisher.sync()
    assert len(outcome.skipped) == 5
    assert all("enable the Google Drive API and the Google Sheets API" in why for why in outcome.skipped.values())
    assert workspace.server.count()["spreadsheets.get"] == 1
    assert publisher.bodies() == "Text."
    workspace.server.is_sheets_enabled = True
    assert len((await publisher.sync()).read) == 5


async def test_a_file_that_may_not_be_downloaded_any_more_is_removed_and_reported(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    id = workspace.document("Closed", "Closed text.", workspace.root)
    workspace.document("Open", "Open text.", workspace.root)
    await publisher.sync()
    workspace.items.allow_download(id, False)
    outcome = await publisher.sync()
    assert outcome.removed == [f"drive-{id}"]
    assert "download" in outcome.skipped["Help/Closed"]
    workspace.items.allow_download(id, True)
    assert (await publisher.sync()).read == [f"drive-{id}"]


async def test_a_spreadsheet_that_is_no_longer_shared_while_it_is_read_is_removed(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    id = workspace.spreadsheet("S", workspace.root, sheet(0, "A", ("a", "b")))
    workspace.document("D", "Text.", workspace.root)
    await publisher.sync()
    workspace.items.rename(id, "Renamed")
    workspace.server.faults.next("spreadsheets.get", Fault(403, "PERMISSION_DENIED"))
    assert (await publisher.sync()).removed == [f"drive-{id}-0"]


async def test_what_an_emptied_document_said_is_gone(workspace: DriveWorkspace, publisher: Publisher) -> None:
    id = workspace.document("Emptied", "Old text.", workspace.root)
    prices = workspace.spreadsheet("Prices", workspace.root, sheet(0, "A", ("a", "b")), sheet(1, "B", ("c", "d")))
    workspace.document("D", "Text.", workspace.root)
    await publisher.sync()
    workspace.edit_document(id, "\n\n---\n")
    workspace.items.edit(prices, sheets=(sheet(1, "B", ("c", "d")),))
    outcome = await publisher.sync()
    assert (set(outcome.removed), outcome.skipped) == ({f"drive-{id}", f"drive-{prices}-0"}, {})
    assert len((await publisher.sync()).unchanged) == 2


async def test_a_document_beyond_the_export_limit_is_read_as_text(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    exports = {"text/markdown": b"x" * (10 * 1024 * 1024 + 1), "text/plain": b"\xef\xbb\xbfOnly the text."}
    workspace.items.add("Pictures", "application/vnd.google-apps.document", workspace.root, exports=exports)
    await publisher.sync()
    assert publisher.bodies() == "Only the text."
    assert [content.title for content in publisher.published.values()] == ["Pictures"]


async def test_what_can_never_be_read_is_reported_without_being_fetched_again(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    workspace.file("locked.pdf", "application/pdf", b"not a PDF", workspace.root)
    workspace.file("huge.txt", "text/plain", b"x" * (20 * 1024 * 1024 + 1), workspace.root)
    big = {"text/plain": b"x" * (10 * 1024 * 1024 + 1)}
    workspace.items.add("Slides", "application/vnd.google-apps.presentation", workspace.root, exports=big)
    table = workspace.file("table.csv", "text/csv", b"plant,price\nFern,12\n", workspace.root)
    workspace.document("Good", "Good text.", workspace.root)
    outcome = await publisher.sync()
    assert set(outcome.skipped) == {"Help/locked.pdf", "Help/huge.txt", "Help/Slides", "Help/table.csv"}
    assert workspace.server.count()["files.get"] == 3, "the folder, the PDF and the table, not what is too large"
    again = await publisher.sync()
    assert set(again.skipped) == set(outcome.skipped)
    assert workspace.server.count() == {"token": 1, "files.get": 1, "changes.list": 1}
    workspace.items.edit(table, data=b"question,answer\nWhat is it?,A fern.\n")
    assert len((await publisher.sync()).read) == 1


async def test_an_answer_beyond_the_limits_is_not_read_to_its_end(
    workspace: DriveWorkspace, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_LIST_BYTES", 2_000)
    workspace.fill(50, workspace.root, folders=0)
    with pytest.raises(Exception, match="larger than"):
        await publisher.sync()
