"""Documents over the admin API: published, found at once, listed, removed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.documents.content_hash import content_hash
from tests.unit.gateway.conftest import Instance

BODY = "# Shipping\n\n## Prices\n\nA parcel to Lisbon costs 12 euros and takes four working days."


def document_body(**more: Any) -> dict[str, Any]:
    return {"title": "Shipping", "body": BODY} | more


async def test_a_published_document_is_searchable_at_once(instance: Instance) -> None:
    put = await instance.admin("PUT", "/knowledge/shipping", document_body(url="https://shop.example/shipping"))
    assert put.status == 200
    assert put.body["document"] == "shipping"
    assert put.body["passages"] >= 1
    found = await instance.admin("POST", "/knowledge/search", {"query": "What does a parcel to Lisbon cost?", "k": 3})
    best = found.body["passages"][0]
    assert (best["document"], best["url"]) == ("shipping", "https://shop.example/shipping")
    assert "12 euros" in best["text"]


async def test_a_search_tells_what_is_related_only_when_asked_to_explain(instance: Instance) -> None:
    await instance.admin("PUT", "/knowledge/shipping", document_body())
    await instance.admin("PUT", "/knowledge/cacti", {"title": "Cacti", "body": "Cacti need little water in winter."})
    asked = {"query": "What does a parcel to Lisbon cost?"}
    plain = (await instance.admin("POST", "/knowledge/search", asked)).body["passages"]
    explained = (await instance.admin("POST", "/knowledge/search", asked | {"explain": True})).body["passages"]
    assert not any("related" in one for one in plain)
    assert {one["document"]: one["related"] for one in explained} == {"shipping": True, "cacti": False}


async def test_an_edit_raises_the_version_and_replaces_the_text(instance: Instance) -> None:
    first = await instance.admin("PUT", "/knowledge/shipping", document_body())
    second = await instance.admin("PUT", "/knowledge/shipping", document_body(body=BODY.replace("12", "15")))
    assert second.body["version"] > first.body["version"]
    read = await instance.admin("GET", "/knowledge/shipping")
    assert "15 euros" in read.body["body"]
    assert read.body["version"] == second.body["version"]


async def test_a_removed_document_is_gone_everywhere(instance: Instance) -> None:
    await instance.admin("PUT", "/knowledge/shipping", document_body())
    assert (await instance.admin("DELETE", "/knowledge/shipping")).status == 204
    assert (await instance.admin("GET", "/knowledge/shipping")).status == 404
    assert (await instance.admin("DELETE", "/knowledge/shipping")).status == 404
    assert (await instance.admin("GET", "/knowledge")).body["items"] == []
    found = await instance.admin("POST", "/knowledge/search", {"query": "parcel to Lisbon"})
    assert found.body == {"passages": [], "answerable": False, "confidence": 0.0}


async def test_documents_are_listed_in_pages(instance: Instance) -> None:
    for name in ("c", "a", "b", "e", "d"):
        await instance.admin("PUT", f"/knowledge/{name}", document_body(title=name))
    seen, after = [], ""
    while True:
        page = (await instance.admin("GET", f"/knowledge?limit=2&after={after}")).body
        seen += [item["document"] for item in page["items"]]
        after = page["next"]
        if not after:
            break
    assert seen == ["a", "b", "c", "d", "e"]


async def test_the_hash_tells_whether_anything_changed(instance: Instance) -> None:
    ends = "2027-01-01T00:00:00Z"
    settings = {"url": "", "language": "en", "visibility": "verified"}
    await instance.admin("PUT", "/knowledge/one", document_body(**settings, expires_at=ends))
    item = (await instance.admin("GET", "/knowledge")).body["items"][0]
    from datetime import datetime

    same = content_hash(title="Shipping", body=BODY, expires_at=datetime.fromisoformat(ends), **settings)
    assert item["hash"] == same
    assert same != content_hash(title="Shipping", body=BODY, expires_at=None, **settings)


async def test_one_tenant_does_not_see_the_documents_of_another(instance: Instance) -> None:
    await instance.admin("PUT", "/knowledge/shipping", document_body())
    assert (await instance.call("GET", "/v1/admin/other/knowledge")).body["items"] == []
    assert (await instance.call("GET", "/v1/admin/other/knowledge/shipping")).status == 404
    found = await instance.call("POST", "/v1/admin/other/knowledge/search", {"query": "parcel to Lisbon"})
    assert found.body["passages"] == []


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no body": ({"title": "T"}, 400, "invalid_request"),
    "no title": ({"body": BODY}, 400, "invalid_request"),
    "empty title": (document_body(title=""), 400, "invalid_request"),
    "unknown field": (document_body(tags=[]), 400, "invalid_request"),
    "number for text": (document_body(body=5), 400, "invalid_request"),
    "script address": (document_body(url="javascript:alert(1)"), 400, "invalid_request"),
    "unknown visibility": (document_body(visibility="secret"), 400, "invalid_request"),
    "time without a zone": (document_body(expires_at="2027-01-01T00:00:00"), 400, "invalid_request"),
    "NUL in the body": (document_body(body="a\x00b"), 422, "unprocessable"),
    "NUL in the title": (document_body(title="a\x00b"), 422, "unprocessable"),
    "nothing to read": (document_body(body=" \n--- "), 422, "unprocessable"),
    "too much text": (document_body(body="word " * 190_000), 413, "document_too_large"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_an_unusable_document_is_refused(instance: Instance, kind: str) -> None:
    body, status, code = REFUSED[kind]
    answer = await instance.admin("PUT", "/knowledge/doc", body)
    assert (answer.status, answer.code) == (status, code)
    assert (await instance.admin("GET", "/knowledge")).body["items"] == []


async def test_the_largest_document_is_taken(instance: Instance) -> None:
    answer = await instance.admin("PUT", "/knowledge/large", document_body(body=("word " * 20 + "\n\n") * 8_000))
    assert answer.status == 200


async def test_a_request_over_four_mebibytes_is_refused(instance: Instance) -> None:
    answer = await instance.admin("PUT", "/knowledge/doc", document_body(body="x" * (4 * 1024 * 1024)))
    assert (answer.status, answer.code) == (413, "too_large")


async def test_another_content_type_is_refused(instance: Instance) -> None:
    answer = await instance.admin("PUT", "/knowledge/doc", None, data=b"# T", headers={"Content-Type": "text/markdown"})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("name", ["-a", ".hidden", "a b", "x" * 201, "a%2Fb", "%00"])
async def test_a_document_needs_a_plain_name(instance: Instance, name: str) -> None:
    answer = await instance.admin("PUT", f"/knowledge/{name}", document_body())
    assert answer.status in (400, 404)
    assert (await instance.admin("GET", "/knowledge")).body["items"] == []


@pytest.mark.parametrize(
    "body", [{}, {"query": ""}, {"query": "x", "k": 0}, {"query": "x", "k": 51}, {"query": "x", "k": "3"}]
)
async def test_a_wrong_search_is_refused(instance: Instance, body: dict[str, Any]) -> None:
    assert (await instance.admin("POST", "/knowledge/search", body)).code == "invalid_request"
