"""Many pages: killed again and again, under rate limits and failures, and what the next syncs cost."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from schemas.errors import Unavailable
from tests.harness.sizes import size
from tests.platforms.notion.sample import blocks, document_id, fill, is_leaf, mark
from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.workspace import Node, Workspace
from tests.simulators.vendor import Fault, Request
from tests.unit.sources.notion.conftest import SourceReader, later

pytestmark = pytest.mark.slow
PAGES = size(200, full=1_000)
KILLS = size(5, full=20)
FIRST_COST = size(262, full=1_310)
"""Requests of a first sync that nothing disturbs: a page each, and those for blocks inside others and for lists."""


@pytest.fixture(scope="module")
async def company() -> AsyncIterator[tuple[NotionServer, list[Node]]]:
    async with NotionServer(Workspace()).serving() as server:
        pages = fill(server.workspace, PAGES)
        later(server.workspace)
        yield server, pages


def storm(seed: int) -> Any:
    """One request of eight fails."""
    random = Random(seed)
    kinds = [
        Fault("limit", retry_after=2),
        Fault("refuse", status=529),
        Fault("refuse", status=503),
        Fault("drop"),
        Fault("drop_after"),
        Fault("lose", status=502),
        Fault("garbage"),
    ]

    def meet(_request: Request) -> Fault | None:
        return random.choice(kinds) if random.random() < 0.125 else None

    return meet


class KilledReader(SourceReader):
    """Its process is killed after so many documents or requests. What it has saved until then is all that it has the
    next time: documents may be newer than its memory."""

    def __init__(self, server: NotionServer, random: Random, **options: Any) -> None:
        super().__init__(server, **options)
        self._random = random
        self._saved = "{}"
        self._hashes: dict[str, int] = {}

    async def run_until_killed(self, requests: int) -> bool:
        """Returns False if it ended before it was killed."""
        task = asyncio.create_task(self._run())
        limit = self.server.total + requests

        def kill(_operation: str) -> None:
            if self.server.total >= limit:
                task.cancel()

        self.server.meanwhile = kill
        with suppress(asyncio.CancelledError):
            await task
        self.server.meanwhile = lambda _: None
        self.memory = json.loads(self._saved)
        return task.cancelled()

    async def _run(self) -> None:
        hashes = dict(self._hashes)
        same = {id for id, each in hashes.items() if id in self.documents and hash(self.documents[id]) == each}
        async for item in self.read(same):
            if id := getattr(item, "id", ""):
                hashes[id] = hash(self.documents.get(id))
            if self._random.random() < 0.2:
                self._saved, self._hashes = json.dumps(self.memory), dict(hashes)


def check_exact(sync: SourceReader, pages: list[Node], editions: dict[int, int] | None = None) -> None:
    """Each page is a document with its own sentence, and there is nothing else."""
    assert sync.documents.keys() == {document_id(page) for page in pages}
    for number, page in enumerate(pages):
        expected = mark(number, (editions or {}).get(number, 1))
        assert expected in sync.body(page)


async def test_a_first_sync_that_is_killed_many_times_is_complete_and_exact(
    company: tuple[NotionServer, list[Node]],
) -> None:
    server, pages = company
    random = Random(3)
    sync = KilledReader(server, random)
    server.faults.always = storm(4)
    began = server.total
    try:
        for _ in range(KILLS):
            assert await sync.run_until_killed(random.randrange(20, 100))
        assert PAGES // 10 < len(sync.documents) < PAGES
        while True:
            try:
                result = await sync()
            except Unavailable:  # the storm was too much for a list
                continue
            if result.is_complete and not result.skipped:
                break
    finally:
        server.faults.always = lambda _: None
    check_exact(sync, pages)
    # Each start lists everything again, and each failure is a request.
    assert server.total - began < 2 * FIRST_COST + KILLS * 30


async def test_a_second_sync_costs_at_most_a_twentieth_and_memory_is_bounded(
    company: tuple[NotionServer, list[Node]],
) -> None:
    server, _ = company
    sync = SourceReader(server, recheck=0.02)
    tracemalloc.start()
    try:
        server.asked.clear()
        assert (await sync()).is_complete
        first = server.total
        peak = tracemalloc.get_traced_memory()[1] / 1024 / 1024
    finally:
        tracemalloc.stop()
    assert first == pytest.approx(FIRST_COST, abs=5)
    assert peak < 60, "megabytes, with the documents and the simulated Notion's answers"
    later(server.workspace)
    for _ in range(3):
        server.asked.clear()
        result = await sync()
        assert (result.is_complete, len(result.read) + len(result.unchanged)) == (True, PAGES)
        assert server.total <= first * 0.05


async def test_edits_deletions_and_lost_permissions_hold_after_one_sync() -> None:
    random = Random(5)
    async with NotionServer(Workspace()).serving() as server:
        workspace = server.workspace
        pages = fill(workspace, PAGES)
        later(workspace)
        sync = SourceReader(server, recheck=0.02)
        await sync()
        leaves = [number for number, page in enumerate(pages) if is_leaf(page)]
        few = PAGES // 50
        chosen = random.sample(leaves, 4 * few)
        erased, trashed, restricted, edited = (chosen[few * part : few * (part + 1)] for part in range(4))
        for numbers, change in (
            (erased, workspace.erase),
            (trashed, workspace.trash),
            (restricted, workspace.restrict),
        ):
            for number in numbers:
                change(pages[number])
        for number in edited:
            workspace.rewrite(pages[number], *blocks(number, 2))
        server.asked.clear()
        assert (await sync()).is_complete
        gone = {*erased, *trashed, *restricted}
        assert [number for number in gone if sync.holds(mark(number))] == []
        assert [number for number in edited if sync.holds(mark(number)) or not sync.holds(mark(number, 2))] == []
        assert len(sync.documents) == PAGES - len(gone)
        assert server.total < PAGES * 0.3
