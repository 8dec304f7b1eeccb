"""Import of the configured files and folders when an instance starts, which answers meanwhile from what is indexed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path

from agent_worker.knowledge.library import Library
from agent_worker.sources.files import files_at
from gateway.config.settings import Config
from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import path_sources
from gateway.documents.document_store import DocumentHashCache, LocalDocumentStore, write_atomically
from gateway.documents.sync import SyncReport, sync_documents
from gateway.wiring.process_services import ProcessServices
from schemas.errors import SetupError
from schemas.validation.texts import describe_count

SAVE_AFTER_S = 5.0
"""Seconds between two saves while tenants are imported."""
_DISTRIBUTION = "parley-gateway"
ProgressDisplay = Callable[[str, int | None], AbstractContextManager[Callable[[str], None]]]
"""``(title, number of items or None)`` → a context in which a call counts one item as done."""


class FileHashes:
    """The state of each tenant's files at its last import, kept in the file ``path``. If it is lost, or the release has
    changed, all files are read again."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._saved_at = monotonic()
        self._release = metadata.version(_DISTRIBUTION)
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            self._hashes: dict[str, str] = stored["tenants"] if stored["release"] == self._release else {}
        except (OSError, ValueError, KeyError, TypeError):
            self._hashes = {}

    def contains(self, tenant: str, digest: str) -> bool:
        return self._hashes.get(tenant) == digest

    def add(self, tenant: str, digest: str) -> None:
        """Saved now and then, because with many tenants saving costs more than reading one's files again."""
        self._hashes[tenant] = digest
        if self._monotonic() - self._saved_at >= SAVE_AFTER_S:
            self.save()

    def save(self) -> None:
        write_atomically(self._path, {"release": self._release, "tenants": self._hashes})
        self._saved_at = self._monotonic()


def hash_files(locations: Sequence[str]) -> str:
    """A digest that changes when a file is added, removed or written. Blocking. Raises SetupError for a missing path.

    The time of the last change of a file's metadata is part of it, because programs can set the other times."""
    digest = hashlib.sha256()
    for location in locations:
        for file in files_at(Path(location)):
            status = file.stat()
            values = (str(file), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            digest.update(f"{values}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


class StartupImport:
    """``progress`` and ``note`` show the person at the terminal what happens. ``on_done`` is called at the end.

    Documents are not removed, and websites are not read: that is for `parley knowledge sync`."""

    def __init__(
        self,
        config: Config,
        *,
        progress: ProgressDisplay = lambda _title, _total: nullcontext(lambda _item: None),
        note: Callable[[str], None] = lambda _text: None,
        on_done: Callable[[ProcessServices], Awaitable[None]] | None = None,
    ) -> None:
        self._config = config
        self._progress = progress
        self._note = note
        self._on_done = on_done
        self._unread = {name: None for name, tenant in config.tenants.items() if tenant.knowledge.paths}
        self._unindexed: dict[str, int] = {}
        """Tenants whose documents are published but not all searchable yet → the number of new ones."""

    def describe_pending(self) -> str:
        """The tenants whose documents cannot all be found yet, or an empty text."""
        waiting = [*self._unread, *self._unindexed]
        if not waiting:
            return ""
        others = f" and {len(waiting) - 1} other tenants" if len(waiting) > 1 else ""
        return f"the documents of {waiting[0]}{others} are being read"

    def is_reading(self, tenant: str) -> bool:
        """Whether the tenant's files are to be published or indexed."""
        return tenant in self._unread or tenant in self._unindexed

    async def run(self, services: ProcessServices) -> None:
        """Import until all documents can be found. After an error, a further call goes on where this one was. Raises
        SetupError for a path that does not exist, and errors of the log and the state store."""
        library = services.knowledge
        if library is None:
            raise SetupError("this process does not search documents")
        imported = await asyncio.to_thread(FileHashes, self._config.data_path / "imported-files.json")
        digests = await self._skip_unchanged(services, imported)
        with self._progress("documents", None) as step:
            await self._publish(services, imported, digests, step)
        if new := sum(self._unindexed.values()):
            self._note(
                f"reading {describe_count(new, 'new document')}; this happens once. Parley already answers at "
                f"{self._config.local_url}/ from those it has read"
            )
        with self._progress("reading documents", new) as step:
            for tenant in list(self._unindexed):
                await self._wait_for_index(library, tenant, step)
        await library.wait_until_ready()
        if self._on_done is not None:
            await self._on_done(services)

    async def _skip_unchanged(self, services: ProcessServices, imported: FileHashes) -> dict[str, str]:
        """Look for changed files of all tenants first, so that no tenant's questions wait for another's documents."""
        digests = {}
        for tenant in list(self._unread):
            digest = await asyncio.to_thread(hash_files, self._config.tenants[tenant].knowledge.paths)
            # Without a head the log is a new one.
            if imported.contains(tenant, digest) and await services.state.heads.of(tenant):
                del self._unread[tenant]
            digests[tenant] = digest
        return digests

    async def _publish(
        self,
        services: ProcessServices,
        imported: FileHashes,
        digests: Mapping[str, str],
        step: Callable[[str], None],
    ) -> None:
        try:
            for tenant in list(self._unread):
                report = await self._publish_tenant(services, tenant, step)
                self._unindexed[tenant] = len(report.added) + len(report.changed)
                if not report.failed:  # else the next start says so again
                    imported.add(tenant, digests[tenant])
                del self._unread[tenant]
        finally:
            imported.save()

    async def _publish_tenant(self, services: ProcessServices, tenant: str, step: Callable[[str], None]) -> SyncReport:
        """Publish new and changed documents."""
        folder = self._config.data_path
        store = DocumentHashCache(LocalDocumentStore(services, tenant), folder / f"published-{tenant}.json")
        report = await sync_documents(
            store,
            path_sources(self._config, tenant),
            remove=False,
            crawl_states=CrawlStateStore(folder / f"read-{tenant}.json"),
            step=step,
        )
        store.save()
        for file, problem in report.failed.items():
            self._note(f"skipped {file}: {problem}")
        return report

    async def _wait_for_index(self, library: Library, tenant: str, step: Callable[[str], None]) -> None:
        previous = None
        async for count in library.watch_indexing(tenant):
            for _ in range(0 if previous is None else count - previous):
                step("")
            previous = count
        del self._unindexed[tenant]
