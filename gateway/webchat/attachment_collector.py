"""Deletes uploads that no message references, a day after they came. One process at a time does it, by a lease.

Nothing breaks when two do, or when one dies in the middle: an upload is never claimed in the hour before it may be
deleted, and what was begun is found again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from gateway.webchat.storage_quotas import StorageQuota
from infra.blobs import UNCLAIMED_FOR, UNCONFIRMED_FOR
from schemas.ports import Blobs, Clock, Leases, Transcript, Upload

log = structlog.get_logger("parley.storage")

EVERY = 600.0
LEASE = "attachment-collector"
COUNT_EVERY = timedelta(days=1)
"""How often all files are listed to correct what is counted against the quotas."""
_PAGE = 200
_REMEMBERED = 200
_RENEW_EVERY = 50


class AttachmentCollector:
    """``blobs`` count what they delete."""

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
        self._counted_at: datetime | None = None

    async def sweep(self) -> None:
        """One round, if no other process does it. Raises Unavailable; the next round goes on."""
        if await self._lease() is None:
            return
        await self._collect()
        await self._count()

    async def _lease(self) -> int | None:
        return await self._leases.acquire(LEASE, self._holder, ttl=3 * EVERY, now=self._clock())

    async def _collect(self) -> None:
        referenced: dict[str, set[str]] = {}
        looked_at = deleted = 0
        async for upload in self._blobs.uploads(before=self._clock() - UNCLAIMED_FOR):
            if upload.claimed and await self._is_referenced(upload, referenced):
                await self._blobs.settle(upload.tenant, upload.id)
            elif not upload.claimed or upload.at < self._clock() - UNCONFIRMED_FOR:
                await self._blobs.delete(upload.tenant, upload.id)
                deleted += 1
            looked_at += 1
            if looked_at % _RENEW_EVERY == 0 and await self._lease() is None:
                break
        if deleted:
            log.info("uploads_deleted", count=deleted)

    async def _is_referenced(self, upload: Upload, known: dict[str, set[str]]) -> bool:
        if upload.conversation not in known:
            if len(known) >= _REMEMBERED:
                known.clear()
            known[upload.conversation] = await self._references(upload.conversation)
        return upload.id in known[upload.conversation]

    async def _references(self, conversation: str) -> set[str]:
        """All files in a transcript."""
        found, after = set[str](), 0
        while lines := await self._transcript.read(conversation, after=after, limit=_PAGE):
            found.update(attachment.id for line in lines for attachment in line.attachments)
            after = lines[-1].seq
        return found

    async def _count(self) -> None:
        """Bring what is counted in line with what is there: after a crash, and after the store was lost."""
        now = self._clock()
        if self._counted_at is not None and now < self._counted_at + COUNT_EVERY:
            return
        for tenant in self._tenants:
            before = await self._quota.stored_files(tenant)
            there = await self._blobs.total(tenant)
            # Where something was stored meanwhile, the next count tells; so it does of an upload that is under way.
            if there != before and await self._quota.stored_files(tenant) == before:
                await self._quota.correct_files(tenant, there - before)
                log.info("stored_files_counted", tenant=tenant, bytes=there)
        self._counted_at = now
