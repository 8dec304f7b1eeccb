"""The tenants' documents, followed from the log and searched here. Each tenant has an index of its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from agent_worker.knowledge.index.prepared_document import stamp_of
from agent_worker.knowledge.index.query_filter import resolve_assurance
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.index.tenant_indexes import IndexFolders, OpenIndexes
from agent_worker.knowledge.ingest.fair_thread_pool import FairThreadPool
from agent_worker.knowledge.ingest.index_queue import IndexQueue, IndexThrottle, PendingChange
from agent_worker.knowledge.ingest.publishing import HeadCache, document_key, read_record
from agent_worker.knowledge.ranking.long_context import LongContext
from agent_worker.knowledge.ranking.ranker import NOTHING, empty_result
from agent_worker.knowledge.ranking.search import PendingSearch, start_search
from agent_worker.knowledge.text.analysis import NO_SYNONYMS, Synonyms
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder, warm_up
from schemas.conversation import Document
from schemas.errors import ParleyError, RecordError
from schemas.messages import Assurance
from schemas.ports import (
    AssuranceLookup,
    Bus,
    Clock,
    Follower,
    ImportState,
    KnowledgeHeads,
    Passage,
    SearchResult,
    TrialSearch,
)
from schemas.runtime.fair_rotation import Party
from schemas.topics import KNOWLEDGE

log = structlog.get_logger("parley.knowledge")
Result = TypeVar("Result")
_LIST_WAIT_S = 3.0  # listing has to include recent writes, and no contact waits for it
_WRITERS = 2  # so that one large document does not delay all other tenants
_BATCH_S = 0.25  # of work for one tenant before the next one's turn
_MAX_BATCH = 200  # changes of one tenant in one batch
_MAX_PENDING_BYTES = 64 * 1024 * 1024  # of documents read but not yet indexed
_MAX_PASSAGES_ON_LOOP, _MAX_QUERY_ON_LOOP = 10_000, 500  # passages and characters: larger searches need a thread
_NOT_A_TURN = ("", "", "")  # party within the tenant of searches that no contact waits for
_FEW_CHANGES, _EXTRA_WAIT_S = 5, 2.0  # so few missing changes are worth this much more waiting


async def _find_no_import(_tenant: str) -> ImportState:
    return ""


class Library:
    """Implements schemas.ports.Knowledge. Call ``start`` before use and ``close`` after. ``answerable_above``: tenant →
    confidence from which the documents count as containing an answer; ``own_synonyms``: tenant → its synonyms;
    ``find_import``: tenant → the import that is still publishing its documents."""

    def __init__(
        self,
        bus: Bus,
        heads: KnowledgeHeads,
        directory: Path,
        *,
        clock: Clock,
        answerable_above: Callable[[str], float],
        encoder: Callable[[], Encoder | None] = light_encoder,
        own_synonyms: Callable[[str], Synonyms] = lambda _: NO_SYNONYMS,
        find_import: Callable[[str], Awaitable[ImportState]] = _find_no_import,
    ) -> None:
        self._bus = bus
        self._heads = HeadCache(heads)
        self._folders = IndexFolders(directory)
        self._clock = clock
        self._answerable_above = answerable_above
        self._encoder = encoder
        self._own_synonyms = own_synonyms
        self._find_import = find_import
        self._indexes: dict[str, TenantIndex] = {}
        self._open_indexes = OpenIndexes()
        self._long_context = LongContext()
        self._documents_in_log: defaultdict[str, set[str]] = defaultdict(set)
        self._queue = IndexQueue()
        self._throttle = IndexThrottle()
        self._has_work = asyncio.Event()
        """Set when there may be something to index."""
        self._writers = asyncio.Semaphore(_WRITERS)
        self._trials = asyncio.Semaphore(1)
        self._progress = asyncio.Condition()
        """Notified when more changes are searchable."""
        self._ready = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._writing = ThreadPoolExecutor(_WRITERS, thread_name_prefix="knowledge-write")
        self._reading = FairThreadPool(2, "knowledge-read")

    # ── following the log ────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._follow(), name="knowledge")]

    async def close(self) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A thread is not cancelled with its task, so wait for the current write.
        self._writing.shutdown(wait=True)
        for index in self._indexes.values():
            index.close()
        self._indexes.clear()
        self._reading.close()

    async def _follow(self) -> None:
        await self._write_in_thread(lambda: warm_up(self._encoder()))
        self._tasks += [asyncio.create_task(self._index_changes(), name=f"knowledge-{n}") for n in range(_WRITERS)]
        while True:
            try:
                follower = await self._bus.follow(KNOWLEDGE)
                try:
                    await self._drain(follower)
                finally:
                    await follower.close()
            except ParleyError as error:
                log.warning("knowledge_interrupted", code=error.code, reason=error.message)
            except Exception:
                log.exception("knowledge_interrupted")
            await _pause_briefly()

    async def _drain(self, follower: Follower) -> None:
        """Read records. Once all old ones are searchable, remove documents that the log no longer contains."""
        self._documents_in_log.clear()
        reader = asyncio.create_task(self._read_all(follower))
        readiness = asyncio.create_task(self._become_ready(follower))
        try:
            await reader
        finally:
            for task in (reader, readiness):
                task.cancel()
            await asyncio.gather(reader, readiness, return_exceptions=True)

    async def _read_all(self, follower: Follower) -> None:
        async for record in follower.records():
            if self._queue.size > _MAX_PENDING_BYTES:
                async with self._progress:
                    await self._progress.wait_for(lambda: self._queue.size <= _MAX_PENDING_BYTES)
            try:
                tenant, document = document_key(record)
            except RecordError as error:
                log.warning("document_unreadable", partition=record.partition, offset=record.offset, code=error.code)
                continue
            if not self._ready.is_set():
                in_log = self._documents_in_log[tenant]
                (in_log.discard if record.value is None else in_log.add)(document)
            if self._queue.put(tenant, document, record):
                self._has_work.set()

    async def _become_ready(self, follower: Follower) -> None:
        if self._ready.is_set():
            return
        await follower.caught_up.wait()
        position = self._queue.position
        async with self._progress:
            await self._progress.wait_for(lambda: self._queue.is_everything_searchable(position))
        await self._remove_ghosts()
        self._documents_in_log.clear()
        self._ready.set()

    async def _index_changes(self) -> None:
        """Make changes searchable, one batch of one tenant at a time."""
        while True:
            async with self._writers:
                batch = self._queue.take(_MAX_BATCH)
                if batch is not None:
                    await self._index_batch(*batch)
                    continue
            self._has_work.clear()
            await self._has_work.wait()

    async def _index_batch(self, tenant: str, batch: list[tuple[str, PendingChange]]) -> None:
        done = 0
        try:
            done = await self._write_in_thread(partial(self._write, tenant, batch))
        except Exception:
            log.exception("knowledge_interrupted", tenant=tenant)
            await _pause_briefly()
        finally:
            async with self._progress:
                self._queue.finish(tenant, [change for _, change in batch[:done]], batch[done:])
                self._progress.notify_all()
            self._has_work.set()

    def _write(self, tenant: str, batch: list[tuple[str, PendingChange]]) -> int:
        """Apply as many changes of the batch as its time allows. Returns how many are searchable."""
        index = self._indexes.get(tenant) or TenantIndex(self._folders.find(tenant), self._encoder())
        self._open_indexes.use(index, changes=True)
        put, drop, done, took, started = [], [], 0, 0.0, time.monotonic()
        for name, record in ((name, pending.record) for name, pending in batch):
            time.sleep(self._throttle.rest_after(took))
            begun = time.monotonic()
            try:
                change = read_record(record)
            except RecordError as error:
                log.warning("document_unreadable", partition=record.partition, offset=record.offset, code=error.code)
            else:
                if change is None:
                    drop += [name] if name in index.versions else []
                elif index.versions.get(name) != stamp_of(change[0].version, change[1]):
                    put.append(index.prepare(*change))
            done, took = done + 1, time.monotonic() - begun
            if self._closing or time.monotonic() - started > _BATCH_S:
                break
        if put or drop:
            index.apply(put, drop)
            log.info("documents_indexed", tenant=tenant, count=len(put), removed=len(drop))
        self._indexes[tenant] = index
        return done

    async def _remove_ghosts(self) -> None:
        """Remove documents that are on disk but no longer in the log, because their tombstone was compacted away."""
        async with contextlib.AsyncExitStack() as all_writers:
            for _ in range(_WRITERS):
                await all_writers.enter_async_context(self._writers)
            await self._write_in_thread(self._remove_ghosts_from_disk)

    def _remove_ghosts_from_disk(self) -> None:
        for tenant, index in self._indexes.items():
            if ghosts := index.versions.keys() - self._documents_in_log[tenant]:
                index.apply([], sorted(ghosts))
        self._folders.remove_others(self._indexes)

    async def _write_in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._writing, work))

    # ── port Knowledge ───────────────────────────────────────────────────────────────────────────────────────────────

    async def search(
        self,
        tenant: str,
        query: str,
        *,
        k: int = 8,
        wait: float = 0.25,
        party: Party | None = None,
        assurance: Assurance | AssuranceLookup = "anonymous",
        language: str = "",
        since: float = math.inf,
        vector: bool = False,
    ) -> SearchResult:
        """See the port."""
        self._throttle.note_search()
        party = party or (tenant, *_NOT_A_TURN)
        head = self._heads.find(tenant, since)
        current = (head is not None and self._queue.is_searchable(tenant, head)) or await self._await_head(tenant, wait)
        index = self._indexes.get(tenant)
        if index is None or not query.strip():
            encoder, found = self._encoder() if vector else None, NOTHING
            if encoder is not None:
                found = await self._reading.run(party, partial(empty_result, query, encoder))
            result = SearchResult([], False, 0, found.encoder, found.vector, has_documents=index is not None)
            return await self._mark_stale(tenant, result, current=current)
        level = await resolve_assurance(assurance) if index.totals.for_verified else "anonymous"
        start = self._search(index, tenant, query, k=k, assurance=level, language=language)
        found = await self._run_search(party, index, query, start)
        return await self._mark_stale(tenant, found, current=current)

    async def _mark_stale(self, tenant: str, result: SearchResult, *, current: bool) -> SearchResult:
        """``current``: the tenant's newest change is searchable. Until this process has read the log once, an index may
        lack most documents."""
        running = await self._find_import(tenant)
        if current and not running:
            return result
        return replace(result, stale=True, partial=running == "first" or not (current or self._ready.is_set()))

    def _search(
        self, index: TenantIndex, tenant: str, query: str, *, k: int, assurance: Assurance, language: str
    ) -> Callable[[], PendingSearch]:
        start = partial(start_search, index, tenant, query, self._clock(), self._encoder(), k=k, assurance=assurance)
        above, own_synonyms = self._answerable_above(tenant), self._own_synonyms(tenant)
        return partial(start, language=language, above=above, own_synonyms=own_synonyms)

    async def _run_search(
        self, party: Party, index: TenantIndex, query: str, start: Callable[[], PendingSearch]
    ) -> SearchResult:
        """A thread searches only where that takes long: threads that compute take the interpreter from each other and
        from the event loop, and a message costs almost twice as much."""
        if not index.is_open or index.totals.passages > _MAX_PASSAGES_ON_LOOP or len(query) > _MAX_QUERY_ON_LOOP:
            return await self._read(party, index, lambda: start().finish())
        await asyncio.sleep(0)  # so that many searches in a row leave room for others
        self._open_indexes.use(index)
        started = start()
        if started.takes_long:
            await self._reading.run(party, started.wait)
        return started.finish()

    @asynccontextmanager
    async def open_trial(self, tenant: str, document: Document, assurance: Assurance) -> AsyncIterator[TrialSearch]:
        """See the port."""
        async with self._trials:
            with self._folders.open_trial() as folder:
                index = await self._write_in_thread(partial(self._copy_with, tenant, document, folder))
                try:

                    async def search(query: str, language: str) -> SearchResult:
                        start = self._search(index, tenant, query, k=8, assurance=assurance, language=language)
                        return await self._reading.run((tenant, *_NOT_A_TURN), lambda: start().finish())

                    yield search
                finally:
                    await self._write_in_thread(index.close)

    def _copy_with(self, tenant: str, document: Document, folder: Path) -> TenantIndex:
        current = self._indexes.get(tenant)
        copy = TenantIndex(folder, self._encoder()) if current is None else current.copy_to(folder)
        copy.apply([copy.prepare(document, "trial")])
        return copy

    async def _read(self, party: Party, index: TenantIndex, work: Callable[[], Result]) -> Result:
        """Run ``work`` on the index in a thread, when it is the party's turn."""

        def run() -> Result:
            self._open_indexes.use(index)
            return work()

        return await self._reading.run(party, run)

    async def documents(self, tenant: str) -> list[Document]:
        return await self._list(tenant, TenantIndex.documents)

    async def list_outlines(self, tenant: str) -> list[Document]:
        """See the port."""
        return await self._list(tenant, TenantIndex.list_outlines)

    async def list_page(self, tenant: str, after: str, limit: int) -> list[Document]:
        """See the port."""
        return await self._list(tenant, lambda index: index.list_page(after, limit))

    async def _list(self, tenant: str, work: Callable[[TenantIndex], list[Document]]) -> list[Document]:
        await self._await_head(tenant, _LIST_WAIT_S)
        index = self._indexes.get(tenant)
        return [] if index is None else await self._read((tenant, *_NOT_A_TURN), index, partial(work, index))

    async def document(self, tenant: str, document: str) -> Document | None:
        await self._await_head(tenant, _LIST_WAIT_S)
        return await self.find_searchable(tenant, document)

    async def find_searchable(self, tenant: str, document: str) -> Document | None:
        """See the port."""
        index = self._indexes.get(tenant)
        return (
            None if index is None else await self._read((tenant, *_NOT_A_TURN), index, lambda: index.document(document))
        )

    async def read_all(self, tenant: str, tokens: int) -> list[Passage]:
        """See the port."""
        if (index := self._indexes.get(tenant)) is None:
            return []
        work = partial(self._long_context.passages, tenant, index, self._clock(), tokens)
        return await self._read((tenant, *_NOT_A_TURN), index, work)

    async def give_way(self, worked: float) -> None:
        """See the port."""
        await asyncio.sleep(self._throttle.rest_after(worked))

    async def wait_until_indexed(self, tenant: str, wait: float) -> bool:
        """See the port."""
        return await self._await_head(tenant, wait, patient=False)

    async def is_current(self, tenant: str, wait: float) -> bool:
        """See the port."""
        return await self.wait_until_indexed(tenant, wait) and not await self._find_import(tenant)

    async def watch_indexing(self, tenant: str) -> AsyncIterator[int]:
        """Yields the number of the tenant's searchable documents whenever it grows, until the newest one is
        searchable."""
        head, count = await self._heads.load(tenant), -1
        while True:
            async with self._progress:
                await self._progress.wait_for(partial(self._has_progress, tenant, head, count))
                count, settled = self.count_documents(tenant), self._queue.is_searchable(tenant, head)
            yield count
            if settled:
                return

    def _has_progress(self, tenant: str, head: Mapping[int, int], count: int) -> bool:
        return self._queue.is_searchable(tenant, head) or self.count_documents(tenant) != count

    def count_documents(self, tenant: str) -> int:
        """The number of the tenant's searchable documents."""
        return len(index.versions) if (index := self._indexes.get(tenant)) is not None else 0

    async def wait_until_ready(self) -> None:
        await self._ready.wait()

    async def _await_head(self, tenant: str, wait: float, *, patient: bool = True) -> bool:
        """Wait until the tenant's newest change is searchable; False on timeout.

        It never takes longer than ``wait`` seconds, whatever the state store or the writers do. But when only a few
        documents are missing, ``patient`` callers wait a little longer rather than answer from old text.
        """
        deadline = asyncio.get_running_loop().time() + wait
        try:
            async with asyncio.timeout_at(deadline) as limit:
                try:
                    head = await self._heads.load(tenant)
                except ParleyError as error:
                    # Search the current index: the answer is only as old as that.
                    log.warning("head_unknown", tenant=tenant, code=error.code)
                    return False
                if self._queue.is_searchable(tenant, head):
                    return True
                if patient and self._queue.count_unsearchable(tenant) <= _FEW_CHANGES:
                    limit.reschedule(deadline + _EXTRA_WAIT_S)
                async with self._progress:
                    await self._progress.wait_for(lambda: self._queue.is_searchable(tenant, head))
                return True
        except TimeoutError:
            return False


async def _pause_briefly() -> None:
    await asyncio.sleep(random.uniform(0.2, 1.0))
