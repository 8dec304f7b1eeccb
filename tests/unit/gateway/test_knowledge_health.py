"""The health of documents: what a check finds, over the API, in the console and by the command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.http.app import run_server
from schemas.messages import Author, Citation, TranscriptMessage
from tests.console.conftest import TEXT
from tests.console.form_client import FormClient, ShownPage
from tests.unit.gateway.conftest import Instance, run_instance
from tests.widget.chat_page import wait_for_value

DAY = 24 * 3600
PATH = "/knowledge-health"
PAGE = "/console/shop/knowledge/health"


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A website with one page that is there, one behind a password, one that fails, and none at other addresses."""

    async def respond(request: web.Request) -> web.Response:
        return web.Response(status={"/there": 200, "/login": 401, "/broken": 500}.get(request.path, 404))

    app = web.Application()
    app.router.add_get("/{path:.*}", respond)
    async with run_server(app, "127.0.0.1", 0) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
async def instance(tmp_path: Path, site: str) -> AsyncIterator[Instance]:
    text = TEXT.replace("  other:", f"    knowledge: {{private_hosts: ['{site}']}}\n  other:")
    async with run_instance(tmp_path, text) as started:
        yield started


async def put(instance: Instance, name: str, body: str, **more: Any) -> None:
    answer = await instance.admin("PUT", f"/knowledge/{name}", {"title": name.title(), "body": body} | more)
    assert answer.status == 200


async def check(instance: Instance, *, links: bool = False) -> Any:
    await instance.settled()
    started = await instance.admin("POST", PATH, {"links": links})
    assert started.status == 202

    async def read_finished() -> Any:
        report = (await instance.admin("GET", PATH)).body
        return None if report["running"] else report

    return await wait_for_value(read_finished)


def places(report: Any, code: str) -> list[list[str]]:
    return [[place["document"] for place in each["places"]] for each in report["findings"] if each["code"] == code]


async def test_before_the_first_check_the_report_is_empty(instance: Instance) -> None:
    report = (await instance.admin("GET", PATH)).body
    assert (report["finished_at"], report["running"], report["findings"]) == (None, False, [])


async def test_a_contradiction_shows_both_sentences(instance: Instance) -> None:
    await put(instance, "returns", "You can return unopened plants within 14 days.")
    await put(instance, "terms", "# Terms\n\n## Returns\n\nUnopened plants you can return within 30 days.")
    (finding,) = (await check(instance))["findings"]
    assert finding["code"] == "contradictory_figures"
    assert [(each["document"], each["heading"], each["quote"]) for each in finding["places"]] == [
        ("returns", "", "You can return unopened plants within 14 days."),
        ("terms", "Returns", "Unopened plants you can return within 30 days."),
    ]
    assert finding["fix"]


async def test_copies_count_once_and_drafts_and_expired_documents_not_at_all(instance: Instance) -> None:
    body = (
        "We add a heat pack to every parcel from November to March, and wrap each plant in two layers of paper.\n" * 2
    )
    await put(instance, "one", body)
    await put(instance, "two", body)
    await put(instance, "old", body, expires_at="2026-05-01T00:00:00Z")
    await put(instance, "one.draft", body, proposal={"document": "one"})
    report = await check(instance)
    assert places(report, "duplicate_document") == [["one", "two"]]
    assert places(report, "duplicate_passage") == []
    assert places(report, "expired") == [["old"]]
    assert report["documents"] == 3


async def test_ten_expired_documents_are_found_and_those_that_expire_soon(instance: Instance) -> None:
    for number in range(10):
        await put(instance, f"old-{number}", f"Text {number}.", expires_at="2026-05-03T23:59:59Z")
    await put(instance, "soon", "Text soon.", expires_at="2026-05-10T00:00:00Z")
    await put(instance, "later", "Text later.", expires_at="2026-08-10T00:00:00Z")
    report = await check(instance)
    assert places(report, "expired") == [[f"old-{number}"] for number in range(10)]
    assert places(report, "expires_soon") == [["soon"]]


async def test_a_document_that_no_answer_cites_is_found_once_it_is_old_enough(instance: Instance) -> None:
    await put(instance, "cited", "One.")
    await put(instance, "idle", "Two.")
    await put(instance, "secret", "Three.", visibility="internal")
    talk = await instance.conversation("visitor-1")
    line = TranscriptMessage(
        seq=0,
        id="answer",
        author=Author(kind="agent"),
        text="One [1]",
        citations=[Citation(n=1, document="cited", title="Cited", version=1, quote="One.")],
        created_at=instance.clock(),
    )
    await instance.services.state.transcript.add(talk.id, line)
    assert places(await check(instance), "never_cited") == [], "nothing is a month old yet"
    instance.clock.tick(31 * DAY)
    await put(instance, "fresh", "Four.")
    report = await check(instance)
    assert places(report, "never_cited") == [["idle"]]
    assert report["conversations"] == 1


async def test_broken_links_are_found_with_their_status_and_line(instance: Instance, site: str) -> None:
    broken = [f"http://{site}/gone-{number}" for number in range(9)]
    body = "\n\n".join(f"See [this page]({url}) for more." for url in broken)
    await put(instance, "links", f"{body}\n\nSee <http://{site}/there#part>, and http://{site}/login.\n")
    await put(instance, "other", f"Also http://{site}/gone-0.", url=f"http://{site}/broken")
    report = await check(instance, links=True)
    found = {each["detail"]: each["places"] for each in report["findings"] if each["code"] == "broken_link"}
    assert found.keys() == {
        *(f"not found: {url}" for url in broken),
        f"answered 500: http://{site}/broken",
    }
    assert found[f"not found: {broken[3]}"][0]["quote"] == f"See [this page]({broken[3]}) for more."
    assert [each["document"] for each in found[f"not found: {broken[0]}"]] == ["links", "other"]
    assert (report["links_checked"], report["links_unchecked"]) == (12, 0)


async def test_private_addresses_are_never_asked(instance: Instance, site: str) -> None:
    port = site.rpartition(":")[2]
    for url in (
        f"http://localhost:{port}/x",
        f"http://[::1]:{port}/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/x",
    ):
        await put(instance, "inner", f"See {url} for more.")
        report = await check(instance, links=True)
        assert (report["links_checked"], report["links_unchecked"]) == (0, 1), url
        assert report["findings"] == []


async def test_only_one_check_runs_at_a_time_and_a_killed_one_does_not_block_for_ever(instance: Instance) -> None:
    leases, now = instance.services.state.leases, instance.clock()
    token = await leases.acquire("knowledge-health:shop", "killed", ttl=60, now=now)
    assert token is not None
    await leases.save_note("knowledge-health:shop", token, f'{{"running_at": "{now.isoformat()}"}}')
    assert (await instance.admin("POST", PATH, {})).body["running"] is True
    instance.clock.tick(61)
    assert (await instance.admin("GET", PATH)).body["running"] is False
    await put(instance, "one", "One.")
    assert (await check(instance))["documents"] == 1


async def test_the_console_shows_the_report_to_those_who_see_the_tenant(instance: Instance) -> None:
    await put(instance, "returns", "You can return unopened plants within 14 days.")
    await put(instance, "terms", "You can return <b>unopened</b> plants within 30 days.")
    await instance.settled()
    async with FormClient(instance) as seat, FormClient(instance) as stranger:
        await seat.sign_in("ben")
        assert "not been checked yet" in (await seat.get(PAGE)).words
        assert (await seat.post(PAGE, {"csrf": "wrong"})).status == 403
        assert (await seat.send(PAGE, PAGE, {})).status == 200

        async def read_report() -> ShownPage | None:
            page = await seat.get(PAGE)
            return page if "Contradictory figures (1)" in page.words else None

        seen = await wait_for_value(read_report)
        assert "You can return &lt;b&gt;unopened&lt;/b&gt; plants within 30 days." in seen.text
        assert 'href="/console/shop/knowledge/documents/terms"' in seen.text
        assert (await seat.get(PAGE.replace("shop", "other"))).status == 404
        assert "Password" in (await stranger.get(PAGE)).words
