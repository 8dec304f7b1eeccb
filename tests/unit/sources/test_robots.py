"""robots.txt and the tags of pages are understood as their authors mean them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from agent_worker.sources.website.links import page_id, page_key, read_instructions
from agent_worker.sources.website.robots import parse_robots
from tests.harness.time_growth import assert_in_proportion

TEXT = """
# ours and everybody's
User-agent: *
Disallow: /private
Allow: /private/open
Disallow: /*.php$
Disallow: /search*q=
Crawl-delay: 600

User-agent: googlebot
User-agent: Parley
Disallow: /only-ours
Crawl-delay: 2
Sitemap: https://shop.example/sitemap.xml
"""


def test_our_own_group_holds_for_us_and_nothing_else() -> None:
    robots = parse_robots(TEXT)
    assert not robots.allows("/only-ours/x")
    assert robots.allows("/private")
    assert (robots.delay, robots.sitemaps) == (2.0, ("https://shop.example/sitemap.xml",))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *(("/", True), ("/private", False), ("/privately", False), ("/private/open/x", True), ("/a.php", False)),
        *(("/a.php?x", True), ("/search?q=1", False), ("/search", True), ("/PRIVATE", True)),
    ],
)
def test_the_longest_pattern_decides(path: str, allowed: bool) -> None:
    everybody = parse_robots(TEXT.replace("Parley", "other"))
    assert everybody.allows(path) is allowed
    assert everybody.delay == 10.0, "no site holds us up for longer"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read_as_rules(text: str) -> None:
    robots = parse_robots(text)
    assert robots.allows("/") in (True, False)


def test_a_hostile_pattern_is_not_slow() -> None:
    robots = parse_robots("User-agent: *\nDisallow: /" + "*a" * 5_000 + "$\n")
    assert_in_proportion(lambda size: "/" + "a" * size + "b", robots.allows, 4_000)
    assert robots.allows("/" + "a" * 4_000 + "b")


def test_links_are_found_in_any_markup_and_made_plain() -> None:
    page = """<BASE HREF='/shop/'><a class=x href=pots>1</a><A HREF="../help?utm_source=a&amp;b=2#top">2</A>
    <a rel="nofollow" href=/no>3</a><a href='mailto:a@b.c'>4</a><a href="javascript:x()">5</a>
    <a href="//other.example/">6</a>
    <a href="photo.JPG">7</a><a href="http://[">8</a><area href='/map'><a href=''>9</a><a>10</a>"""
    found = read_instructions(page, URL("https://shop.example/start"))
    assert found.links == (
        "https://shop.example/shop/pots",
        "https://shop.example/help?b=2",
        "https://shop.example/map",
        "https://shop.example/shop/",
    )


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="<>a ='\"/#&;hrefbs\n", max_size=400))
def test_a_link_before_any_markup_is_found_and_all_links_lead_to_the_site(text: str) -> None:
    site = URL("https://shop.example/")
    links = read_instructions(f"<a href='/first'>{text}", site).links
    assert links[0] == "https://shop.example/first"
    assert [link for link in links if URL(link).origin() != site.origin()] == []


@pytest.mark.parametrize("unit", ["<a ", "<a href=", "<a href='", "<a href='/x'>", "<meta " + "a=" * 3000])
def test_a_hostile_page_is_not_slow(unit: str) -> None:
    site = URL("https://shop.example/")
    assert_in_proportion(lambda size: unit * (size // len(unit)), lambda page: read_instructions(page, site), 1_000_000)


@pytest.mark.parametrize(
    ("url", "id"),
    [
        ("https://help.shop.example/", "help.shop.example"),
        ("https://shop.example/a/b-c", "shop.example.a.b-c"),
        ("http://127.0.0.1:8080/x/", "127.0.0.1-8080.x"),
    ],
)
def test_ids_of_plain_addresses_are_readable(url: str, id: str) -> None:
    assert page_id(URL(url)) == id


def test_a_page_is_the_same_by_http_and_https_and_another_on_another_port() -> None:
    places = [
        page_key(URL(f"{start}/a?x=1")) for start in ("http://s.example", "https://s.example:443", "http://s.example:8")
    ]
    assert places == ["s.example/a?x=1", "s.example/a?x=1", "s.example:8/a?x=1"]


def test_addresses_that_are_not_alike_have_ids_that_are_not() -> None:
    paths = ["a", "A", "a?x=1", "a?x=2", "a.b", "a/b", "a-b", "a b", "ä", "a%2Fb", "a" * 300, "a" * 301, "配送", "退货"]
    ids = {page_id(URL(f"https://shop.example/{path}")) for path in paths}
    assert len(ids) == len(paths)
    assert all(len(id) <= 200 and id[0].isalnum() for id in ids)
