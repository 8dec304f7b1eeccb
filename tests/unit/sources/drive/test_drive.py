"""The Google Drive source against the simulator: what is read, what a change costs, and what disappears."""

from __future__ import annotations

import pytest

from tests.platforms.drive.items import FOLDER
from tests.platforms.drive.workspace import ACCOUNT, DriveWorkspace, article, sheet
from tests.unit.sources import document_files
from tests.unit.sources.drive.publisher import Publisher

PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


async def test_each_kind_of_file_is_read_with_its_title_and_its_link(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    inner = workspace.folder("Prices", workspace.root)
    moss = document_files.docx(
        document_files.paragraph("Moss", "Title") + document_files.paragraph("Moss costs 8 euro.")
    )
    ids = [
        workspace.document(
            "Returns v1.2", "# **Returns** {#returns}\n\nPots come back within 30 days.", workspace.root
        ),
        workspace.slides("Pitch", "Watering\n\nWater twice\x0ba week.", inner),
        workspace.spreadsheet("Price list", inner, sheet(0, "Plants", ("Plant", "Price"), ("Fern", "12,00 €"))),
        workspace.file("guide.pdf", PDF, document_files.pdf([(20, 700, "Guide"), (10, 600, "Feed the plant.")]), inner),
        workspace.file("moss.docx", WORD, moss, inner),
        workspace.file("notes.md", "text/plain", b"# Notes\n\nWe open at nine.", inner),
        workspace.file("old", "text/plain", b"OPENING HOURS\n\nWe close at six.", inner),
        workspace.file("faq.csv", "text/csv", b"question,answer\nIs it open?,Yes.\nIs it far?,No.\n", inner),
    ]
    workspace.file("photo.jpg", "image/jpeg", b"\xff\xd8", inner)
    workspace.items.add("Form", "application/vnd.google-apps.form", inner)
    outcome = await publisher.sync()
    assert (outcome.skipped, outcome.notes) == ({}, [])
    by_title = {content.title: content for content in publisher.published.values()}
    assert set(by_title) == {
        "Returns", "Pitch", "Price list", "Guide", "Moss", "Notes", "Opening hours", "Is it open?", "Is it far?",
    }  # fmt: skip
    assert by_title["Returns"].body == "# Returns\n\nPots come back within 30 days."
    assert by_title["Returns"].url == f"https://docs.google.com/document/d/{ids[0]}/edit?usp=drivesdk"
    assert by_title["Price list"].body == "# Price list\n\n| Plant | Price |\n| --- | --- |\n| Fern | 12,00 € |"
    assert by_title["Price list"].url == f"https://docs.google.com/spreadsheets/d/{ids[2]}/edit?usp=drivesdk#gid=0"
    assert by_title["Guide"].url == f"https://drive.google.com/file/d/{ids[3]}/view?usp=drivesdk"
    assert "twice\na week" in by_title["Pitch"].body
    assert {f"drive-{ids[0]}", f"drive-{ids[2]}-0"} <= publisher.published.keys()


async def test_what_has_not_changed_costs_two_requests(workspace: DriveWorkspace, publisher: Publisher) -> None:
    workspace.fill(100, workspace.root)
    await publisher.sync()
    first = workspace.server.count()
    outcome = await publisher.sync()
    again = workspace.server.count()
    assert len(outcome.unchanged) == 100
    assert outcome.read == []
    assert again == {"token": 1, "files.get": 1, "changes.list": 1}
    assert again.total() <= 0.05 * first.total()


async def test_an_edit_a_rename_and_a_move_inside_keep_the_id(workspace: DriveWorkspace, publisher: Publisher) -> None:
    inner = workspace.folder("Inner", workspace.root)
    edited, renamed, moved = [workspace.document(f"D{at}", f"Text {at}.", workspace.root) for at in range(3)]
    await publisher.sync()
    workspace.edit_document(edited, "Text changed.")
    workspace.items.rename(renamed, "New name")
    workspace.items.move(moved, inner)
    outcome = await publisher.sync()
    assert set(outcome.read) == {f"drive-{edited}", f"drive-{renamed}"}
    assert outcome.removed == []
    assert publisher.published[f"drive-{edited}"].body == "Text changed."
    assert publisher.published[f"drive-{renamed}"].title == "New name"
    assert outcome.unchanged == [f"drive-{moved}"]


@pytest.mark.parametrize("act", ["delete", "trash", "move", "limit access"])
@pytest.mark.parametrize("place", ["folder", "shared drive"])
async def test_what_is_deleted_trashed_moved_out_or_unshared_is_gone_in_the_next_sync(
    workspace: DriveWorkspace, publisher: Publisher, place: str, act: str
) -> None:
    """Folders take with them what is in them, although only the folder's own change is logged."""
    root, elsewhere = (workspace.root if place == "folder" else workspace.team), workspace.items.add("Other", FOLDER)
    publisher.location = f"drive://{root}"
    folder = workspace.folder("Folder", root)
    deep = workspace.folder("Deep", folder)
    workspace.document("Kept", "Kept text.", root)
    lost = [workspace.document("Lost", f"Lost from {parent}.", parent) for parent in (root, folder, deep)]
    await publisher.sync()
    workspace.server.count()
    for id in (lost[0], folder):
        match act:
            case "delete":
                workspace.items.delete(id)
            case "trash":
                workspace.items.trash(id)
            case "move":
                workspace.items.move(id, elsewhere)
            case _:
                workspace.items.limit_access(id)
    outcome = await publisher.sync()
    assert workspace.server.count() == {"token": 1, "files.get": 1, "changes.list": 1}
    assert set(outcome.removed) == {f"drive-{id}" for id in lost}
    assert publisher.bodies() == "Kept text."


async def test_a_folder_that_comes_in_brings_what_is_in_it(workspace: DriveWorkspace, publisher: Publisher) -> None:
    outside = workspace.items.add("Outside", FOLDER, shared_with=frozenset({ACCOUNT}))
    deep = workspace.folder("Deep", outside)
    ids = [workspace.document(f"D{at}", f"Text {at}.", at) for at in (outside, deep)]
    workspace.document("First", "First text.", workspace.root)
    await publisher.sync()
    workspace.items.move(outside, workspace.root)
    assert set((await publisher.sync()).read) == {f"drive-{id}" for id in ids}
    workspace.items.trash(outside)
    assert len((await publisher.sync()).removed) == 2
    workspace.items.trash(outside, trashed=False)
    assert len((await publisher.sync()).read) == 2


async def test_a_shared_drive_is_listed_at_once_and_followed_by_its_own_log(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    publisher.location = f"drive://{workspace.team}"
    ids = workspace.fill(60, workspace.team, folders=30)
    workspace.server.max_page_size = 20
    await publisher.sync()
    assert len(publisher.published) == 60
    assert workspace.server.count()["files.list"] == 5
    workspace.items.trash(ids[0])
    workspace.edit_document(ids[1], article(1, price=9))
    outcome = await publisher.sync()
    assert (outcome.removed, outcome.read) == ([f"drive-{ids[0]}"], [f"drive-{ids[1]}"])
    assert workspace.server.count()["files.list"] == 0


async def test_a_folder_of_a_shared_drive_of_others_is_listed_every_time(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    """The drive's changes are closed to those who are no members."""
    folder = workspace.folder("Open", workspace.team)
    id = workspace.document("Open", "Open text.", folder)
    kept = workspace.document("Kept", "Kept text.", folder)
    workspace.items.remove_member(workspace.team, ACCOUNT)
    workspace.items.share(folder, ACCOUNT)
    publisher.location = f"drive://{folder}"
    await publisher.sync()
    assert publisher.published.keys() == {f"drive-{id}", f"drive-{kept}"}
    workspace.items.trash(id)
    assert (await publisher.sync()).removed == [f"drive-{id}"]


async def test_shortcuts_lead_to_files_and_folders_elsewhere(workspace: DriveWorkspace, publisher: Publisher) -> None:
    """Each file is read once, and shortcuts in a circle end."""
    elsewhere = workspace.folder("Elsewhere", workspace.team)
    file = workspace.document("Linked", "Linked text.", workspace.team)
    inside = workspace.document("Inside", "Inside text.", elsewhere)
    own = workspace.document("Own", "Own text.", workspace.root)
    shortcut = workspace.shortcut("to the file", file, workspace.root)
    workspace.shortcut("to the folder", elsewhere, workspace.root)
    workspace.shortcut("to mine", own, workspace.root)
    workspace.shortcut("back", workspace.root, elsewhere)
    workspace.shortcut("to nothing", "1nothing", workspace.root)
    await publisher.sync()
    assert publisher.published.keys() == {f"drive-{id}" for id in (file, inside, own)}
    workspace.edit_document(inside, "Inside, edited.")
    assert (await publisher.sync()).read == [f"drive-{inside}"]
    workspace.items.trash(inside)
    workspace.items.delete(shortcut)
    assert set((await publisher.sync()).removed) == {f"drive-{inside}", f"drive-{file}"}


@pytest.mark.parametrize("lost", ["unshared", "trashed", "deleted", "unknown"])
async def test_a_location_that_is_gone_has_no_documents_and_says_whom_to_share_it_with(
    workspace: DriveWorkspace, publisher: Publisher, lost: str
) -> None:
    workspace.document("Kept", "Kept text.", workspace.root)
    await publisher.sync()
    match lost:
        case "unshared":
            workspace.items.unshare(workspace.root, ACCOUNT)
        case "trashed":
            workspace.items.trash(workspace.root)
        case "deleted":
            workspace.items.delete(workspace.root)
        case _:
            publisher.location = "drive://1unknown"
    outcome = await publisher.sync()
    assert ACCOUNT in outcome.skipped[publisher.location]
    assert (len(outcome.removed), publisher.published) == (1, {})


async def test_everything_is_listed_again_once_a_day_and_when_the_page_token_is_refused(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    ids = workspace.fill(5, workspace.root, folders=2)
    await publisher.sync()
    workspace.server.count()
    publisher.options = workspace.options(relist_hours=0)
    assert len((await publisher.sync()).unchanged) == 5
    assert workspace.server.count()["files.list"] == 3
    publisher.options = workspace.options()
    workspace.server.oldest_change = workspace.items.sequence + 10
    workspace.items.trash(ids[0])
    assert (await publisher.sync()).removed == [f"drive-{ids[0]}"]
    assert workspace.server.count()["files.list"] == 3


async def test_a_listing_that_lags_behind_the_changes_loses_nothing(
    workspace: DriveWorkspace, publisher: Publisher
) -> None:
    workspace.fill(3, workspace.root, folders=1)
    await publisher.sync()
    folder = workspace.folder("New", workspace.root)
    new = [workspace.document("In the new folder", "Text.", folder), workspace.document("New", "Text.", workspace.root)]
    workspace.server.unlisted = {folder, new[1]}
    publisher.options = workspace.options(relist_hours=0)
    outcome = await publisher.sync()
    assert set(outcome.read) == {f"drive-{id}" for id in new}
    workspace.server.unlisted.clear()
    publisher.options = workspace.options()
    assert len((await publisher.sync()).unchanged) == 5


async def test_an_incomplete_search_removes_nothing(workspace: DriveWorkspace, publisher: Publisher) -> None:
    ids = workspace.fill(3, workspace.root, folders=1)
    publisher.options = workspace.options(relist_hours=0)
    await publisher.sync()
    workspace.items.trash(ids[0])
    workspace.server.is_search_incomplete = True
    outcome = await publisher.sync()
    assert outcome.removed == []
    assert "did not search all" in outcome.notes[0]
    workspace.server.is_search_incomplete = False
    assert (await publisher.sync()).removed == [f"drive-{ids[0]}"]
