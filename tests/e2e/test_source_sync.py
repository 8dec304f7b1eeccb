"""Syncs by real processes that are killed in the middle, and questions asked meanwhile, on both engines."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent_worker.voice import DEFAULT_VOICE
from tests.e2e.conftest import ENGINES
from tests.harness.contract_client import ContractClient, wait_for
from tests.harness.installation import Installation, config_of
from tests.harness.processes import ForkServer
from tests.harness.sizes import size
from tests.platforms.drive import DriveServer, serve_drive
from tests.platforms.drive.workspace import DriveWorkspace

FILES = size(400, full=1_000)
DEADLINE_S = 110
EXPORT = "files.export"


@pytest.fixture
async def workspace() -> AsyncIterator[DriveWorkspace]:
    async with serve_drive() as server:
        server.drive_quota = 10**6
        yield DriveWorkspace(server)


async def open_bookshop(
    request: pytest.FixtureRequest, fork_server: ForkServer, folder: Path, knowledge: dict[str, Any]
) -> AsyncIterator[Installation]:
    """Prepared, but not started."""
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    tenants = config_of(folder)["tenants"]
    tenants["bookshop"]["knowledge"] = knowledge
    made = Installation.make(fork_server, folder, prefix=f"t-{uuid.uuid4().hex[:8]}.", tenants=tenants, **servers)
    made.env["TEST_HURRY_SOURCES"] = "3"  # somebody else goes on when the lease of the killed process ends
    await made.prepare()
    yield made
    await made.stop()


@pytest.fixture(params=ENGINES)
async def installation(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path: Path, workspace: DriveWorkspace
) -> AsyncIterator[Installation]:
    """Its bookshop has a folder of Drive as its only source."""
    options = workspace.options()
    hosts = options.pop("private_hosts")
    source = {"location": f"drive://{workspace.root}", "options": options}
    knowledge = {"sources": [source], "private_hosts": hosts}
    async for made in open_bookshop(request, fork_server, tmp_path, knowledge):
        yield made


class SlowSite:
    """A website whose page on returns is not served before ``released``."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def serve(self, request: web.Request) -> web.Response:
        if request.path == "/robots.txt":
            raise web.HTTPNotFound
        if request.path == "/returns":
            await self.released.wait()
            body = f"<h1>Returns</h1><p>{PROMISE}</p>"
        else:
            body = "<h1>Books</h1><p>We sell books on plants, and old maps.</p><a href='/returns'>Returns</a>"
        return web.Response(text=f"<html><body><main>{body}</main></body></html>", content_type="text/html")


PROMISE = "You can return a book within 30 days of delivery."


@pytest.fixture(params=ENGINES)
async def shop_with_slow_site(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path: Path
) -> AsyncIterator[tuple[Installation, SlowSite]]:
    site, app = SlowSite(), web.Application()
    app.router.add_get("/{path:.*}", site.serve)
    async with TestServer(app) as server:
        knowledge = {"websites": [{"url": str(server.make_url("/"))}], "private_hosts": ["127.0.0.1"]}
        async for made in open_bookshop(request, fork_server, tmp_path, knowledge):
            yield made, site
            site.released.set()


@pytest.mark.slow
async def test_a_question_asked_while_documents_are_read_is_answered_from_them_despite_a_kill(
    shop_with_slow_site: tuple[Installation, SlowSite], http: aiohttp.ClientSession
) -> None:
    """The contact is asked for patience once, and nothing is declined."""
    shop, site = shop_with_slow_site
    await shop.start()
    visitor = await ContractClient(shop, http).visitor("bookshop")
    await visitor.say("Within how many days can I return a book?")

    async def replies(count: int) -> list[str] | None:
        texts = [one["text"] for one in await visitor.read() if one["author"]["kind"] == "agent"]
        return texts if len(texts) >= count else None

    assert await wait_for(lambda: replies(1)) == [DEFAULT_VOICE.reading_documents]
    role = "worker" if shop.scaled else "dev"
    await shop.kill(role)
    site.released.set()
    await shop.start(role)
    notice, answer = await wait_for(lambda: replies(2), DEADLINE_S) or ("", "")
    assert notice == DEFAULT_VOICE.reading_documents
    assert PROMISE in answer


async def source_of(installation: Installation) -> dict[str, Any]:
    (item,) = (await installation.admin("GET", "knowledge/sources", tenant="bookshop"))["items"]
    return dict(item)


async def wait_for_exports(server: DriveServer, count: int) -> None:
    reached = asyncio.Event()
    server.on_request = lambda: reached.set() if server.requests.count(EXPORT) >= count else None
    await asyncio.wait_for(reached.wait(), DEADLINE_S)
    server.on_request = lambda: None


async def wait_for_result(installation: Installation) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            item = await source_of(installation)
            if item["last"]:
                return item
            await asyncio.sleep(0.1)


def bearers_in_turn(server: DriveServer) -> list[str]:
    """The access tokens in the order of the requests, without repetitions. Each sync has one of its own."""
    return [bearer for bearer, _ in itertools.groupby(each for each in server.bearers if each)]


@pytest.mark.slow
async def test_a_sync_that_is_killed_goes_on_about_where_it_was(
    installation: Installation, workspace: DriveWorkspace
) -> None:
    """After a kill -9 at half of the files, a tenth of them at most is fetched twice, and no file is missing. Two
    workers never sync at once."""
    workspace.fill(FILES, workspace.root, folders=20)
    server = workspace.server
    workers = ["worker", "worker#2"] if installation.scaled else ["dev"]
    await installation.start(*(["edge", "worker"] if installation.scaled else ["dev"]))
    await wait_for_exports(server, FILES // 2)
    await installation.kill(workers[0])
    await installation.start(*workers)
    item = await wait_for_result(installation)
    run = item["last"]
    assert (run["result"], run["refused"], item["running"]) == ("succeeded", [], None)
    assert run["counts"]["unchanged"] + run["counts"]["added"] + run["counts"]["changed"] == FILES
    assert FILES <= server.requests.count(EXPORT) <= FILES * 1.1
    bearers = bearers_in_turn(server)
    assert len(bearers) == len(set(bearers)) >= 2
