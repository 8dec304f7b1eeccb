"""A hundred tenants in one process that may open few files: it serves while it reads their documents, and loses none
when it is killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness.installation import Installation
from tests.harness.processes import ForkServer, Process

COUNT, DESCRIPTORS, MAX_THREADS = 100, 256, 50
DEADLINE_S = 120


def make_installation(fork_server: ForkServer, folder: Path) -> Installation:
    tenants = {}
    for number in range(COUNT):
        documents = folder / "documents" / f"{number}"
        documents.mkdir(parents=True)
        (documents / "hours.md").write_text(f"# Hours\n\nShop number {number} opens at nine in the morning.\n")
        tenants[f"shop-{number}"] = {
            "name": f"Shop {number}",
            "channels": {"web": {"main": {}}},
            "knowledge": {"paths": [str(documents)]},
        }
    return Installation.make(fork_server, folder, tenants=tenants)


async def start(installation: Installation) -> Process:
    await installation.start(wait=False)
    process = installation.roles["dev"]
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    return process


def count_held(process: Process, kind: str) -> int:
    return len(os.listdir(f"/proc/{process.pid}/{kind}"))


async def list_documents(installation: Installation) -> list[str]:
    """The text of each tenant's only document."""
    texts = []
    for number in range(COUNT):
        found = await installation.admin("GET", "knowledge/hours", tenant=f"shop-{number}")
        texts.append(found["body"].splitlines()[-1])
    return texts


async def read_parts(process: Process) -> dict[str, Any]:
    """The parts that `/readyz` reports; empty while nothing listens."""
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{process.port}/readyz") as response,
        ):
            return dict((await response.json())["parts"])
    except aiohttp.ClientError:
        return {}


async def test_few_descriptors_are_enough_for_a_hundred_tenants_also_after_a_kill_during_the_first_import(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    installation = make_installation(fork_server, tmp_path)
    process = await start(installation)
    async with asyncio.timeout(DEADLINE_S):
        while "are being read" not in (await read_parts(process)).get("knowledge", ""):
            assert process.alive, process.tail()
            await asyncio.sleep(0.01)
        # It serves already: what an operator writes now is no file, and is not overwritten by one.
        body = {"title": "Parking", "body": "# Parking\n\nThere are seven parking spaces."}
        await installation.admin("PUT", "knowledge/parking", tenant="shop-99", json=body)
    await process.kill()
    for _ in range(2):
        process = await start(installation)
        await process.ready(DEADLINE_S)
        expected = [f"Shop number {number} opens at nine in the morning." for number in range(COUNT)]
        assert await list_documents(installation) == expected
        parking = await installation.admin("GET", "knowledge/parking", tenant="shop-99")
        assert "seven parking spaces" in parking["body"]
        assert count_held(process, "fd") < DESCRIPTORS
        assert count_held(process, "task") < MAX_THREADS
        await process.stop()
