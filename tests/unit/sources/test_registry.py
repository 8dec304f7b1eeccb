"""Sources by location: a location that no source reads is explained by what was probably meant."""

from __future__ import annotations

from importlib.metadata import EntryPoints, entry_points

import pytest

from agent_worker.sources import registry
from agent_worker.sources.registry import source_of
from agent_worker.sources.website.sitemap import SitemapParser
from schemas.errors import InvalidRequest, Unprocessable


@pytest.mark.parametrize(
    ("location", "fix"),
    [
        ("notionn://", "did you mean a location of the source 'notion'?"),
        ("YouTub://channel/@x", "did you mean a location of the source 'youtube'?"),
        ("feed://shop.example/x", "did you mean a location of the source 'feed'?"),
        ("ftp://shop.example/", "install its source: there are"),
    ],
)
def test_a_location_that_is_misspelt_names_the_source_that_is_like_it(location: str, fix: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        source_of(location)
    assert fix in caught.value.fix


@pytest.mark.parametrize("root", ["rss", "feed"])
def test_a_feed_that_is_configured_as_a_website_names_the_source_for_feeds(root: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        SitemapParser("news.xml", 10).feed(f"<{root}>".encode())
    assert "write feed+ before its address" in caught.value.fix


def test_installed_sources_are_looked_for_once_however_many_locations_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lookups = 0

    def count_lookups(*, group: str) -> EntryPoints:
        nonlocal lookups
        lookups += 1
        return entry_points(group=group)

    monkeypatch.setattr(registry, "entry_points", count_lookups)
    registry.find_plugins.cache_clear()
    for number in range(100):
        source_of(f"shop-{number}/documents")
    assert lookups == 1
