"""Websites read into documents, over and over, while their pages come, change and go."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import LocalDocumentStore
from gateway.documents.sync import SyncReport, sync_documents
from schemas.messages import Assurance
from tests.simulators.website import Page, Site, page, serve
from tests.unit.gateway.conftest import Instance
from tests.unit.sources import document_files

PAGES = {
    "/": page(
        "Shop", "We sell carnivorous plants.", links=("/shipping", "/help/", "/old", "https://elsewhere.example/")
    ),
    "/shipping": page("Shipping", "A parcel to Lisbon costs 12 euro.", links=("/", "/help/returns?utm_source=x#top")),
    "/help/": page(
        "Help", "Ask us anything about watering.", links=("/help/returns", "/secret", "prices.pdf", "pic.jpg")
    ),
    "/help/returns": page("Returns", "Pots come back within 30 days.", links=("/help/deep",)),
    "/help/deep": page("Deep", "Three links away from the start."),
    "/help/prices.pdf": Page(
        document_files.pdf([(20, 700, "Prices"), (10, 600, "Moss costs 7 euro.")]), "application/pdf"
    ),
    "/old": Page(status=301, headers={"Location": "/shipping"}),
    "/secret": page("Secret", "Staff prices."),
    "/robots.txt": Page(b"User-agent: *\nDisallow: /secret\n", "text/plain"),
}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serve(dict(PAGES)) as served:
        yield served


class Reader:
    """`parley knowledge sync` of one website, without a process."""

    def __init__(self, instance: Instance, folder: Path, site: Site) -> None:
        self._instance = instance
        self._folder = folder
        self.site = site

    async def __call__(self, path: str = "/", *, remove: bool = True, **more: Any) -> SyncReport:
        fields = {name: more.pop(name) for name in ("visibility", "language") if name in more}
        many = more.pop("many", False)
        options = {"depth": 2, "private_hosts": [self.site.host], **more}
        url = path if "://" in path else self.site.url + path
        place = DocumentSource(url, url, options=options, **fields)
        self.site.forget()
        shelf = LocalDocumentStore(self._instance.services, "shop")
        return await sync_documents(
            shelf, [place], remove=remove, crawl_states=CrawlStateStore(self._folder / "read.json"), allow_removals=many
        )

    async def ids(self) -> set[str]:
        return {item["document"].partition(f"{self.site.port}.")[2] for item in await self.items()}

    async def items(self) -> list[dict[str, Any]]:
        return list((await self._instance.admin("GET", "/knowledge")).body["items"])

    async def found(self, query: str, assurance: Assurance = "anonymous") -> str:
        """The text of the best passage."""
        await self._instance.settled()
        asked = {"query": query, "k": 1, "assurance": assurance}
        passages = (await self._instance.admin("POST", "/knowledge/search", asked)).body["passages"]
        return str(passages[0]["text"]) if passages else ""


@pytest.fixture
def read(instance: Instance, tmp_path: Path, site: Site) -> Reader:
    return Reader(instance, tmp_path, site)


async def test_the_pages_of_a_host_are_read_with_titles_and_headings_and_without_their_frame(read: Reader) -> None:
    """As deep as is allowed, each once, by what robots.txt leaves; a file among them too."""
    report = await read()
    assert (report.failed, report.notes) == ({}, [])
    ids = await read.ids()
    assert {id for id in ids if "pdf" not in id} == {"", "shipping", "help", "help.returns"}
    assert [id.partition("-")[0] for id in ids if "pdf" in id] == ["help.prices.pdf"]
    assert sorted(read.site.asked).count("/shipping") == 2, "itself, and where /old leads"
    assert not {"/secret", "/help/pic.jpg", "/help/deep"} & set(read.site.asked)
    (shipping,) = [item for item in await read.items() if item["title"] == "Shipping"]
    assert (shipping["url"], shipping["language"]) == (f"{read.site.url}/shipping", "en")
    assert shipping["source"] == f"{read.site.url}/"
    assert "Lisbon" in await read.found("What does a parcel to Lisbon cost?")
    assert "7 euro" in await read.found("What does moss cost?")
    assert "Imprint" not in await read.found("imprint of the shop")


async def test_only_what_changed_is_sent_and_published_again(read: Reader) -> None:
    first = await read()
    again = await read()
    assert (set(again.unchanged), again.added, again.changed) == (set(first.added), [], [])
    assert {each for each in read.site.asked if not each.endswith("=")} == {"/robots.txt", "/old", "/shipping"}, (
        "what leads elsewhere is followed to see where"
    )
    read.site.pages["/shipping"] = page("Shipping", "A parcel to Lisbon costs 15 euro.", links=("/help/returns",))
    edited = await read()
    assert len(edited.changed) == 1
    assert "15 euro" in await read.found("What does a parcel to Lisbon cost?")


async def test_without_etags_the_content_decides(read: Reader) -> None:
    for path, each in PAGES.items():
        read.site.pages[path] = Page(each.body, each.type, each.status, each.headers, has_etag=False)
    first = await read()
    again = await read()
    assert (set(again.unchanged), again.changed) == (set(first.added), [])


async def test_a_page_that_is_gone_is_removed_after_a_whole_crawl_and_not_before(read: Reader) -> None:
    await read()
    del read.site.pages["/help/returns"]
    read.site.pages["/help/"] = Page(b"overloaded", status=500)
    torn = await read()
    assert (torn.removed, list(torn.failed)) == ([], [f"{read.site.url}/help/"])
    assert "30 days" in await read.found("Until when may I return pots?")
    short = await read(pages=1)
    assert (short.removed, len(short.notes)) == ([], 1)
    read.site.pages["/help/"] = PAGES["/help/"]
    assert (await read(remove=False)).removed == []
    whole = await read()
    assert [id.rpartition(".")[2] for id in whole.removed] == ["returns"]
    assert "30 days" not in await read.found("Until when may I return pots?")


async def test_a_page_behind_a_password_does_not_hold_up_the_crawl(read: Reader) -> None:
    """It is not ours to read: what was read before it was closed is removed, and what else is gone too."""
    await read()
    read.site.pages["/help/returns"] = Page(b"log in first", status=403)
    del read.site.pages["/shipping"]
    report = await read(many=True)
    assert report.failed == {}
    assert sorted(id.rpartition(".")[2] for id in report.removed) == ["returns", "shipping"]


async def test_a_start_page_that_lost_its_links_takes_no_document_away(read: Reader) -> None:
    """Several documents that are over a fifth of a site go only when that is said; the page itself is published."""
    for number in range(4):
        read.site.pages[f"/more/{number}"] = page(f"More {number}", f"Pot number {number} is made of clay.")
    links = ("/shipping", "/help/", *(f"/more/{number}" for number in range(4)))
    read.site.pages["/"] = page("Shop", "We sell carnivorous plants.", links=links)
    await read()
    read.site.pages["/"] = page("Shop", "Please come back later.")
    report = await read()
    assert (report.removed, report.failed, len(report.changed)) == ([], {}, 1)
    (held,) = report.held.values()
    assert {"shipping", "help", "more.0"} <= {each.partition(f"{read.site.port}.")[2] for each in held}
    assert "Lisbon" in await read.found("What does a parcel to Lisbon cost?")
    gone = await read(many=True)
    assert (gone.removed, gone.held) == (held, {})
    assert await read.ids() == {""}


async def test_documents_of_other_sources_stay_when_a_site_loses_pages(read: Reader, instance: Instance) -> None:
    await instance.admin("PUT", "/knowledge/by-hand", {"title": "By hand", "body": "Written over the API."})
    other = DocumentSource("https://other.example/", "https://other.example/")
    await instance.admin(
        "PUT", "/knowledge/elsewhere", {"title": "E", "body": "From elsewhere.", "source": other.label}
    )
    await read()
    assert (await read()).removed == []
    assert {"by-hand", "elsewhere"} <= {item["document"] for item in await read.items()}


async def test_a_page_edited_or_removed_over_the_api_is_read_again(read: Reader, instance: Instance) -> None:
    await read()
    (shipping,) = [item["document"] for item in await read.items() if item["title"] == "Shipping"]
    (returns,) = [item["document"] for item in await read.items() if item["title"] == "Returns"]
    await instance.admin("PUT", f"/knowledge/{shipping}", {"title": "Shipping", "body": "Wrong."})
    await instance.admin("DELETE", f"/knowledge/{returns}")
    report = await read()
    assert (report.changed, report.added) == ([shipping], [returns])


async def test_another_visibility_holds_for_pages_that_did_not_change(read: Reader) -> None:
    await read()
    report = await read(visibility="verified")
    assert len(report.changed) == 5
    assert "Lisbon" not in await read.found("What does a parcel to Lisbon cost?")
    assert "Lisbon" in await read.found("What does a parcel to Lisbon cost?", "verified")


async def test_wishes_of_pages_are_kept(read: Reader) -> None:
    """noindex leaves a page out and follows it, nofollow the other way round; so does the header."""
    pages = read.site.pages
    pages["/"] = page("Start", "Start.", links=("/a", "/b", "/c"))
    pages["/a"] = page("A", "Hidden.", links=("/deep",), head="<meta name='robots' content='noindex'>")
    pages["/b"] = page("B", "Shown.", links=("/unlinked",), head='<META CONTENT="nofollow" NAME=ROBOTS>')
    pages["/c"] = page("C", "Header.", links=("/unlinked",))
    pages["/c"].headers["X-Robots-Tag"] = "none"
    pages["/deep"] = page("Deep", "Deep.")
    pages["/unlinked"] = page("Unlinked", "Not followed.")
    await read()
    assert await read.ids() == {"", "b", "deep"}


async def test_one_page_under_two_addresses_is_one_document(read: Reader) -> None:
    read.site.pages["/"] = page("Start", "Start.", links=("/shipping", "/shipping?sort=up", "/shipping/"))
    read.site.pages["/shipping?sort=up"] = read.site.pages["/shipping/"] = read.site.pages["/shipping"]
    await read(depth=1)
    assert await read.ids() == {"", "shipping"}


async def test_a_site_that_does_not_say_its_rules_now_is_not_read(read: Reader) -> None:
    read.site.pages["/robots.txt"] = Page(b"", status=500)
    report = await read()
    assert "robots.txt" in report.failed[f"{read.site.url}/"]
    assert set(read.site.asked) == {"/robots.txt"}


async def test_a_start_that_is_not_there_or_not_allowed_is_told(read: Reader) -> None:
    assert "404" in (await read("/nothing")).failed[f"{read.site.url}/nothing"]
    assert "robots.txt" in (await read("/secret")).failed[f"{read.site.url}/secret"]
    assert "not an address" in (await read("http://[/")).failed["http://[/"]
    read.site.pages["/pic.jpg"] = Page(b"\xff\xd8", "image/jpeg")
    assert "image/jpeg" in (await read("/pic.jpg")).failed[f"{read.site.url}/pic.jpg"]


async def test_one_bad_page_costs_one_page(read: Reader) -> None:
    pages = read.site.pages
    pages["/"] = page("Start", "Start.", links=("/empty", "/locked.pdf", "/nested", "/large", "/shipping"))
    pages["/empty"] = Page(b"<html><body><script>app()</script></body></html>")
    pages["/locked.pdf"] = Page(document_files.encrypted_pdf(), "application/octet-stream")
    pages["/nested"] = Page(b"<div>" * 50_000 + b"x")
    pages["/large"] = Page(b"<p>" + b"word " * 200_000)
    report = await read(depth=1)
    said = {name.rpartition("/")[2]: why for name, why in report.failed.items()}
    assert "no text" in said["empty"]
    assert "encrypted" in said["locked.pdf"]
    assert "nested" in said["nested"]
    assert "at most 900 KB" in said["large"]
    assert await read.ids() == {"", "shipping"}


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def allocating_at_most(megabytes: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_an_endless_response_is_abandoned(read: Reader) -> None:
    """A page without end, one that unpacks without measure, and one that leads on and on."""
    pages = read.site.pages
    pages["/"] = page("Start", "Start.", links=("/endless", "/burst", "/loop", "/shipping"))
    pages["/endless"] = Page(chunks=repeat(b"<p>" + b"word " * 10_000), has_etag=False)
    burst = gzip.compress(b"<p>" + b"a" * 300 * 1024 * 1024)
    pages["/burst"] = Page(burst, headers={"Content-Encoding": "gzip"}, has_etag=False)
    pages["/loop"] = Page(status=302, headers={"Location": "/loop"})
    with allocating_at_most(64):
        report = await read(depth=1)
    assert {name.rpartition("/")[2] for name in report.failed} == {"endless", "burst", "loop"}
    assert await read.ids() == {"", "shipping"}


@pytest.mark.parametrize(
    ("limit", "said"), [({"pages": 2}, "2 pages"), ({"megabytes": 0.0001}, "MB"), ({"minutes": 0.00001}, "minutes")]
)
async def test_a_crawl_ends_at_its_limits_and_says_so(read: Reader, limit: dict[str, Any], said: str) -> None:
    report = await read(**limit)
    assert said in report.notes[0]
    assert len(report.added) <= 2


SITEMAP = "<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{}</urlset>"


async def test_a_sitemap_of_a_million_pages_is_read_as_far_as_is_wanted(read: Reader) -> None:
    """And no further."""
    site, sent = read.site, 0

    def entries() -> Iterator[bytes]:
        nonlocal sent
        yield SITEMAP.partition("{}")[0].encode()
        for sent in range(0, 1_000_000, 1000):
            yield "".join(f"<url><loc>{site.url}/p{number}</loc></url>" for number in range(sent, sent + 1000)).encode()

    site.pages |= {f"/p{number}": page(f"Page {number}", f"This is page {number}.") for number in range(20)}
    site.pages["/sitemap.xml"] = Page(type="application/xml", chunks=entries(), has_etag=False)
    with allocating_at_most(64):
        report = await read("/sitemap.xml", pages=20, depth=0)
    assert len(report.added) == 20
    assert "more than 20 pages" in report.notes[0]
    assert sent < 200_000


async def test_sitemaps_lead_to_sitemaps_and_robots_txt_to_them(read: Reader) -> None:
    site = read.site
    listed = SITEMAP.format(f"<url><loc>{site.url}/help/deep</loc></url><url><loc>https://other.example/</loc></url>")
    site.pages["/more.xml.gz"] = Page(gzip.compress(listed.encode()), "application/gzip")
    index = f"<sitemapindex><sitemap><loc>{site.url}/more.xml.gz</loc></sitemap></sitemapindex>"
    site.pages["/index.xml"] = Page(index.encode(), "text/xml")
    await read("/index.xml", depth=0)
    assert await read.ids() == {"help.deep"}
    site.pages["/robots.txt"] = Page(f"Sitemap: {site.url}/index.xml".encode(), "text/plain")
    site.pages["/"] = page("Start", "No link.")
    await read("/", depth=1)
    assert {"", "help.deep"} <= await read.ids()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>no sitemap</html>",
        b"<urlset><url>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
        b"<urlset>" + b"<a>" * 5_000,
        b"\x1f\x8bnot gzip",
        b"",
    ],
)
async def test_an_invalid_sitemap_is_reported(read: Reader, body: bytes) -> None:
    read.site.pages["/sitemap.xml"] = Page(body, "application/xml")
    report = await read("/sitemap.xml")
    assert "not a sitemap" in report.failed[f"{read.site.url}/sitemap.xml"]


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_redirect_to_a_private_address_is_not_followed(read: Reader) -> None:
    """Neither from the start nor from a page, at once or in the end; the other server is never asked."""
    async with serve({"/": page("Trap", "Secrets."), "/robots.txt": Page(b"", "text/plain")}) as trap:
        pages = read.site.pages
        pages["/to-trap"] = Page(status=302, headers={"Location": f"{trap.url}/"})
        pages["/in-the-end"] = Page(status=307, headers={"Location": "/to-trap"})
        pages["/by-name"] = Page(status=302, headers={"Location": f"http://localhost:{trap.port}/"})
        pages["/"] = page("Start", "Start.", links=("/to-trap", "/in-the-end", f"{trap.url}/", "/shipping"))
        report = await read("/")
        assert "private address" in report.failed[f"{read.site.url}/to-trap"]
        for start in ("/to-trap", "/in-the-end", "/by-name"):
            assert "private address" in (await read(start)).failed[f"{read.site.url}{start}"]
        direct = (await read(f"{trap.url}/")).failed[f"{trap.url}/"]
        assert "private_hosts" in direct, "it says what to do for a host of one's own"
        assert trap.asked == []
        assert await read.ids() >= {"", "shipping"}
