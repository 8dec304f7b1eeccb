"""Pages of websites lose their frame and nothing else."""

from __future__ import annotations

import sys

import pytest

from agent_worker.sources.text_files import Html
from agent_worker.sources.web_page import WebPage
from schemas.errors import MissingDependency
from tests.unit.sources.web_pages import PAGES, WebsitePage


def _read(html: str) -> str:
    (content,) = WebPage().read("page", html.encode())
    return content.body


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_headings_lists_tables_and_every_sentence_are_kept(page: WebsitePage) -> None:
    assert [said for said in page.main if said not in _read(page.html)] == []


def test_a_page_from_a_website_loses_the_frame_that_its_names_give_away() -> None:
    """As a file, the same pages keep it: somebody chose that file."""
    framed = PAGES[:-1]
    total = sum(len(page.frame) for page in framed)
    left = sum(said in _read(page.html) for page in framed for said in page.frame)
    assert left == 0
    as_files = [Html().read("page.html", page.html.encode())[0].body for page in framed]
    assert sum(said in body for page, body in zip(framed, as_files, strict=True) for said in page.frame) > total * 0.9


def test_a_page_that_would_be_empty_without_its_frame_is_kept() -> None:
    assert "Fridays, 25 euros." in _read(
        "<html><body><div class='sidebar'><p>Fridays, 25 euros.</p></div></body></html>"
    )


@pytest.mark.parametrize(
    "page",
    [
        '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml" lang="de"><body><p>Töpfe: 4 €'
        "</p></body></html>",
        "<p>Töpfe: 4 €</p>",
        "Töpfe: 4 €",
    ],
)
def test_pages_of_every_form_are_read(page: str) -> None:
    assert "Töpfe: 4 €" in _read(page)


def test_a_missing_library_is_reported_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(MissingDependency) as raised:
        _read("<p>Pots: 4 €</p>")
    assert "trafilatura" in raised.value.fix
