"""The words of the admin API about fields that it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from agent_worker.knowledge.text.front_matter import split_front_matter
from tests.unit.gateway.conftest import Instance

BODY: dict[str, Any] = {"title": "Shipping", "body": "A parcel costs 12 euros."}


async def test_a_refused_document_is_told_why(instance: Instance) -> None:
    for change, expected in (
        ({"title": ""}, "title: must not be empty"),
        ({"title": " "}, "title: must not be empty"),
        ({"title": "\n"}, "title: must not be empty"),
        ({"title": "\u200b"}, "title: must not be empty"),
        ({"title": "x" * 301}, "title: must have at most 300 characters"),
        ({"url": "ftp://x"}, "url: must be an address that begins with https:// or http://"),
        ({"language": "!"}, "language: must be a language such as de or pt-BR"),
        ({"visibility": "secret"}, "visibility: must be 'public', 'verified' or 'internal'"),
        ({"expires_at": "soon"}, "expires_at: must be a time such as 2026-05-04T09:30:00Z"),
        ({"expires_at": "2026-05-04"}, "expires_at: must be a time such as 2026-05-04T09:30:00Z"),
        (
            {"expires_at": "2026-05-04T09:30:00"},
            "expires_at: must be a time with an offset, such as 2026-05-04T09:30:00Z",
        ),
        ({"colour": "red"}, "colour: is not a field here"),
    ):
        answer = await instance.admin("PUT", "/knowledge/shipping", BODY | change)
        assert (answer.status, answer.body["error"]["message"]) == (400, expected)


async def test_a_title_on_several_lines_becomes_one_line(instance: Instance) -> None:
    for title in ("one\ntwo", "one\u2028two", "one\r\ntwo"):
        assert (await instance.admin("PUT", "/knowledge/shipping", BODY | {"title": title})).status == 200
        assert (await instance.admin("GET", "/knowledge/shipping")).body["title"] == "one two"


async def test_a_refused_token_is_told_why(instance: Instance) -> None:
    for change, expected in (
        ({"name": "one\ntwo"}, "name: must be on one line"),
        ({"name": "\u2060"}, "name: must not be empty"),
        ({"name": "x" * 101}, "name: must have at most 100 characters"),
        ({"scopes": []}, "scopes: must not be empty"),
    ):
        answer = await instance.admin("POST", "/tokens", {"name": "ci", "scopes": ["read"]} | change)
        assert (answer.status, answer.body["error"]["message"]) == (400, expected)


@pytest.mark.parametrize("query", ["\u200b", " \n"])
async def test_a_search_for_nothing_visible_is_refused(instance: Instance, query: str) -> None:
    answer = await instance.admin("POST", "/knowledge/search", {"query": query})
    assert (answer.status, answer.body["error"]["message"]) == (400, "query: must not be empty")


def test_a_title_on_several_lines_of_front_matter_becomes_one_line() -> None:
    attributes, _ = split_front_matter("a.md", "---\ntitle: |\n  Opening\n  hours\n---\nFrom nine to five.")
    assert attributes.title == "Opening hours"
