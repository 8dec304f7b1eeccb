"""A sync of many files by real processes, one of which is killed in the middle, on both engines."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ENGINES
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


@pytest.fixture(params=ENGINES)
async def installation(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path: Path, workspace: DriveWorkspace
) -> AsyncIterator[Installation]:
    """Prepared, but not started. Its bookshop has a folder of Drive as its only source."""
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    options = workspace.options()
    hosts = options.pop("private_hosts")
    source = {"location": f"drive://{workspace.root}", "options": options}
    tenants = config_of(tmp_path)["tenants"]
    tenants["bookshop"]["knowledge"] = {"sources": [source], "private_hosts": hosts}
    made = Installation.make(fork_server, tmp_path, prefix=f"t-{uuid.uuid4().hex[:8]}.", tenants=tenants, **servers)
    made.env["TEST_HURRY_SOURCES"] = "3"  # somebody else goes on when the lease of the killed process ends
    await made.prepare()
    yield made
    await made.stop()


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
