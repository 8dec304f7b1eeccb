"""Entries of feeds as documents: three formats, what changes, failures, kills, and content that means harm."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_worker.sources.feed.feed_parser import MAX_ENTRIES, FeedParser
from agent_worker.sources.feed.source import Feed
from agent_worker.sources.registry import source_of
from schemas.errors import Forbidden, InvalidRequest, NotFound, Unavailable, Unprocessable
from schemas.ports import Content, ReadDocument, SyncRequest
from tests.harness.sizes import size
from tests.platforms.zendesk.library import fact, name_of
from tests.simulators.website import Page, Site, serve
from tests.unit.sources.feed.feeds import ATOM, RDF, TYPE, feed_of, item, rss
from tests.unit.sources.source_reader import SourceReader, convert

MANY = size(250, full=1_000)
KILLS = size(6, full=20)


@dataclass
class Waits:
    """``slept``: the source's waits, which take no time."""

    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serve({}) as site:
        yield site


def reader_of(site: Site, page: Page, waits: Waits | None = None) -> SourceReader:
    site.pages["/feed"] = page
    return SourceReader(Feed((waits or Waits()).sleep), f"feed+{site.url}/feed", {"private_hosts": [site.host]})


def bodies(reader: SourceReader) -> str:
    return "\n".join(each.body for each in reader.stored.values())


# ── formats ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_rss_entry_is_markdown_with_its_link(site: Site) -> None:
    reader = reader_of(site, feed_of([7]))
    await reader.read()
    (content,) = reader.stored.values()
    assert content.title == f"Care of {name_of(7)}"
    assert content.url == "https://shop.example/news/7"
    assert content.language == "en-gb"
    assert content.body == f"# Care of {name_of(7)}\n\n## How do I water it?\n\n{fact(7)}"


async def test_an_atom_entry_is_read_in_each_kind_of_text(site: Site) -> None:
    reader = reader_of(site, ATOM)
    await reader.read()
    first, second = reader.stored.values()
    assert (first.title, first.url, first.language) == ("Gießen & Düngen", f"{site.url}/neues/1", "de")
    assert first.body == "# Gießen & Düngen\n\n## Wie oft?\n\nJeden *Tag* < ein Glas."
    assert (second.title, second.url) == ("Plain <text>", "https://shop.example/neues/2")
    assert second.body.endswith("1 < 2, as everybody knows.")


async def test_an_rdf_feed_is_read_too(site: Site) -> None:
    reader = reader_of(site, RDF)
    await reader.read()
    (content,) = reader.stored.values()
    assert (content.title, content.url, content.body) == (
        "One",
        "https://shop.example/1",
        "# One\n\nThe first **entry**.",
    )


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_feed_that_has_not_changed_is_not_downloaded_again(site: Site) -> None:
    reader = reader_of(site, feed_of(range(30)))
    await reader.read()
    assert len((await reader.read()).unchanged) == 30
    assert site.asked == ["/feed", "/feed="]
    del reader.stored[next(iter(reader.stored))]
    reading = await reader.read()
    assert (len(reading.documents), len(reading.unchanged)) == (1, 29), "what was removed here is read again"


async def test_changes_take_effect_in_the_next_reading(site: Site) -> None:
    """An edit, another title, an entry that has left the feed, and a new one; ids stay the same."""
    reader = reader_of(site, feed_of(range(6)))
    await reader.read()
    before = dict(reader.stored)
    site.pages["/feed"] = rss(item(9) + item(0, 1) + item(1, title="Another title") + item(2) + item(4) + item(5))
    reading = await reader.read()
    assert (len(reading.documents), len(reading.unchanged)) == (3, 3)
    assert len(reader.stored.keys() & before.keys()) == 5
    assert fact(3) not in bodies(reader)
    assert fact(0) not in bodies(reader)
    assert fact(0, 1) in bodies(reader)
    assert "Another title" in {each.title for each in reader.stored.values()}


async def test_an_entry_without_text_or_name_is_left_out(site: Site) -> None:
    reader = reader_of(
        site, rss("<item><title>Empty</title></item><item><description>x</description></item>" + item(1) * 2)
    )
    await reader.read()
    assert [each.title for each in reader.stored.values()] == [f"Care of {name_of(1)}"]


async def test_a_feed_that_is_too_long_removes_nothing(site: Site) -> None:
    entries = "".join(f"<item><guid>{n}</guid><description>word</description></item>" for n in range(MAX_ENTRIES + 1))
    site.pages["/feed"] = rss(entries)
    parser = FeedParser("feed")
    parser.feed(site.pages["/feed"].body, is_last=True)
    assert (len(parser.entries), parser.is_cut) == (MAX_ENTRIES, True)


# ── failures and kills ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
async def test_many_entries_through_kills(site: Site) -> None:
    """One request the first time, and one in each later reading. What was read before a kill is not converted again."""
    reader = reader_of(site, feed_of(range(MANY)))
    chance, converted, killed = random.Random(4), 0, 0
    kills = list(accumulate(chance.randrange(5, 45) for _ in range(KILLS)))
    whole = reader.source.read

    async def read(request: SyncRequest) -> AsyncIterator[object]:
        nonlocal converted, killed
        async for each in whole(request):
            if isinstance(each, ReadDocument):
                converted += 1
                if killed < len(kills) and converted == kills[killed]:
                    killed += 1
                    raise asyncio.CancelledError
            yield each

    reader.source.read = read  # type: ignore[method-assign, assignment]
    for _ in range(KILLS):
        with pytest.raises(asyncio.CancelledError):
            await reader.read()
    await reader.read()
    assert (killed, len(reader.stored)) == (KILLS, MANY)
    assert all(fact(number) in bodies(reader) for number in range(0, MANY, 50))
    assert converted == MANY + 2 * KILLS, "the one that was not stored, and the one before, which was not noted yet"
    site.forget()
    assert len((await reader.read()).unchanged) == MANY
    assert site.asked == ["/feed="]


async def test_memory_is_bounded(site: Site) -> None:
    body = "<p>word</p>" * 1_700
    page = rss(
        "".join(f"<item><guid>{n}</guid><description><![CDATA[{body}]]></description></item>" for n in range(MANY))
    )
    reader = reader_of(site, page)

    async def leave_out(name: str, data: bytes, type: str) -> Sequence[Content]:
        return await convert(name, b"<p>word</p>", type)

    tracemalloc.start()
    try:
        items = reader.source.read(SyncRequest(reader.location, reader.options, leave_out, {}, set()))
        assert sum([isinstance(each, ReadDocument) async for each in items]) == MANY
        peak = tracemalloc.get_traced_memory()[1] / 1024 / 1024
    finally:
        tracemalloc.stop()
    assert peak < 150, "megabytes, for a feed of 19 MB"


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_attempts_are_bounded_and_remove_nothing(site: Site, status: int) -> None:
    waits = Waits()
    reader = reader_of(site, feed_of(range(5)), waits)
    await reader.read()
    site.pages["/feed"] = Page(status=status, headers={"Retry-After": "0"})
    with pytest.raises(Unavailable):
        await reader.read()
    assert len(waits.slept) == 3
    assert len(reader.stored) == 5


async def test_a_feed_that_is_cut_off_or_gone_removes_nothing(site: Site) -> None:
    reader = reader_of(site, feed_of(range(5)))
    await reader.read()
    site.pages["/feed"] = Page(feed_of(range(5)).body[:900], TYPE)
    with pytest.raises(Unprocessable, match="not a feed"):
        await reader.read()
    del site.pages["/feed"]
    with pytest.raises(NotFound):
        await reader.read()
    assert len(reader.stored) == 5


@pytest.mark.parametrize("memory", ['{"entries": 1}', '{"entries": {"x": "y"}, "tag": 3}', "{}"])
async def test_damaged_memory_costs_only_time(site: Site, memory: str) -> None:
    reader = reader_of(site, feed_of([1]))
    await reader.read()
    reader.memory = memory
    assert len((await reader.read()).documents) == 1


# ── content that means harm ──────────────────────────────────────────────────────────────────────────────────────────

BOMB = b"""<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<rss><channel><item><guid>1</guid><description>&b;</description></item></channel></rss>"""
FILE = b"""<!DOCTYPE rss [<!ENTITY f SYSTEM "file:///etc/passwd">]>
<rss><channel><item><guid>1</guid><description>&f;</description></item></channel></rss>"""


@pytest.mark.parametrize(
    "data",
    [
        BOMB,
        FILE,
        b"<rss>" + b"<channel>" * 5_000,
        b"<html><body>no feed</body></html>",
        b"\x00\x01",
        b"",
        b"{}",
        b"<rss><channel>&nbsp;</channel></rss>",
    ],
)
async def test_what_is_not_a_feed_is_refused(site: Site, data: bytes) -> None:
    reader = reader_of(site, Page(data, TYPE))
    with pytest.raises(Unprocessable, match="not a feed") as caught:
        await reader.read()
    assert "root:" not in str(caught.value)


async def test_a_hostile_entry_costs_only_itself(site: Site) -> None:
    deep = "<div>" * 5_000
    entries = f"<item><guid>1</guid><description><![CDATA[{deep}]]></description></item>" + item(2)
    script = "<item><title>&lt;script&gt;x&lt;/script&gt;</title><guid>3</guid><link>javascript:alert(1)</link>"
    entries += script + "<description><![CDATA[<script>alert(1)</script><p>plain</p>]]></description></item>"
    reader = reader_of(site, rss(entries))
    reading = await reader.read()
    assert len(reading.skipped) == 1
    assert fact(2) in bodies(reader)
    assert "alert" not in bodies(reader) + "".join(each.url for each in reader.stored.values())


@given(st.binary(max_size=300))
def test_any_bytes_make_entries_or_a_refusal(data: bytes) -> None:
    with suppress(Unprocessable):
        FeedParser("feed").feed(b"<rss><channel><item>" + data, is_last=True)


# ── the location ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("location", ["feed+https://shop.example/rss", "FEED+http://shop.example/rss"])
def test_a_location_is_an_address_with_a_prefix(location: str) -> None:
    assert isinstance(source_of(location), Feed)


async def test_another_address_is_refused(site: Site, site_with_trap: Site) -> None:
    """A private one, also behind a redirect; an unknown option."""
    reader = reader_of(site, Page(status=302, headers={"Location": f"{site_with_trap.url}/"}))
    with pytest.raises(Forbidden, match="private address"):
        await reader.read()
    assert site_with_trap.asked == []
    reader.options = {}
    with pytest.raises(Forbidden, match="private address"):
        await reader.read()
    reader.options = {"keep": True}
    with pytest.raises(InvalidRequest, match="no option 'keep'"):
        await reader.read()
