"""Files on disk against a tenant's documents: what is new or changed is published, what is gone may be removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent_worker.knowledge.publish import delete, publish
from agent_worker.knowledge.reading import ENDINGS, DocumentDraft, read_file
from gateway.documents import content_hash
from gateway.parts import Parts
from schemas.errors import ParleyError, SetupError


class Shelf(Protocol):
    """A tenant's documents, wherever they are."""

    async def hashes(self) -> dict[str, str]:
        """Document id → content hash."""

    async def put(self, draft: DocumentDraft) -> None: ...
    async def remove(self, document: str) -> None: ...


@dataclass(slots=True)
class SyncReport:
    """``failed`` maps a file to what is wrong with it."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class LocalShelf:
    """The documents of an instance in this process."""

    def __init__(self, parts: Parts, tenant: str) -> None:
        self._parts = parts
        self._tenant = tenant

    async def hashes(self) -> dict[str, str]:
        if self._parts.knowledge is None:
            raise SetupError("this process does not search documents")
        await self._parts.knowledge.ready()
        return {
            document.id: content_hash(
                title=document.title,
                body=document.body,
                url=document.url,
                language=document.language,
                visibility=document.visibility,
                expires_at=document.expires_at,
            )
            for document in await self._parts.knowledge.documents(self._tenant)
        }

    async def put(self, draft: DocumentDraft) -> None:
        await publish(self._parts.bus, self._parts.state.heads, self._tenant, draft, self._parts.clock())

    async def remove(self, document: str) -> None:
        await delete(self._parts.bus, self._parts.state.heads, self._tenant, document, self._parts.clock())


class RememberingShelf:
    """A shelf that knows what was last published from files, so that a start publishes only files that changed since:
    what was edited or removed over the API meanwhile stays as it is. ``path`` keeps the memory between starts."""

    def __init__(self, shelf: Shelf, path: Path) -> None:
        self._shelf = shelf
        self._path = path
        self._published: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    async def hashes(self) -> dict[str, str]:
        known = await self._shelf.hashes()
        # With nothing there the log was started anew, and the memory is of another one.
        return known | self._published if known else {}

    async def put(self, draft: DocumentDraft) -> None:
        await self._shelf.put(draft)
        self._published[draft.id] = hash_of(draft)

    async def remove(self, document: str) -> None:
        await self._shelf.remove(document)
        self._published.pop(document, None)

    def save(self) -> None:
        """In one step: a crash leaves the old memory or the new one."""
        aside = self._path.with_suffix(".new")
        aside.write_text(json.dumps(self._published))
        aside.replace(self._path)


def files_below(paths: Iterable[Path]) -> list[Path]:
    """Every readable file, folders searched to the bottom. Raises SetupError for a path that is not there."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise SetupError(
                f"{path} does not exist", fix="check the path; in the configuration, `knowledge: {paths: …}`"
            )
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in ENDINGS)
            found += sorted(file for file in inside if not file.name.startswith("."))
        else:
            found.append(path)
    return list(dict.fromkeys(file.resolve() for file in found))


async def sync(
    shelf: Shelf, files: Sequence[Path], *, remove: bool, step: Callable[[str], None] = lambda _what: None
) -> SyncReport:
    """Publish what differs. With ``remove``, documents whose file is gone are removed, unless a file could not be
    read (it may be that one) or there is no file at all."""
    report = SyncReport()
    known = await shelf.hashes()
    sources: dict[str, Path] = {}
    for file in files:
        step(file.name)
        try:
            draft = read_file(file)
            if draft.id in sources:
                raise SetupError(f"has the same document id as {sources[draft.id]}: {draft.id}")
            sources[draft.id] = file
            await _publish(shelf, draft, known, report)
        except (ParleyError, OSError) as error:
            report.failed[str(file)] = error.message if isinstance(error, ParleyError) else str(error.strerror)
    if remove and files and not report.failed:
        for document in sorted(known.keys() - sources.keys()):
            await shelf.remove(document)
            report.removed.append(document)
    return report


async def _publish(shelf: Shelf, draft: DocumentDraft, known: dict[str, str], report: SyncReport) -> None:
    if known.get(draft.id) == hash_of(draft):
        report.unchanged.append(draft.id)
        return
    await shelf.put(draft)
    (report.changed if draft.id in known else report.added).append(draft.id)


def hash_of(draft: DocumentDraft) -> str:
    return content_hash(
        title=draft.title,
        body=draft.body,
        url=draft.url,
        language=draft.language,
        visibility=draft.visibility,
        expires_at=draft.expires_at,
    )
