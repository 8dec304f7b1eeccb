"""Pages that come, change, move and go, from one sync to the next."""

from __future__ import annotations

import pytest

from tests.platforms.notion.sample import document_id
from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.workspace import Workspace, paragraph, rich, synced, text_block, toggle
from tests.unit.sources.notion.conftest import SourceReader, later


async def test_everything_that_is_shared_is_read_and_nothing_else(workspace: Workspace, sync: SourceReader) -> None:
    shop = workspace.page("Shop", paragraph("We sell plants."), share=True)
    workspace.page("Returns", paragraph("30 days."), parent=shop)
    plants = workspace.database("Plants", parent=shop, tables=2)
    workspace.row(plants, "Sundew", paragraph("Small."))
    workspace.row(plants, "Alata", paragraph("Large."), table=1)
    workspace.page("Salaries", paragraph("Nobody's business."))
    hidden = workspace.page("Hidden", paragraph("Not for the connection."), parent=shop)
    workspace.restrict(hidden)
    workspace.trash(workspace.page("Old", paragraph("Thrown away."), parent=shop))
    result = await sync()
    assert result.is_complete
    assert result.titles == ["Alata", "Returns", "Shop", "Sundew"]
    document = result.read[document_id(shop)]
    assert document.content.url == document.name == f"https://www.notion.so/Shop-{shop.id.replace('-', '')}"


async def test_ids_hold_when_a_title_changes(workspace: Workspace, sync: SourceReader) -> None:
    page = workspace.page("Returns", paragraph("30 days."), share=True)
    await sync()
    later(workspace)
    workspace.rename(page, "Sending pots back")
    result = await sync()
    assert list(result.read) == [document_id(page)]
    assert sync.body(page) == "# Sending pots back\n\n30 days."
    assert "Sending-pots-back" in sync.documents[document_id(page)].url


async def test_only_what_has_changed_is_read_again(
    notion: NotionServer, workspace: Workspace, sync: SourceReader
) -> None:
    pages = [workspace.page(f"Page {number}", paragraph(f"Text {number}."), share=True) for number in range(5)]
    later(workspace)
    await sync()
    notion.asked.clear()
    assert (await sync()).unchanged == set(sync.documents)
    assert notion.asked == {"POST search": 1}
    workspace.rewrite(pages[3], paragraph("Other text."))
    result = await sync()
    assert (list(result.read), len(result.unchanged)) == ([document_id(pages[3])], 4)
    assert sync.body(pages[3]).endswith("Other text.")


async def test_a_second_edit_within_the_same_minute_is_not_missed(workspace: Workspace, sync: SourceReader) -> None:
    """The time of the last edit stays the same."""
    page = workspace.page("Prices", paragraph("Moss costs 7 euro."), share=True)
    workspace.clock.forward(20)
    await sync()
    before = page.edited
    workspace.clock.forward(10)
    workspace.rewrite(page, paragraph("Moss costs 8 euro."))
    assert page.edited.replace(second=0, microsecond=0) == before.replace(second=0, microsecond=0)
    later(workspace)
    await sync()
    assert sync.body(page).endswith("Moss costs 8 euro.")
    assert list((await sync()).unchanged) == [document_id(page)]


@pytest.mark.parametrize("way", ["erase", "trash", "unshare", "restrict"])
async def test_what_is_deleted_or_no_longer_shared_goes_in_the_next_sync(
    workspace: Workspace, sync: SourceReader, way: str
) -> None:
    """With everything below it."""
    workspace.page("Stays", paragraph("Stays."), share=True)
    goes = workspace.page("Goes", paragraph("Goes."), share=True)
    below = workspace.page("Below", paragraph("Below."), parent=goes)
    workspace.row(workspace.database("Rows", parent=below), "Row", paragraph("Row."))
    later(workspace)
    await sync()
    assert len(sync.documents) == 4
    getattr(workspace, way)(goes)
    assert (await sync()).is_complete
    assert sync.titles == ["Stays"]
    assert len(sync.memory["pages"]) == 1


async def test_a_page_that_returns_from_the_trash_is_read_again(workspace: Workspace, sync: SourceReader) -> None:
    workspace.page("Stays", paragraph("Stays."), share=True)
    page = workspace.page("Page", paragraph("Text."), share=True)
    later(workspace)
    await sync()
    workspace.trash(page)
    await sync()
    workspace.restore(page)
    await sync()
    assert sync.titles == ["Page", "Stays"]


async def test_a_search_that_forgets_pages_takes_no_document_away(workspace: Workspace, sync: SourceReader) -> None:
    """What is no longer listed is asked for."""
    page = workspace.page("Page", paragraph("Text."), share=True)
    nested = workspace.page("Nested", paragraph("Nested text."), parent=page)
    rows = workspace.database("Rows", parent=page)
    row = workspace.row(rows, "Row", paragraph("Row text."))
    later(workspace)
    await sync()
    workspace.unindexed |= {nested.id, row.id, rows.children[0].id}
    result = await sync()
    assert result.unchanged == set(sync.documents)
    assert len(sync.documents) == 3
    workspace.rewrite(nested, paragraph("Edited while forgotten."))
    workspace.erase(row)
    later(workspace)
    await sync()
    assert sync.body(nested).endswith("Edited while forgotten.")
    assert sync.titles == ["Nested", "Page"]


async def test_pages_that_the_search_does_not_have_yet_are_found_where_they_stand(
    workspace: Workspace, sync: SourceReader
) -> None:
    page = workspace.page("Page", paragraph("Text."), share=True)
    later(workspace)
    await sync()
    workspace.index_lags = True
    (spot,) = workspace.write(page, toggle("Inside"))
    nested = workspace.page("New", paragraph("New text."), parent=spot)
    workspace.page("Deeper", paragraph("Deeper text."), parent=nested)
    table = workspace.database("Table", parent=spot)
    workspace.row(table, "Row", paragraph("Row text."))
    workspace.unindexed.add(table.children[0].id)
    later(workspace)
    await sync()
    assert sync.titles == ["Deeper", "New", "Page", "Row"]
    result = await sync()
    assert (result.read, len(result.unchanged)) == ({}, 4)


async def test_values_that_change_without_an_edit_are_seen(workspace: Workspace, sync: SourceReader) -> None:
    """A formula, and the title of a related page."""
    rows = workspace.database("Rows", share=True)
    first = workspace.row(rows, "First", paragraph("1."))
    value = {"type": "formula", "formula": {"type": "number", "number": 1}}
    related = {"type": "relation", "relation": [{"id": first.id}]}
    second = workspace.row(rows, "Second", paragraph("2."), properties={"Sum": value, "With": related})
    later(workspace)
    await sync()
    edited = second.edited
    second.properties["Sum"] = {"type": "formula", "formula": {"type": "number", "number": 2}}
    await sync()
    assert "- **Sum:** 2" in sync.body(second)
    workspace.rename(first, "Renamed")
    await sync()
    assert "- **With:** Renamed" in sync.body(second)
    assert second.edited == edited


async def test_copies_of_a_synced_block_follow_the_original(workspace: Workspace, sync: SourceReader) -> None:
    """The page with the copy is not edited. An original that is not shared is left out, and one in itself ends."""
    source = workspace.page("Source", share=True)
    (original,) = workspace.write(source, synced(paragraph("Open 9 to 5.")))
    copy = workspace.page("Copy", paragraph("Hours:"), synced(copy_of=original), share=True)
    secret = workspace.page("Secret")
    (hidden,) = workspace.write(secret, synced(paragraph("Hidden.")))
    workspace.write(copy, synced(copy_of=hidden))
    workspace.write(original, synced(copy_of=original))
    later(workspace)
    await sync()
    assert sync.body(copy) == "# Copy\n\nHours:\n\nOpen 9 to 5."
    assert (await sync()).read == {}
    workspace.erase(original.children[0])
    workspace.write(original, paragraph("Open 9 to 6."))
    later(workspace)
    await sync()
    assert sync.body(copy) == "# Copy\n\nHours:\n\nOpen 9 to 6."
    assert (await sync()).read == {}


async def test_edits_by_programs_are_found_by_rereading(
    notion: NotionServer, workspace: Workspace, sync: SourceReader
) -> None:
    """They do not always change a page's time (https://github.com/dvanoni/notero/issues/571). Each sync reads the pages
    again that were read longest ago."""
    pages = [workspace.page(f"Page {number}", paragraph(f"Text {number}."), share=True) for number in range(10)]
    later(workspace)
    sync.options["recheck"] = 0.3
    await sync()
    later(workspace)
    for page in pages:
        page.children[0].content = {"rich_text": [rich("Edited by a program.")]}
    for count in (3, 6, 9, 10):
        notion.asked.clear()
        await sync()
        assert sum(each.body.endswith("program.") for each in sync.documents.values()) == count
        assert notion.total <= 4
        later(workspace)


async def test_documents_that_were_changed_elsewhere_are_read_again(workspace: Workspace, sync: SourceReader) -> None:
    page = workspace.page("Page", paragraph("Text."), share=True)
    later(workspace)
    await sync()
    sync.documents.clear()
    assert list((await sync()).read) == [document_id(page)]


async def test_a_lost_memory_costs_only_time(workspace: Workspace, sync: SourceReader) -> None:
    for number in range(3):
        workspace.page(f"Page {number}", paragraph("Text."), share=True)
    later(workspace)
    await sync()
    documents = dict(sync.documents)
    for memory in ({}, {"format": 99, "pages": 3}, {**sync.memory, "pages": {"x": {"edited": "never"}}}):
        sync.memory = memory
        assert (await sync()).is_complete
        assert sync.documents == documents


async def test_pages_without_text_are_not_read_over_and_over(
    notion: NotionServer, workspace: Workspace, sync: SourceReader
) -> None:
    workspace.page("Empty", share=True)
    workspace.page("", paragraph("Without a title."), share=True)
    later(workspace)
    await sync()
    assert sync.titles == ["Untitled"]
    notion.asked.clear()
    await sync()
    assert notion.asked == {"POST search": 1}


async def test_a_page_that_is_too_large_is_reported_each_time_and_stays_as_it_was(
    notion: NotionServer, workspace: Workspace, sync: SourceReader
) -> None:
    page = workspace.page("Page", paragraph("Small."), share=True)
    later(workspace)
    await sync()
    workspace.write(page, *(paragraph("word " * 400) for _ in range(500)))
    later(workspace)
    for requests in (6, 1):
        notion.asked.clear()
        (skipped,) = (await sync()).skipped
        assert (skipped.id, skipped.name.partition("-")[0]) == (document_id(page), "https://www.notion.so/Page")
        assert "more than 900 KB" in skipped.why
        assert notion.total == requests
    assert sync.body(page) == "# Page\n\nSmall."


# ── one page and those below it ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_subtree_is_read_by_its_id(notion: NotionServer, workspace: Workspace) -> None:
    top = workspace.page("Top", paragraph("Top."), share=True)
    help_page = workspace.page("Help", paragraph("Help."), parent=top)
    (spot,) = workspace.write(help_page, toggle("More"))
    below = workspace.page("Below", paragraph("Below."), parent=spot)
    plants = workspace.database("Plants", parent=spot, tables=2)
    workspace.row(plants, "Sundew", paragraph("Small."))
    workspace.row(plants, "Alata", paragraph("Large."), table=1)
    workspace.page("Other", paragraph("Other."), parent=top)
    later(workspace)
    named = {
        help_page.id: ["Alata", "Below", "Help", "Sundew"],
        f"Help-{help_page.id.replace('-', '').upper()}": ["Alata", "Below", "Help", "Sundew"],
        below.id: ["Below"],
        plants.id: ["Alata", "Sundew"],
        plants.children[0].id: ["Sundew"],
    }
    for name, titles in named.items():
        sync = SourceReader(notion, f"notion://{name}")
        for _ in range(2):
            assert (await sync()).is_complete
            assert sync.titles == titles
        assert (await sync()).read == {}


@pytest.mark.parametrize("parents", [True, False])
async def test_pages_move_out_of_a_subtree_and_into_it(
    notion: NotionServer, workspace: Workspace, parents: bool
) -> None:
    """Whether or not a move counts as an edit of the pages between which it happens."""
    top = workspace.page("Top", share=True)
    inside = workspace.page("Inside", paragraph("Inside."), parent=top)
    outside = workspace.page("Outside", paragraph("Outside."), parent=top)
    page = workspace.page("Page", paragraph("Page."), parent=inside)
    workspace.page("Below", paragraph("Below."), parent=page)
    later(workspace)
    workspace.edits_reach_parents = parents
    sync = SourceReader(notion, f"notion://{inside.id}")
    for to, titles in ((inside, ["Below", "Inside", "Page"]), (outside, ["Inside"])) * 2:
        workspace.move(page, to)
        await sync()
        assert sync.titles == titles
        later(workspace)


async def test_a_toggle_takes_its_pages_along(notion: NotionServer, workspace: Workspace) -> None:
    top = workspace.page("Top", share=True)
    inside = workspace.page("Inside", paragraph("Inside."), parent=top)
    outside = workspace.page("Outside", paragraph("Outside."), parent=top)
    (spot,) = workspace.write(inside, toggle("Spot"))
    workspace.page("Page", paragraph("Page."), parent=spot)
    workspace.row(workspace.database("Rows", parent=spot), "Row", paragraph("Row."))
    later(workspace)
    sync = SourceReader(notion, f"notion://{inside.id}")
    for to, titles in ((inside, ["Inside", "Page", "Row"]), (outside, ["Inside"])) * 2:
        workspace.move(spot, to)
        await sync()
        assert sync.titles == titles
        later(workspace)


async def test_a_copy_of_a_synced_block_brings_no_pages_along(notion: NotionServer, workspace: Workspace) -> None:
    top = workspace.page("Top", share=True)
    inside = workspace.page("Inside", paragraph("Inside."), parent=top)
    outside = workspace.page("Outside", parent=top)
    (original,) = workspace.write(outside, synced(paragraph("Shown.")))
    workspace.page("Page", paragraph("Page."), parent=original)
    workspace.write(inside, synced(copy_of=original))
    sync = SourceReader(notion, f"notion://{inside.id}")
    await sync()
    assert sync.titles == ["Inside"]


async def test_a_subtree_with_an_unreadable_page_loses_no_document(notion: NotionServer, workspace: Workspace) -> None:
    top = workspace.page("Top", paragraph("Top."), share=True)
    (spot,) = workspace.write(top, toggle("Spot"))
    workspace.page("Page", paragraph("Page."), parent=spot)
    later(workspace)
    sync = SourceReader(notion, f"notion://{top.id}")
    await sync()
    workspace.write(top, *(text_block("code", "word " * 400, language="") for _ in range(500)))
    later(workspace)
    for _ in range(2):
        result = await sync()
        assert not result.is_complete
        assert sync.titles == ["Page", "Top"]
