from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent_worker.sources.drive.source import GoogleDrive
from tests.platforms.drive import serve_drive
from tests.platforms.drive.workspace import DriveWorkspace
from tests.unit.sources.drive.publisher import Publisher


@pytest.fixture
async def workspace(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DriveWorkspace]:
    """Retries take moments."""
    monkeypatch.setattr(GoogleDrive, "retries", replace(GoogleDrive.retries, first_delay_s=0.002, max_delay_s=0.02))
    async with serve_drive() as server:
        yield DriveWorkspace(server)


@pytest.fixture
async def publisher(workspace: DriveWorkspace) -> AsyncIterator[Publisher]:
    async with Publisher(workspace) as made:
        yield made
