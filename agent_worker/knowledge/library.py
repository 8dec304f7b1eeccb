"""The tenants' documents, followed from the log and searched here: one index a tenant, nothing shared between them."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote

import structlog

from agent_worker.knowledge.confidence import confidence
from agent_worker.knowledge.encoder import Encoder, light_encoder
from agent_worker.knowledge.holdings import stamp_of
from agent_worker.knowledge.index import TenantIndex
from agent_worker.knowledge.intake import MOST_WAITING, read_into, rest_of
from agent_worker.knowledge.portions import portions
from agent_worker.knowledge.recency import RecentHeads
from agent_worker.knowledge.records import Change, read_record
from agent_worker.knowledge.retrieval import NOTHING, passage_of, rank, unfound
from agent_worker.knowledge.threads import FairThreads
from agent_worker.knowledge.wanted import looked_up
from agent_worker.knowledge.whole import WholeTexts
from schemas.conversation import Document
from schemas.errors import ParleyError, RecordError
from schemas.messages import Assurance
from schemas.ports import Asker, Bus, Clock, Follower, Found, Heads, Passage, Record
from schemas.topics import KNOWLEDGE

log = structlog.get_logger("parley.knowledge")
Result = TypeVar("Result")
_PATIENT_S = 3.0  # who lists or reads documents wants those just written, and is no contact who waits for an answer
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
        self._applied: dict[int, int] = {}
        self._moved = asyncio.Condition()
        self._ready = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        # One writer; searches beside it, because a large index takes milliseconds that belong to other conversations.
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="knowledge-write")
        self._reading = FairThreads(2, "knowledge-read")

    # ── following ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name="knowledge")

    async def close(self) -> None:
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        # Behind a write that was under way: a thread is not cancelled with its task.
        with contextlib.suppress(RuntimeError):  # closed before
            await self._in_turn(self._let_go)
        self._writing.shutdown(wait=True)
        self._reading.close()

    def _let_go(self) -> None:
        for index in self._indexes.values():
            index.close()
        self._indexes.clear()

    def _warm(self) -> None:
        """Load what the first document would otherwise wait for: hundreds of milliseconds that no edit has."""
        from agent_worker.knowledge.analysis import terms

        encoder = self._encoder()
        if encoder is not None:
            encoder.encode_words(terms("warming up"))
            encoder.encode_query(["warming up"])

    async def _follow(self) -> None:
        await self._in_turn(self._warm)
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
            await asyncio.sleep(random.uniform(0.2, 1.0))

    async def _drain(self, follower: Follower) -> None:
        """Apply what comes, many at a time; once everything old was seen, forget what the log no longer holds."""
        queue: asyncio.Queue[Record] = asyncio.Queue(MOST_WAITING)
        reader = asyncio.create_task(read_into(queue, follower))
        caught_up = asyncio.create_task(follower.caught_up.wait())
        self._seen.clear()
        nexts: asyncio.Task[Record] | None = None
        try:
            while True:
                nexts = asyncio.create_task(queue.get())
                waits = {nexts, reader, *(() if self._ready.is_set() else (caught_up,))}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if nexts.done():
                    await self._apply([nexts.result(), *rest_of(queue)])
                else:
                    nexts.cancel()
                if caught_up.done() and queue.empty() and not self._ready.is_set():
                    await self._forget_unseen()
                    self._seen.clear()
                    self._ready.set()
                if reader.done() and queue.empty():
                    return reader.result()
        finally:
            left = [reader, caught_up, *([nexts] if nexts is not None else [])]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _apply(self, records: Sequence[Record]) -> None:
        changes: defaultdict[str, dict[str, Change]] = defaultdict(dict)
        for record in records:
            try:
                tenant, document_id, change = read_record(record)
            except RecordError as error:
                log.warning("document_unreadable", partition=record.partition, offset=record.offset, code=error.code)
                continue
            changes[tenant][document_id] = change
            if not self._ready.is_set():
                (self._seen[tenant].add if change else self._seen[tenant].discard)(document_id)
        for tenant, changed in changes.items():
            await self._in_turn(partial(self._write, tenant, changed))
        async with self._moved:
            for record in records:
                self._applied[record.partition] = max(record.offset, self._applied.get(record.partition, -1))
            self._moved.notify_all()

    def _write(self, tenant: str, changed: dict[str, Change]) -> None:
        index = self._indexes.get(tenant)
        if index is None:
            index = TenantIndex(self._directory / f"{_PREFIX}{quote(tenant, safe='')}", self._encoder())
        drop = [document for document, change in changed.items() if change is None and document in index.versions]
        new = [
            change
            for change in changed.values()
            if change is not None and index.versions.get(change[0].id) != stamp_of(change[0].version, change[1])
        ]
        for done, put in portions(index, new, lambda: self._closing):
            index.apply(put)
            self._indexes[tenant] = index
            log.info("documents_indexed", tenant=tenant, done=done, of=len(new))
            asyncio.run_coroutine_threadsafe(self._tell(), self._loop)
        if drop:
            index.apply([], drop)
        self._indexes[tenant] = index

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _forget_unseen(self) -> None:
        """Documents that are on this disk but no longer in the log: their tombstone was compacted away."""
        await self._in_turn(self._forget)

    def _forget(self) -> None:
        for tenant, index in self._indexes.items():
            if ghosts := index.versions.keys() - self._seen[tenant]:
                index.apply([], sorted(ghosts))
        if self._directory.exists():
            for path in self._directory.iterdir():
                if path.name.startswith(_PREFIX) and unquote(path.name[len(_PREFIX) :]) not in self._indexes:
                    shutil.rmtree(path)

    async def _in_turn(self, work: Callable[[], Result]) -> Result:
        """On the one thread that writes."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, work)

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
        if head is None or not self._reached(head):
            await self._await_head(tenant, wait)
        index = self._indexes.get(tenant)
        if index is None or not query.strip():
            encoder = self._encoder() if vector else None
            return await self._reading.run((tenant, channel), lambda: unfound(query, encoder)) if encoder else NOTHING
        known = await looked_up(assurance) if index.passages.for_verified else "anonymous"
        asked = partial(rank, index, query[:_LONGEST], self._clock(), assurance=known, language=language)
        ranked = await self._reading.run((tenant, channel), lambda: asked(self._encoder(), k))
        sure = confidence(ranked.evidence, index.kind)
        passages = [passage_of(tenant, hit) for hit in ranked.hits]
        answerable = bool(passages) and sure >= self._answerable_above(tenant)
        return Found(passages, answerable, sure, index.encoder_name, ranked.vector)

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

    async def settling(self, tenant: str) -> AsyncIterator[int]:
        """How many of the tenant's documents can be found, each time there are more; ends when its newest can be."""
        head, count = await self._heads.of(tenant), -1
        while True:
            async with self._moved:
                await self._moved.wait_for(partial(self._news, tenant, head, count))
                count, settled = self._count(tenant), self._reached(head)
            yield count
            if settled:
                return

    def _news(self, tenant: str, head: Mapping[int, int], count: int) -> bool:
        return self._reached(head) or self._count(tenant) != count

    def _count(self, tenant: str) -> int:
        index = self._indexes.get(tenant)
        return len(index.versions) if index is not None else 0

    async def ready(self) -> None:
        await self._ready.wait()

    async def _await_head(self, tenant: str, wait: float) -> None:
        """Never longer than ``wait``, whatever the state store or the writer is doing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                try:
                    head = await self._heads.of(tenant)
                except ParleyError as error:
                    # Search with what is here: the answer is only as old as this worker's index.
                    log.warning("head_unknown", tenant=tenant, code=error.code)
                    return
                if self._reached(head):
                    return
                async with self._moved:
                    await self._moved.wait_for(lambda: self._reached(head))

    def _reached(self, head: Mapping[int, int]) -> bool:
        return all(self._applied.get(partition, -1) >= offset for partition, offset in head.items())
