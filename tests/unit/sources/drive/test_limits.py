"""Memory and the event loop while many files are read."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from agent_worker.sources.conversion import Conversion
from agent_worker.sources.drive.source import GoogleDrive
from agent_worker.sources.isolation import Isolation
from schemas.ports import ReadDocument, SyncRequest
from tests.harness.sizes import size
from tests.platforms.drive.items import DOCUMENT
from tests.platforms.drive.workspace import DriveWorkspace, sheet

PICTURES = b"\n[image1]: <data:image/png;base64," + b"A" * 9_000_000 + b">\n"
MEGABYTE = 1024 * 1024
MANY = size(100, full=1_000)


@pytest.mark.slow
async def test_many_files_take_little_memory(workspace: DriveWorkspace) -> None:
    """Beside the simulator's own: documents of 30 KB, some with the largest exports, downloads and spreadsheets."""
    text = b"# Article\n\n" + b"Water the plant twice a week. " * 1_000
    folders = [workspace.folder(f"Folder {number}", workspace.root) for number in range(20)]
    for number in range(MANY):
        exports = {"text/markdown": text + PICTURES if number % (MANY // 4) == 0 else text}
        workspace.items.add(f"Article {number}", DOCUMENT, folders[number % 20], exports=exports)
    workspace.file("long.txt", "text/plain", b"A line of text.\n" * (19 * MEGABYTE // 16), workspace.root)
    cells = [tuple(f"cell {row} {column}" for column in range(20)) for row in range(6_000)]
    workspace.spreadsheet("Large", workspace.root, sheet(0, "S", *cells))
    read = 0
    async with Isolation() as isolation:
        location = f"drive://{workspace.root}"
        request = SyncRequest(location, workspace.options(), Conversion(isolation), {}, frozenset())
        tracemalloc.start()
        try:
            async for item in GoogleDrive().read(request):
                read += isinstance(item, ReadDocument)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert read == MANY, "what is longer than a document may be is skipped"
    assert peak < 300 * MEGABYTE


async def test_other_work_goes_on_while_a_token_is_fetched(workspace: DriveWorkspace) -> None:
    """google-auth blocks its thread only."""
    workspace.document("D", "Text.", workspace.root)
    started, release = asyncio.Event(), asyncio.Event()
    handle = workspace.server.tokens.handle

    async def hold(request: object) -> object:
        started.set()
        await release.wait()
        return await handle(request)  # type: ignore[arg-type]

    workspace.server.tokens.handle = hold  # type: ignore[assignment,method-assign]

    async def read() -> int:
        async with Isolation() as isolation:
            location = f"drive://{workspace.root}"
            request = SyncRequest(location, workspace.options(), Conversion(isolation), {}, frozenset())
            return len([item async for item in GoogleDrive().read(request)])

    reading = asyncio.ensure_future(read())
    await started.wait()
    assert not reading.done()
    release.set()
    assert await reading == 1
