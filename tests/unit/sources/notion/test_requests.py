"""Requests to Notion: their pace, their repetition, and what is said when they fail."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from schemas.errors import Forbidden, InvalidRequest, ParleyError, RateLimited, Unauthorized, Unavailable
from tests.platforms.notion.sample import document_id
from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.workspace import Block, Workspace, paragraph
from tests.simulators.vendor import Fault
from tests.simulators.website import Site
from tests.unit.sources.notion.conftest import SourceReader, later

TOKEN = "ntn_simulated"


@pytest.fixture(autouse=True)
def _pages(workspace: Workspace) -> None:
    for number in range(4):
        workspace.page(f"Page {number}", paragraph(f"Text {number}."), share=True)
    later(workspace)


async def test_requests_are_paced(notion: NotionServer, workspace: Workspace, sync: SourceReader) -> None:
    """Three a second on average are never refused; ten are, and then the sync waits as long as it is asked to."""
    for number in range(400):
        workspace.page(f"More {number}", paragraph("Text."), share=True)
    began = workspace.clock.monotonic()
    assert len((await sync()).read) == 404
    assert not notion.refused
    assert notion.total / 3 - 1 <= workspace.clock.monotonic() - began <= notion.total / 3 + 1
    hasty = SourceReader(notion, requests_per_second=10)
    began = workspace.clock.monotonic()
    assert len((await hasty()).read) == 404
    assert 2 <= notion.refused[429] <= 3, "one for each minute that is used up"
    assert 60 <= workspace.clock.monotonic() - began <= 180


FAULTS = {
    "the rate limit": Fault("limit", retry_after=47),
    "overload": Fault("refuse", status=529),
    "an internal error": Fault("refuse", status=500),
    "an outage": Fault("refuse", status=503),
    "a conflict": Fault("refuse", status=409),
    "a proxy's page": Fault("lose", status=502),
    "a cut connection": Fault("drop"),
    "a connection cut after the answer": Fault("drop_after"),
    "half an answer": Fault("garbage"),
}


@pytest.mark.parametrize("operation", ["POST search", "GET blocks/children"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
async def test_what_fails_for_the_moment_is_repeated(
    notion: NotionServer, workspace: Workspace, sync: SourceReader, fault: Fault, operation: str
) -> None:
    notion.faults.next(*[Fault(fault.kind, operation, fault.status, fault.retry_after)] * 3)
    began = workspace.clock.monotonic()
    result = await sync()
    assert (len(result.read), result.is_complete, notion.faults.left) == (4, True, 0)
    if fault.kind == "limit":
        assert workspace.clock.monotonic() - began >= 3 * 47


async def test_a_page_that_cannot_be_read_now_is_named_and_stays(
    notion: NotionServer, workspace: Workspace, sync: SourceReader
) -> None:
    await sync()
    workspace.rewrite(next(iter(workspace.nodes.values())), paragraph("Edited."))
    notion.faults.next(*[Fault("refuse", "GET blocks/children", 503)] * 7)
    result = await sync()
    (skipped,) = result.skipped
    assert "503" in skipped.why
    assert skipped.id in sync.documents
    assert len(result.unchanged) == 3
    await sync()
    assert sync.holds("Edited.")


async def test_an_outage_ends_the_sync_after_a_few_pages(notion: NotionServer, sync: SourceReader) -> None:
    for number in range(20):
        notion.workspace.page(f"More {number}", paragraph("Text."), share=True)
    notion.faults.always = lambda request: Fault("drop") if "blocks" in request.operation else None
    with pytest.raises(Unavailable, match="7 attempts"):
        await sync()
    assert notion.total == 1 + 5 * 7


async def test_longer_waits_than_a_quarter_of_an_hour_end_the_sync(notion: NotionServer, sync: SourceReader) -> None:
    notion.faults.next(Fault("limit", "GET blocks/children", retry_after=3600))
    with pytest.raises(RateLimited, match="3600 s"):
        await sync()
    assert notion.total == 2


@pytest.mark.parametrize("operation", ["POST search", "GET blocks/children", "POST data_sources/query"])
async def test_a_list_whose_cursor_expires_begins_again(notion: NotionServer, operation: str) -> None:
    workspace = notion.workspace
    page = workspace.page("Long", *(paragraph(f"Paragraph {number}.") for number in range(250)), share=True)
    rows = workspace.database("Rows", share=True)
    for number in range(210):
        workspace.row(rows, f"Row {number}", paragraph("Text."))
    later(workspace)
    expired: list[str] = []

    def expire(now: str) -> None:
        notion.lifetime = 0 if now == operation and len(expired) < 2 and notion.asked[operation] % 3 == 2 else None
        if notion.lifetime == 0:
            expired.append(now)

    notion.meanwhile = expire
    sync = SourceReader(notion)
    result = await sync()
    assert (len(result.read), result.is_complete, len(expired)) == (215, True, 2)
    assert all(f"Paragraph {number}." in sync.body(page) for number in range(250))
    assert sync.body(page).count("Paragraph 7.") == 1


async def test_lists_that_notion_cuts_off_remove_nothing(notion: NotionServer, sync: SourceReader) -> None:
    """A search cannot be continued; a query can, from the time at which it was cut off."""
    workspace = notion.workspace
    rows = workspace.database("Rows", share=True)
    for number in range(7):
        workspace.clock.forward(60)
        workspace.row(rows, f"Row {number}", paragraph("Text."))
    later(workspace)
    below = SourceReader(notion, f"notion://{rows.id}")
    notion.max_results = 3
    result = await below()
    assert (len(result.read), result.is_complete) == (7, True)
    result = await sync()
    assert "10,000" in result.notes[0]
    for number in range(4):
        workspace.row(rows, f"Same minute {number}", paragraph("Text."))
    assert "more rows" in (await below()).notes[0]


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _refusal(sync: SourceReader) -> ParleyError:
    with pytest.raises(ParleyError) as raised:
        await sync()
    assert TOKEN not in f"{raised.value.message} {raised.value.fix} {raised.value!r}"
    return raised.value


async def test_a_wrong_token_is_refused_with_a_fix(notion: NotionServer, sync: SourceReader) -> None:
    notion.token = "another"
    error = await _refusal(sync)
    assert isinstance(error, Unauthorized)
    assert "notion.so/developers/connections" in error.fix
    assert notion.total == 1


async def test_a_token_that_is_withdrawn_ends_the_sync(notion: NotionServer, sync: SourceReader) -> None:
    def withdraw(_operation: str) -> None:
        notion.token = "another" if notion.total == 3 else notion.token

    notion.meanwhile = withdraw
    assert isinstance(await _refusal(sync), Unauthorized)
    assert len(sync.documents) == 1


async def test_a_connection_that_may_not_read_is_told(notion: NotionServer, sync: SourceReader) -> None:
    notion.may_read = False
    error = await _refusal(sync)
    assert isinstance(error, Forbidden)
    assert "Read content" in error.fix


async def test_nothing_shared_and_a_missing_page_are_told(notion: NotionServer, sync: SourceReader) -> None:
    missing = SourceReader(notion, "notion://11111111-1111-4111-8111-111111111111")
    (gone,) = (await missing()).skipped
    assert (gone.id, gone.is_gone, gone.code) == ("", True, "not_found")
    assert "Connections" in gone.fix
    notion.workspace.shared.clear()
    (gone,) = (await sync()).skipped
    assert gone.is_gone
    assert "no page is shared" in gone.why


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt option": ({"tokens": TOKEN}, "tokens"),
    "no token": ({"token": " "}, "token"),
    "another type": ({"token": [TOKEN]}, "token"),
    "a pace": ({"requests_per_second": 0}, "requests_per_second"),
    "a share": ({"recheck": 2}, "recheck"),
    "an address in the clear": ({"address": "http://notion.example"}, "address"),
    "no address": ({"address": "api.notion.com"}, "address"),
}


@pytest.mark.parametrize(("options", "named"), OPTIONS.values(), ids=list(OPTIONS))
async def test_wrong_options_are_named(notion: NotionServer, options: dict[str, Any], named: str) -> None:
    error = await _refusal(SourceReader(notion, **options))
    assert isinstance(error, InvalidRequest)
    assert named in error.message
    assert error.fix
    assert notion.total == 0


async def test_a_missing_token_is_named(notion: NotionServer, sync: SourceReader) -> None:
    del sync.options["token"]
    assert "token: must be set" in (await _refusal(sync)).message


@pytest.mark.parametrize("name", ["shop", "../users", "1" * 31, "g" * 32, "11111111-1111-4111-8111-11111111111/x"])
async def test_a_location_without_an_id_is_refused(notion: NotionServer, name: str) -> None:
    assert isinstance(await _refusal(SourceReader(notion, f"notion://{name}")), InvalidRequest)
    assert notion.total == 0


async def test_the_token_is_nowhere_but_in_the_requests(
    notion: NotionServer, sync: SourceReader, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    notion.faults.next(Fault("refuse", status=500), Fault("drop"), Fault("lose", status=502), Fault("garbage"))
    result = await sync()
    told = f"{caplog.text} {capfd.readouterr()} {sync.memory} {sync.documents} {result.read} {result.skipped}"
    assert TOKEN not in told


async def test_no_address_from_an_answer_is_fetched(
    notion: NotionServer, sync: SourceReader, site_with_trap: Site
) -> None:
    """Neither that of a redirect, nor those of files."""
    page = next(iter(notion.workspace.nodes.values()))
    file = {"type": "external", "external": {"url": f"{site_with_trap.url}/"}, "caption": []}
    notion.workspace.write(page, *(Block(kind, file) for kind in ("image", "pdf", "file", "video")))
    assert (await sync()).is_complete
    notion.redirect_to = f"{site_with_trap.url}/"
    assert "302" in (await _refusal(sync)).message
    assert site_with_trap.asked == []


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://notion.so.example/x", "https://a@notion.so/x", "http://notion.so/x", ""]
)
async def test_only_a_page_of_notion_is_cited(notion: NotionServer, sync: SourceReader, url: str) -> None:
    page = next(iter(notion.workspace.nodes.values()))
    page.url = url
    await sync()
    assert sync.documents[document_id(page)].url == f"https://www.notion.so/{page.id.replace('-', '')}"


async def test_a_table_that_cannot_be_listed_removes_nothing(notion: NotionServer, sync: SourceReader) -> None:
    rows = notion.workspace.database("Rows", share=True)
    notion.workspace.row(rows, "Row", paragraph("Row text."))
    later(notion.workspace)
    await sync()
    notion.workspace.erase(rows.children[0].children[0])
    notion.faults.next(Fault("refuse", "POST data_sources/query", 400, code="validation_error"))
    result = await sync()
    assert "400 (validation_error)" in result.skipped[0].why
    assert not result.is_complete
    assert (await sync()).is_complete
    assert not sync.holds("Row text.")


async def test_an_object_of_another_form_costs_one_page(notion: NotionServer, sync: SourceReader) -> None:
    workspace = notion.workspace
    page = next(iter(workspace.nodes.values()))
    page.children[0].content = {"rich_text": [{"plain_text": 3}]}
    result = await sync()
    (skipped,) = result.skipped
    assert "not as documented" in skipped.why
    assert len(result.read) == 3
