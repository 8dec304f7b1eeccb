"""Deletion of uploads that no message references, a day after they were made.

A lease lets one process at a time do this. It is also safe if two processes do it, or if one crashes in between: an
upload is never claimed in the hour before it may be deleted, and the next round finds unfinished work.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from gateway.storage.quotas import StorageQuota
from infra.blobs import UNCLAIMED_FOR, UNCONFIRMED_FOR
from schemas.ports import Blobs, Clock, Leases, Transcript, Upload

log = structlog.get_logger("parley.storage")

COLLECT_EVERY = 600.0
"""Seconds."""
LEASE = "attachment-collector"
CORRECT_EVERY = timedelta(days=1)
"""How often all files are listed to correct the stored bytes of the quotas."""
_PAGE_SIZE = 200
_MAX_CACHED = 200
_RENEW_EVERY = 50


class AttachmentCollector:
    """Collects in the store ``blobs``, which counts against ``quota`` itself what it deletes."""

    def __init__(
        self,
        blobs: Blobs,
        quota: StorageQuota,
        *,
        leases: Leases,
        transcript: Transcript,
        tenants: Iterable[str],
        clock: Clock,
    ) -> None:
        self._blobs = blobs
        self._quota = quota
        self._leases = leases
        self._transcript = transcript
        self._tenants = list(tenants)
        self._clock = clock
        self._holder = uuid4().hex
        self._corrected_at: datetime | None = None

    async def sweep(self) -> None:
        """Run one round, unless another process holds the lease. Raises Unavailable; the next round continues."""
        if await self._acquire_lease() is None:
            return
        await self._collect()
        await self._correct_counts()

    async def _acquire_lease(self) -> int | None:
        return await self._leases.acquire(LEASE, self._holder, ttl=3 * COLLECT_EVERY, now=self._clock())

    async def _collect(self) -> None:
        referenced: dict[str, set[str]] = {}
        checked = deleted = 0
        async for upload in self._blobs.uploads(before=self._clock() - UNCLAIMED_FOR):
            if upload.claimed and await self._is_referenced(upload, referenced):
                await self._blobs.confirm(upload.tenant, upload.id)
            elif not upload.claimed or upload.at < self._clock() - UNCONFIRMED_FOR:
                await self._blobs.delete(upload.tenant, upload.id)
                deleted += 1
            checked += 1
            if checked % _RENEW_EVERY == 0 and await self._acquire_lease() is None:
                break
        if deleted:
            log.info("uploads_deleted", count=deleted)

    async def _is_referenced(self, upload: Upload, cache: dict[str, set[str]]) -> bool:
        if upload.conversation not in cache:
            if len(cache) >= _MAX_CACHED:
                cache.clear()
            cache[upload.conversation] = await self._list_references(upload.conversation)
        return upload.id in cache[upload.conversation]

    async def _list_references(self, conversation: str) -> set[str]:
        """Return the ids of all files in a transcript."""
        ids, after = set[str](), 0
        while lines := await self._transcript.read(conversation, after=after, limit=_PAGE_SIZE):
            ids.update(attachment.id for line in lines for attachment in line.attachments)
            after = lines[-1].seq
        return ids

    async def _correct_counts(self) -> None:
        """Correct the stored bytes, which may be wrong after a crash or a loss of the state store."""
        now = self._clock()
        if self._corrected_at is not None and now < self._corrected_at + CORRECT_EVERY:
            return
        for tenant in self._tenants:
            before = await self._quota.read_file_bytes(tenant)
            actual = await self._blobs.total(tenant)
            # If something was stored in the meantime, the next correction will do; so too for an upload in progress.
            if actual != before and await self._quota.read_file_bytes(tenant) == before:
                await self._quota.correct_file_bytes(tenant, actual - before)
                log.info("stored_files_counted", tenant=tenant, bytes=actual)
        self._corrected_at = now
