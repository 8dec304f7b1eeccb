"""Lists of the admin API: their pages, and what is no page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.gateway.conftest import Instance

BODY = {"title": "Shipping", "body": "# Shipping\n\nA parcel costs 12 euros."}
RUN = {"suite": "s", "setup": "x", "cases": 1, "passed": 1, "low": 0, "high": 1, "cost": 0, "p95_ms": 1}
LISTS = (
    "/tokens",
    "/evals",
    "/knowledge",
    "/knowledge/sources",
    "/knowledge/shipping/versions",
    "/outcomes/conversations",
)


async def read_pages(instance: Instance, path: str, size: int) -> list[list[Any]]:
    pages, after = list[list[Any]](), ""
    while True:
        page = (await instance.admin("GET", f"{path}?limit={size}&after={quote(after)}")).body
        pages.append(page["items"])
        after = page["next"]
        if not after:
            return pages


async def test_tokens_and_runs_are_listed_in_pages(instance: Instance) -> None:
    for number in range(3):
        assert (await instance.admin("POST", "/tokens", {"name": f"t{number}", "scopes": ["read"]})).status == 201
        run = RUN | {"suite": f"s{number}", "at": f"2026-05-0{number + 1}T09:30:00Z"}
        assert (await instance.admin("POST", "/evals", run)).status == 201
    for path in ("/tokens", "/evals"):
        whole = (await instance.admin("GET", path)).body["items"]
        assert await read_pages(instance, path, 2) == [whole[:2], whole[2:]]
        assert len(whole) == 3


async def test_a_run_that_was_published_twice_does_not_repeat_a_page_for_ever(instance: Instance) -> None:
    for _ in range(2):
        await instance.admin("POST", "/evals", RUN | {"at": "2026-05-01T09:30:00Z"})
    assert len(await read_pages(instance, "/evals", 1)) <= 2


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_that_does_not_exist_is_refused(instance: Instance, path: str) -> None:
    await instance.admin("PUT", "/knowledge/shipping", BODY)
    answer = await instance.admin("GET", f"{path}?after={quote('{no')}")
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.body["error"]["message"] == "after: must be the `next` of the previous page"
    if path != "/outcomes/conversations":
        for limit in ("-1", "0", "201", "x"):
            assert (await instance.admin("GET", f"{path}?limit={limit}")).code == "invalid_request"


async def test_a_list_of_documents_goes_on_after_one_that_is_gone(instance: Instance) -> None:
    for name in ("a", "b", "c"):
        await instance.admin("PUT", f"/knowledge/{name}", BODY)
    await instance.admin("DELETE", "/knowledge/b")
    page = (await instance.admin("GET", "/knowledge?after=b")).body
    assert [item["document"] for item in page["items"]] == ["c"]


@pytest.mark.parametrize("name", ["%7B", "%7Ba%7D", "a%7D"])
async def test_a_name_with_a_brace_is_told_what_is_wrong_with_it(instance: Instance, name: str) -> None:
    for method, body in (("PUT", BODY), ("GET", None), ("DELETE", None)):
        answer = await instance.admin(method, f"/knowledge/{name}", body)
        assert (answer.status, answer.code) == (400, "invalid_request")
        assert answer.body["error"]["message"].startswith("document: must be 1-200 letters")
