"""A sync of a simulated Notion without the service around it: what the source hands over, and what it keeps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import pytest

from agent_worker.sources.notion.source import Notion
from schemas.ports import Content, IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument
from tests.platforms.notion.sample import document_id
from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.workspace import Node, Workspace


async def _convert(_name: str, _data: bytes, _type: str) -> Sequence[Content]:
    raise AssertionError("pages have no files")


class SyncResult:
    """What one sync handed over."""

    def __init__(self) -> None:
        self.read: dict[str, ReadDocument] = {}
        self.unchanged: set[str] = set()
        self.skipped: list[SkippedDocument] = []
        self.notes: list[str] = []
        self.error: Exception | None = None

    @property
    def is_complete(self) -> bool:
        return self.error is None and not self.notes and all(each.id for each in self.skipped)

    @property
    def titles(self) -> list[str]:
        return sorted(each.content.title for each in self.read.values())


class SourceReader:
    """Keeps documents and memory from sync to sync as the service does. ``documents``: id → content."""

    def __init__(self, server: NotionServer, location: str = "notion://", **options: Any) -> None:
        self.server = server
        self.location = location
        self.options = {"token": server.token, "address": server.address, "recheck": 0, **options}
        self.documents: dict[str, Content] = {}
        self.memory: dict[str, Any] = {}

    async def read(
        self, unchanged: Collection[str]
    ) -> AsyncIterator[ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing]:
        """Hand over documents as a sync does, and store them."""
        clock = self.server.workspace.clock
        visit = SyncRequest(self.location, self.options, _convert, self.memory, unchanged)
        async for item in Notion(clock.monotonic, clock.sleep).read(visit):
            if isinstance(item, ReadDocument):
                self.documents[item.id] = item.content
            yield item

    async def __call__(self) -> SyncResult:
        """One sync. After a complete one, documents that were not handed over are removed. The memory survives as
        JSON."""
        result = SyncResult()
        async for item in self.read(set(self.documents)):
            self._note(result, item)
        if result.is_complete:
            kept = {*result.read, *result.unchanged, *(each.id for each in result.skipped)}
            self.documents = {id: content for id, content in self.documents.items() if id in kept}
        self.memory = json.loads(json.dumps(self.memory))
        return result

    def _note(self, result: SyncResult, item: object) -> None:
        if isinstance(item, ReadDocument):
            assert item.id not in {*result.read, *result.unchanged}, "handed over twice"
            result.read[item.id] = item
        elif isinstance(item, UnchangedDocument):
            assert item.id in self.documents
            assert item.id not in {*result.read, *result.unchanged}, "handed over twice"
            result.unchanged.add(item.id)
        elif isinstance(item, SkippedDocument):
            result.skipped.append(item)
        elif isinstance(item, IncompleteListing):
            result.notes.append(item.why)

    def body(self, page: Node) -> str:
        return self.documents[document_id(page)].body

    @property
    def titles(self) -> list[str]:
        return sorted(each.title for each in self.documents.values())

    def holds(self, text: str) -> bool:
        return any(text in each.body for each in self.documents.values())


@pytest.fixture
async def notion() -> AsyncIterator[NotionServer]:
    async with NotionServer(Workspace()).serving() as server:
        yield server


@pytest.fixture
def workspace(notion: NotionServer) -> Workspace:
    return notion.workspace


@pytest.fixture
def sync(notion: NotionServer) -> SourceReader:
    return SourceReader(notion)


def later(workspace: Workspace, minutes: float = 10) -> None:
    """So much time passes that no edit is as old as the newest one."""
    workspace.clock.forward(60 * minutes)
