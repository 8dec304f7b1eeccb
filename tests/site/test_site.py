"""The site builds without a warning, its links lead somewhere, and a reader's browser asks nobody else for anything."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.harness.processes import ROOT
from tests.site.conftest import Site, SitePage

UNFINISHED = re.compile(r"\b(design|contract) §|§ ?\d|\bTODO\b|\.\./shared")


def broken_links(page: Path, about: SitePage, site: Site) -> list[str]:
    """The addresses in a page that lead to no file of the site, or to no place in one."""
    broken = []
    for address in (*about.links, *about.loads):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        base = site.folder if parts.path.startswith("/") else page.parent
        target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else page
        target = target / "index.html" if target.is_dir() else target
        anchor = unquote(parts.fragment)
        if not target.is_file() or (anchor and target in site.pages and anchor not in site.pages[target].ids):
            broken.append(address)
    return broken


def test_the_build_warns_of_nothing(site: Site) -> None:
    assert "WARNING" not in site.printed
    assert len(site.pages) > 60


def test_every_internal_link_leads_to_a_page_and_a_place_on_it(site: Site) -> None:
    found = {str(page.relative_to(site.folder)): broken_links(page, about, site) for page, about in site.pages.items()}
    assert {page: broken for page, broken in found.items() if broken} == {}


def test_a_broken_link_would_be_noticed(site: Site) -> None:
    about = SitePage()
    about.feed('<a href="tutorial/">1</a><a href="tutorial/#no-such-place">2</a><img src="no-such.png">')
    assert broken_links(site.folder / "index.html", about, site) == ["tutorial/#no-such-place", "no-such.png"]


def test_a_page_loads_nothing_from_elsewhere(site: Site) -> None:
    loads = {address for about in site.pages.values() for address in about.loads}
    assert {address for address in loads if urlsplit(address).netloc} == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.folder.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)]*", styles) == []


@pytest.mark.parametrize("folder", ["docs", "gateway", "connectors", "agent_worker", "infra", "schemas"])
def test_nothing_refers_to_documents_that_are_not_here(folder: str) -> None:
    files = [path for ending in ("py", "md", "txt", "yaml") for path in (ROOT / folder).rglob(f"*.{ending}")]
    assert files
    assert [str(path) for path in files if UNFINISHED.search(path.read_text(encoding="utf-8"))] == []
