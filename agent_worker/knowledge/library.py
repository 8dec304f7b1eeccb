"""The tenants' documents, followed from the log and searched here: one index a tenant, nothing shared between them."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

import structlog

from agent_worker.knowledge.index.query_filter import looked_up
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.index.tenant_store import stamp_of
from agent_worker.knowledge.ingest.fair_thread_pool import FairThreads
from agent_worker.knowledge.ingest.index_queue import IndexQueue, Waiting
from agent_worker.knowledge.ingest.publishing import RecentHeads, document_key, read_record
from agent_worker.knowledge.ranking.confidence import confidence
from agent_worker.knowledge.ranking.long_context import WholeTexts
from agent_worker.knowledge.ranking.ranker import NOTHING, passage_of, rank, unfound
from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder
from schemas.conversation import Document
from schemas.errors import ParleyError, RecordError
from schemas.messages import Assurance
from schemas.ports import Asker, Bus, Clock, Follower, Found, Heads, Passage
from schemas.topics import KNOWLEDGE

log = structlog.get_logger("parley.knowledge")
Result = TypeVar("Result")
_PATIENT_S = 3.0  # who lists or reads documents wants those just written, and is no contact who waits for an answer
_WRITERS = 2  # one large document of one tenant never holds up all others
_PORTION_S = 0.25  # of work on one tenant's documents, before the next tenant has its turn
_BREATH_S = 0.0005  # splitting is plain Python, and between documents the others get their turn
_MOST_AT_ONCE = 200  # changes of one tenant that are looked at in one portion
_MOST_BYTES = 64 * 1024 * 1024  # of documents that are read ahead of those that are indexed
_FEW, _LONGER_S = 5, 2.0  # so few changes are worth waiting for, and so much longer
_PREFIX = "t-"
_LONGEST = 8_000  # characters of a question that are looked at; a channel passes on no longer message


class Library:
    """Implements schemas.ports.Knowledge. ``start`` before use, ``close`` after. ``answerable_above``: tenant → the
    confidence from which its documents count as holding an answer."""

    def __init__(
        self,
        bus: Bus,
        heads: Heads,
        directory: Path,
        *,
        clock: Clock,
        answerable_above: Callable[[str], float],
        encoder: Callable[[], Encoder | None] = light_encoder,
    ) -> None:
        self._bus = bus
        self._heads = RecentHeads(heads)
        self._directory = directory
        self._clock = clock
        self._answerable_above = answerable_above
        self._encoder = encoder
        self._indexes: dict[str, TenantIndex] = {}
        self._whole = WholeTexts()
        self._seen: defaultdict[str, set[str]] = defaultdict(set)
        self._queue = IndexQueue()
        self._work = asyncio.Event()
        """Set when there may be something to index."""
        self._writers = asyncio.Semaphore(_WRITERS)
        self._moved = asyncio.Condition()
        """Notified when more is searchable."""
        self._ready = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        # Searches run beside the writers, because a large index takes milliseconds that belong to other conversations.
        self._writing = ThreadPoolExecutor(_WRITERS, thread_name_prefix="knowledge-write")
        self._reading = FairThreads(2, "knowledge-read")

    # ── following ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._follow(), name="knowledge")]

    async def close(self) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A thread is not cancelled with its task: what is being written ends first.
        self._writing.shutdown(wait=True)
        for index in self._indexes.values():
            index.close()
        self._indexes.clear()
        self._reading.close()

    def _warm(self) -> None:
        """Load what the first document would otherwise wait for: hundreds of milliseconds that no edit has."""
        encoder = self._encoder()
        if encoder is not None:
            encoder.encode_words(terms("warming up"))
            encoder.encode_query(["warming up"])

    async def _follow(self) -> None:
        await self._write_in_thread(self._warm)
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
            await _pause()

    async def _drain(self, follower: Follower) -> None:
        """Read what comes. Once everything old is searchable, forget what the log no longer holds."""
        self._seen.clear()
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
            if self._queue.size > _MOST_BYTES:
                async with self._moved:
                    await self._moved.wait_for(lambda: self._queue.size <= _MOST_BYTES)
            try:
                tenant, document = document_key(record)
            except RecordError as error:
                log.warning("document_unreadable", partition=record.partition, offset=record.offset, code=error.code)
                continue
            if not self._ready.is_set():
                (self._seen[tenant].discard if record.value is None else self._seen[tenant].add)(document)
            if self._queue.put(tenant, document, record):
                self._work.set()

    async def _become_ready(self, follower: Follower) -> None:
        if self._ready.is_set():
            return
        await follower.caught_up.wait()
        position = self._queue.position
        async with self._moved:
            await self._moved.wait_for(lambda: self._queue.all_reached(position))
        await self._forget_unseen()
        self._seen.clear()
        self._ready.set()

    async def _index_changes(self) -> None:
        """Make changes searchable, a portion of one tenant's at a time."""
        while True:
            async with self._writers:
                batch = self._queue.take(_MOST_AT_ONCE)
                if batch is not None:
                    await self._index_batch(*batch)
                    continue
            self._work.clear()
            await self._work.wait()

    async def _index_batch(self, tenant: str, batch: list[tuple[str, Waiting]]) -> None:
        done = 0
        try:
            done = await self._write_in_thread(partial(self._write, tenant, batch))
        except Exception:
            log.exception("knowledge_interrupted", tenant=tenant)
            await _pause()
        finally:
            async with self._moved:
                self._queue.settle(tenant, [each for _, each in batch[:done]], batch[done:])
                self._moved.notify_all()
            self._work.set()

    def _write(self, tenant: str, batch: list[tuple[str, Waiting]]) -> int:
        """Put as many of the changes as a portion takes into the tenant's index; how many of them are searchable."""
        index = self._indexes.get(tenant)
        if index is None:
            index = TenantIndex(self._directory / f"{_PREFIX}{quote(tenant, safe='')}", self._encoder())
        put, drop, done, begun = [], [], 0, time.monotonic()
        for name, waiting in batch:
            try:
                change = read_record(waiting.record)
            except RecordError as error:
                at = {"partition": waiting.record.partition, "offset": waiting.record.offset}
                log.warning("document_unreadable", code=error.code, **at)
            else:
                if change is None:
                    drop += [name] if name in index.versions else []
                elif index.versions.get(name) != stamp_of(change[0].version, change[1]):
                    put.append(index.prepare(*change))
                    time.sleep(_BREATH_S)
            done += 1
            if self._closing or time.monotonic() - begun > _PORTION_S:
                break
        if put or drop:
            index.apply(put, drop)
            log.info("documents_indexed", tenant=tenant, count=len(put), removed=len(drop))
        self._indexes[tenant] = index
        return done

    async def _forget_unseen(self) -> None:
        """Remove documents that are on this disk but no longer in the log: their tombstone was compacted away."""
        async with contextlib.AsyncExitStack() as alone:
            for _ in range(_WRITERS):
                await alone.enter_async_context(self._writers)
            await self._write_in_thread(self._forget)

    def _forget(self) -> None:
        for tenant, index in self._indexes.items():
            if ghosts := index.versions.keys() - self._seen[tenant]:
                index.apply([], sorted(ghosts))
        if self._directory.exists():
            for path in self._directory.iterdir():
                if path.name.startswith(_PREFIX) and unquote(path.name[len(_PREFIX) :]) not in self._indexes:
                    shutil.rmtree(path)

    async def _write_in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._writing, work))

    # ── Knowledge ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def search(
        self,
        tenant: str,
        query: str,
        *,
        k: int = 8,
        wait: float = 0.25,
        channel: str = "",
        assurance: Assurance | Asker = "anonymous",
        language: str = "",
        since: float = math.inf,
        vector: bool = False,
    ) -> Found:
        """See the port."""
        head = self._heads.known(tenant, since)
        current = (head is not None and self._queue.reached(tenant, head)) or await self._await_head(tenant, wait)
        index = self._indexes.get(tenant)
        if index is None or not query.strip():
            encoder = self._encoder() if vector else None
            found = await self._reading.run((tenant, channel), lambda: unfound(query, encoder)) if encoder else NOTHING
            return replace(found, stale=not current)
        known = await looked_up(assurance) if index.passages.for_verified else "anonymous"
        asked = partial(rank, index, query[:_LONGEST], self._clock(), assurance=known, language=language)
        ranked = await self._reading.run((tenant, channel), lambda: asked(self._encoder(), k))
        sure = confidence(ranked.evidence, index.kind)
        passages = [passage_of(tenant, hit) for hit in ranked.hits]
        answerable = bool(passages) and sure >= self._answerable_above(tenant)
        return Found(passages, answerable, sure, index.encoder_name, ranked.vector, stale=not current)

    async def documents(self, tenant: str) -> list[Document]:
        await self._await_head(tenant, _PATIENT_S)
        index = self._indexes.get(tenant)
        return [] if index is None else await self._reading.run(tenant, index.documents)

    async def document(self, tenant: str, document: str) -> Document | None:
        await self._await_head(tenant, _PATIENT_S)
        index = self._indexes.get(tenant)
        return None if index is None else await self._reading.run(tenant, lambda: index.document(document))

    async def whole(self, tenant: str, tokens: int) -> list[Passage]:
        """See the port."""
        index, now = self._indexes.get(tenant), self._clock()
        return (
            []
            if index is None
            else await self._reading.run(tenant, partial(self._whole.of, tenant, index, now, tokens))
        )

    async def settled(self, tenant: str, wait: float) -> bool:
        """See the port."""
        return await self._await_head(tenant, wait, patient=False)

    async def settling(self, tenant: str) -> AsyncIterator[int]:
        """How many of the tenant's documents can be found, each time there are more; ends when its newest can be."""
        head, count = await self._heads.of(tenant), -1
        while True:
            async with self._moved:
                await self._moved.wait_for(partial(self._has_news, tenant, head, count))
                count, settled = self._count(tenant), self._queue.reached(tenant, head)
            yield count
            if settled:
                return

    def _has_news(self, tenant: str, head: Mapping[int, int], count: int) -> bool:
        return self._queue.reached(tenant, head) or self._count(tenant) != count

    def _count(self, tenant: str) -> int:
        index = self._indexes.get(tenant)
        return len(index.versions) if index is not None else 0

    async def ready(self) -> None:
        await self._ready.wait()

    async def _await_head(self, tenant: str, wait: float, *, patient: bool = True) -> bool:
        """Wait until the tenant's newest change is searchable; False when it is not in time.

        Never longer than ``wait`` seconds, whatever the state store or the writers are doing; but where all that is
        missing is a few documents, ``patient`` callers wait a little longer rather than get an answer from old text."""
        deadline = asyncio.get_running_loop().time() + wait
        try:
            async with asyncio.timeout_at(deadline) as limit:
                try:
                    head = await self._heads.of(tenant)
                except ParleyError as error:
                    # Search with what is here: the answer is only as old as this worker's index.
                    log.warning("head_unknown", tenant=tenant, code=error.code)
                    return False
                if self._queue.reached(tenant, head):
                    return True
                if patient and self._queue.waiting(tenant) <= _FEW:
                    limit.reschedule(deadline + _LONGER_S)
                async with self._moved:
                    await self._moved.wait_for(lambda: self._queue.reached(tenant, head))
                return True
        except TimeoutError:
            return False


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0.2, 1.0))
