"""The store that a sync publishes documents to."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent_worker.knowledge.ingest.publishing import delete
from gateway.documents.content_hash import hash_document
from gateway.knowledge.editor import DocumentEditor
from gateway.wiring.process_services import ProcessServices
from schemas.errors import SetupError
from schemas.ports import DocumentDraft

_INDEX_WAIT_S = 30.0
"""Seconds. What is not indexed by then is read again, which does no harm."""


@dataclass(frozen=True, slots=True)
class PublishedDocument:
    """A published document. ``source`` is the label of its source, or empty if it came over the API."""

    hash: str
    source: str


class DocumentStore(Protocol):
    """A tenant's published documents."""

    async def list_published(self) -> dict[str, PublishedDocument]:
        """All documents, by id."""

    async def put(self, draft: DocumentDraft) -> None: ...
    async def remove(self, document: str) -> None: ...


class LocalDocumentStore:
    """The documents of an instance that runs in this process."""

    def __init__(self, services: ProcessServices, tenant: str) -> None:
        self._services = services
        self._tenant = tenant

    async def list_published(self) -> dict[str, PublishedDocument]:
        if self._services.knowledge is None:
            raise SetupError("this process does not search documents")
        await self._services.knowledge.wait_until_ready()
        await self._services.knowledge.wait_until_indexed(self._tenant, _INDEX_WAIT_S)
        documents = await self._services.knowledge.documents(self._tenant)
        return await asyncio.to_thread(
            lambda: {each.id: PublishedDocument(hash_document(each), each.source) for each in documents}
        )

    async def put(self, draft: DocumentDraft) -> None:
        begun = time.monotonic()
        await DocumentEditor(self._services).publish(self._tenant, draft)
        if self._services.knowledge is not None:
            await self._services.knowledge.give_way(time.monotonic() - begun)

    async def remove(self, document: str) -> None:
        await delete(self._services.bus, self._services.state.heads, self._tenant, document, self._services.clock())


class DocumentHashCache:
    """A store that remembers what was last published from files, so that the next start only publishes files that have
    changed. Documents that were edited or removed over the API in the meantime stay as they are.

    The hashes are kept in the file ``path`` between starts."""

    def __init__(self, store: DocumentStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._published: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    async def list_published(self) -> dict[str, PublishedDocument]:
        published = await self._store.list_published()
        # Without any document the log is a new one, to which the remembered hashes do not belong.
        remembered = self._published if published else {}
        sources = {id: published[id].source if id in published else "" for id in remembered}
        return published | {id: PublishedDocument(hash, sources[id]) for id, hash in remembered.items()}

    async def put(self, draft: DocumentDraft) -> None:
        await self._store.put(draft)
        self._published[draft.id] = hash_document(draft)

    async def remove(self, document: str) -> None:
        await self._store.remove(document)
        self._published.pop(document, None)

    def save(self) -> None:
        write_atomically(self._path, self._published)


def write_atomically(path: Path, value: object) -> None:
    """Write JSON in one step: after a crash the file has either the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(value))
    draft.replace(path)
