"""Does what a sync does with a source: publish its documents, keep its memory, remove what is gone. It can be killed at
any moment, and then goes on from what was saved last."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any, Self

from agent_worker.sources.conversion import Conversion
from agent_worker.sources.drive.source import GoogleDrive
from agent_worker.sources.isolation import Isolation
from schemas.ports import Content, IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument
from tests.platforms.drive.workspace import DriveWorkspace, kill_after


@dataclass
class Outcome:
    read: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Path → reason."""
    notes: list[str] = field(default_factory=list)


@dataclass
class StoredState:
    """Memory and hashes as of the same moment, as JSON in a file would hold them."""

    memory: str = "{}"
    hashes: dict[str, int] = field(default_factory=dict)


class Publisher:
    def __init__(self, workspace: DriveWorkspace) -> None:
        self.workspace = workspace
        self.published: dict[str, Content] = {}
        self.saved = StoredState()
        self.save_every = 1_000_000
        """The state is saved each time that so many documents were taken, and at the end."""
        self._taken = 0
        self._isolation = Isolation()
        self.location = f"drive://{workspace.root}"
        self.options = workspace.options()

    async def __aenter__(self) -> Self:
        await self._isolation.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._isolation.__aexit__(None, None, None)

    async def sync(self) -> Outcome:
        memory, hashes = json.loads(self.saved.memory), dict(self.saved.hashes)
        unchanged = {id for id, value in hashes.items() if id in self.published and hash(self.published[id]) == value}
        request = SyncRequest(self.location, self.options, Conversion(self._isolation), memory, unchanged)
        outcome, handled, is_complete = Outcome(), set(), True
        async for item in GoogleDrive().read(request):
            self._taken += 1
            if self._taken % self.save_every == 0:
                self.saved = StoredState(json.dumps(memory), copy.copy(hashes))
            match item:
                case ReadDocument():
                    handled.add(item.id)
                    outcome.read.append(item.id)
                    self.published[item.id] = item.content
                    hashes[item.id] = hash(item.content)
                case UnchangedDocument():
                    handled.add(item.id)
                    outcome.unchanged.append(item.id)
                case SkippedDocument():
                    handled |= {item.id} if item.id and not item.is_gone else set()
                    is_complete = is_complete and bool(item.id or item.is_gone)
                    outcome.skipped[item.name] = item.why
                case IncompleteListing():
                    is_complete = False
                    outcome.notes.append(item.why)
        self.saved = StoredState(json.dumps(memory), hashes)
        if is_complete:
            outcome.removed = sorted(self.published.keys() - handled)
            for id in outcome.removed:
                del self.published[id]
        return outcome

    async def sync_and_kill(self, after: int) -> None:
        """Kill the sync once so many requests were made, wherever it is then."""
        await kill_after(self.workspace.server, self.sync(), after)

    def bodies(self) -> str:
        return "\n".join(content.body for content in self.published.values())

    def memory(self) -> dict[str, Any]:
        return dict(json.loads(self.saved.memory))
