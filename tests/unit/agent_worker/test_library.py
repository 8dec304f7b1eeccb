"""Documents on the log become searchable, change, disappear, and stay apart."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ingest.publishing import delete
from agent_worker.knowledge.library import Library
from agent_worker.turn.answering import STALE
from schemas.envelope import envelope
from schemas.topics import DOCUMENT_PUBLISHED
from tests.unit.agent_worker.worker_environment import RETURNS, SHIPPING, TENANT, WorkerEnvironment, world_at

HEAT = "Do you add a heat pack in winter?"


async def _open_second_library(world: WorkerEnvironment, folder: Path) -> Library:
    """Another process over the same folder, caught up."""
    await world.library.close()
    library = Library(world.bus, world.state.heads, folder, clock=world.clock, answerable_above=lambda _: 0.5)
    await library.start()
    await asyncio.wait_for(library.wait_until_ready(), 30)
    world.library = library
    return library


async def test_write_is_found_by_the_next_search(world: WorkerEnvironment) -> None:
    """A search right after a write returns its version; ids and versions are those of the write."""
    version = await world.put("shipping", SHIPPING.replace("heat pack", "hand warmer"))
    found = await world.library.search(TENANT, "hand warmer for tropical plants")
    assert (found.passages[0].document, found.passages[0].version) == ("shipping", version)
    assert found.passages[0].text in SHIPPING.replace("heat pack", "hand warmer")
    assert found.answerable


async def test_every_edit_changes_the_next_answer(world: WorkerEnvironment) -> None:
    """However often a document of a tiny corpus is rewritten, the next search has it, and is as sure as at first."""
    await world.put("hours", "# Opening hours\n\nThe greenhouse is open on Saturdays.")
    first = await world.library.search(TENANT, HEAT)
    assert first.answerable
    for price in range(1, 31):
        await world.put("shipping", SHIPPING.replace("4.50 euro", f"{price}.25 euro"))
        found = await world.library.search(TENANT, HEAT, wait=10)
        assert f"{price}.25 euro" in found.passages[0].text
        assert found.answerable
        assert found.confidence == pytest.approx(first.confidence, abs=0.02)


async def test_search_does_not_wait_for_a_bulk_load(tmp_path: Path) -> None:
    """While many documents are being written, one search after the other is answered: whoever waited for the end of
    this load would wait for ever."""
    async with world_at(tmp_path) as world:
        await world.library.search(TENANT, HEAT)
        before = len(await world.library.documents(TENANT))
        body = "\n\n".join(f"## Part {n}\n\n{SHIPPING}" for n in range(30))
        written: list[str] = []
        loading = asyncio.create_task(_load(world, body, written))
        async with asyncio.timeout(120):
            while len(written) < 40:
                found = await world.library.search(TENANT, HEAT)
                assert found.passages
                assert not loading.done()
        loading.cancel()
        await asyncio.wait({loading})
        assert await world.library.wait_until_indexed(TENANT, 60)
        assert len(await world.library.documents(TENANT)) >= before + 40


async def test_an_edit_is_searchable_while_another_tenant_still_imports(world: WorkerEnvironment) -> None:
    """The import was written first, and is by far not done when the edit is found."""
    body = "\n\n".join(f"## Part {n}\n\n{SHIPPING}" for n in range(30))
    for number in range(150):
        await world.put(f"bulk-{number}", f"# Bulk {number}\n\n{body}", tenant="importer")
    version = await world.put("shipping", SHIPPING.replace("4.50 euro", "8.20 euro"))
    assert await world.library.wait_until_indexed(TENANT, 60)
    assert not await world.library.wait_until_indexed("importer", 0)
    found = await world.library.search(TENANT, HEAT)
    assert (found.passages[0].version, found.stale) == (version, False)
    assert "8.20 euro" in found.passages[0].text


async def test_an_answer_from_before_the_newest_change_is_marked_as_such(world: WorkerEnvironment) -> None:
    """As where the log is slower than whoever asks."""
    await world.state.heads.advance(TENANT, 0, 1_000_000)
    found = await world.library.search(TENANT, HEAT)
    assert found.answerable
    assert found.stale
    await world.worker.handle(await world.lane(world.said("m1", HEAT)))
    assert STALE in (await world.turns())[-1].reasons


async def _load(world: WorkerEnvironment, body: str, written: list[str]) -> None:
    """Until it is cancelled."""
    while True:
        name = f"bulk-{len(written)}"
        await world.put(name, f"# Bulk {name}\n\n{body}")
        written.append(name)


async def test_without_an_encoder_words_alone_are_searched(tmp_path: Path) -> None:
    """Where no encoder is installed, or another one is, the index is made anew and still answers."""
    async with world_at(tmp_path) as world:
        await world.library.close()
        library = Library(
            world.bus,
            world.state.heads,
            tmp_path / "knowledge",
            clock=world.clock,
            answerable_above=lambda _: 0.5,
            encoder=lambda: None,
        )
        await library.start()
        world.library = library
        await asyncio.wait_for(library.wait_until_ready(), 30)
        found = await library.search(TENANT, HEAT)
        await library.close()
        assert (found.passages[0].document, found.answerable) == ("shipping", True)


async def test_deleted_document_is_not_found(world: WorkerEnvironment) -> None:
    """A tombstone takes the document out of search, listing and look-up."""
    await delete(world.bus, world.state.heads, TENANT, "shipping", world.clock())
    found = await world.library.search(TENANT, HEAT)
    assert not found.answerable
    assert all(passage.document != "shipping" for passage in found.passages)
    assert [document.id for document in await world.library.documents(TENANT)] == ["returns"]
    assert await world.library.document(TENANT, "shipping") is None


async def test_document_is_returned_whole(world: WorkerEnvironment) -> None:
    """Look-up gives the document as written, with its version."""
    version = await world.put("returns", RETURNS, url="https://shop.example.com/returns")
    document = await world.library.document(TENANT, "returns")
    assert document is not None
    assert (document.body, document.version, document.url) == (RETURNS, version, "https://shop.example.com/returns")


async def test_tenants_never_meet(world: WorkerEnvironment) -> None:
    """The same document id of two tenants is two documents, and neither finds the other's."""
    await world.put("shipping", "# Shipping\n\nBooks are sent by bicycle on Fridays.", tenant="books")
    assert (await world.library.search(TENANT, "bicycle on Fridays")).answerable is False
    found = await world.library.search("books", HEAT)
    assert {passage.tenant for passage in found.passages} <= {"books"}
    assert "heat pack" not in " ".join(passage.text for passage in found.passages)
    assert (await world.library.search("nobody", HEAT)).passages == []


async def test_only_public_and_current_documents_are_found(world: WorkerEnvironment) -> None:
    """Internal documents and expired ones are never found by a search."""
    secret = "# Margins\n\nThe margin on pitcher plants is sixty percent."
    await world.put("margins", secret, visibility="internal")
    soon = world.clock() + timedelta(hours=1)
    await world.put("sale", "# Sale\n\nAll sundews are half price this morning.", expires_at=soon)
    assert all(
        p.document != "margins" for p in (await world.library.search(TENANT, "margin on pitcher plants")).passages
    )
    assert (await world.library.search(TENANT, "sundews half price")).passages[0].document == "sale"
    world.clock.advance(hours=2)
    assert all(p.document != "sale" for p in (await world.library.search(TENANT, "sundews half price")).passages)


async def test_restart_reads_nothing_twice(
    tmp_path: Path, world: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart the index on disk serves as it is: no document is indexed again."""

    def never(*_: object) -> None:
        raise AssertionError("indexed again")

    monkeypatch.setattr(TenantIndex, "apply", never)
    library = await _open_second_library(world, tmp_path / "knowledge")
    assert (await library.search(TENANT, HEAT)).passages[0].document == "shipping"


async def test_damaged_or_lost_index_is_built_again(tmp_path: Path, world: WorkerEnvironment) -> None:
    """An index whose files are damaged, or gone, is made anew from the log."""
    folder = tmp_path / "knowledge"
    await world.library.close()
    for path in (folder / f"t-{TENANT}").iterdir():
        if path.suffix in (".store", ".term", ".idx") or path.name == "meta.json":
            path.write_bytes(b"damaged")
    library = await _open_second_library(world, folder)
    assert (await library.search(TENANT, HEAT)).passages[0].document == "shipping"
    await library.close()
    shutil.rmtree(folder)
    library = await _open_second_library(world, folder)
    assert (await library.search(TENANT, HEAT)).passages[0].document == "shipping"


async def test_document_whose_tombstone_is_gone_is_forgotten(tmp_path: Path, world: WorkerEnvironment) -> None:
    """What is on this disk, but no longer in the log, is dropped once the log was read."""
    await world.library.close()
    folder = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "knowledge", folder)
    (tmp_path / "new").mkdir()
    async with world_at(tmp_path / "new", prepare=False) as fresh:
        await fresh.put("returns", RETURNS)
        library = await _open_second_library(fresh, folder)
        assert [document.id for document in await library.documents(TENANT)] == ["returns"]


async def test_unreadable_record_stops_nothing(world: WorkerEnvironment) -> None:
    """A record of the topic that cannot be read is passed over."""
    bad = envelope(
        DOCUMENT_PUBLISHED, None, id="bad", time=world.clock(), source="test", tenant=TENANT, subject="broken"
    )
    await world.bus.append([replace(bad, data=b"{")])
    await world.put("returns", RETURNS.replace("30", "45"))
    found = await world.library.search(TENANT, "how many days to return pots")
    assert "45 days" in found.passages[0].text


async def test_strange_words_lower_the_confidence(world: WorkerEnvironment) -> None:
    """A question whose key words stand in no document is not answerable, however well the rest matches."""
    known = await world.library.search(TENANT, "Do you add a heat pack to parcels in winter?")
    strange = await world.library.search(TENANT, "Do you add a saxophone to trombones in winter?")
    assert known.answerable
    assert not strange.answerable
    assert strange.confidence < known.confidence


async def test_slips_plurals_and_spellings_are_understood(world: WorkerEnvironment) -> None:
    """Typing errors, hyphens and other word forms lead to the same passage."""
    for query in ("heatpack for tropicl plants", "heat-packs in the parcels", "returning a pot: dedline?"):
        found = await world.library.search(TENANT, query)
        assert found.passages[0].document == ("returns" if "pot" in query else "shipping"), query


async def test_closing_waits_for_the_write_under_way(tmp_path: Path) -> None:
    """Closed in the middle of its work the library ends cleanly, and another takes up where it was."""
    async with world_at(tmp_path, prepare=False) as world:
        for n in range(20):
            await world.put(f"d{n}", SHIPPING)
        library = await _open_second_library(world, tmp_path / "knowledge")
        assert len(await library.documents(TENANT)) == 20


async def test_a_passage_opens_its_document_at_its_section(world: WorkerEnvironment) -> None:
    """A search finds the address of the heading's link, and so does a model that reads everything."""
    url = "https://shop.example/heat"
    body = f"# Heat\n\nWe ship plants.\n\n## [Heat packs]({url}#packs)\n\nA zeppelin keeps every parcel warm."
    await world.put("heat", body, url=url)
    found = await world.library.search(TENANT, "zeppelin parcel warm", wait=5)
    assert (found.passages[0].heading, found.passages[0].url) == ("Heat packs", f"{url}#packs")
    shown = await world.library.read_all(TENANT, 10_000)
    assert [one.url for one in shown if one.document == "heat"] == [url, f"{url}#packs"]


async def test_all_of_it_is_what_everybody_may_read_now(world: WorkerEnvironment) -> None:
    """In a fixed order, verbatim; internal and expired documents are not in it; nothing when it is too much."""
    await world.put("internal", "# Margins\n\nWe earn 70 %.", visibility="internal")
    await world.put("sale", "# Sale\n\nPots at half price.", expires_at=world.clock() + timedelta(hours=1))
    await world.library.search(TENANT, HEAT, wait=5)
    shown = await world.library.read_all(TENANT, 10_000)
    assert list(dict.fromkeys(one.document for one in shown)) == ["returns", "sale", "shipping"]
    assert all(one.text in SHIPPING for one in shown if one.document == "shipping")
    world.clock.advance(hours=2)
    assert "sale" not in {one.document for one in await world.library.read_all(TENANT, 10_000)}
    await world.put("returns", RETURNS.replace("30 days", "60 days"))
    await world.library.search(TENANT, HEAT, wait=5)
    assert any("60 days" in one.text for one in await world.library.read_all(TENANT, 10_000))
    assert await world.library.read_all(TENANT, 10) == []
    assert await world.library.read_all("nobody", 10_000) == []
