"""Storage quotas of contacts and tenants, and the attachment store that enforces them.

Bytes are counted before they are written, in a counter shared by all processes, so that concurrent uploads cannot
exceed a quota together. A process that crashes in between leaves a count that is too high; the attachment collector
corrects it once a day.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, time, timedelta

import structlog

from gateway.config.settings import LimitSettings
from schemas.errors import RateLimited, StorageFull
from schemas.messages import Attachment
from schemas.ports import Blobs, Clock, Limiter, StoredFile, Upload

log = structlog.get_logger("parley.storage")

_BYTES = "bytes"
DAILY_COUNT_TTL = 2 * 86_400.0
"""Seconds for which the count of a contact's day is kept."""
_FILE_COUNT_TTL = 20 * 365 * 86_400.0
CONTACT_BLOCK = 64 * 1024
TENANT_BLOCK = 1024 * 1024
"""Bytes of text that a process reserves from a daily quota at once, so that few messages need the store. The rest of a
block counts as used when the process ends."""
MAX_CACHED = 20_000


class StorageQuota:
    """Counts stored bytes. ``limits`` returns the limits of a tenant."""

    def __init__(self, limiter: Limiter, limits: Callable[[str], LimitSettings], clock: Clock) -> None:
        self._limiter = limiter
        self._limits = limits
        self._clock = clock
        self._reserved: OrderedDict[str, int] = OrderedDict()

    async def reserve_file(self, tenant: str, contact: str, size: int) -> None:
        """Count a file before it is stored; ``contact`` is empty for a colleague's file. Raises RateLimited (daily
        limit of the contact) and StorageFull (limit of the tenant)."""
        limits = self._limits(tenant)
        if contact and not await self._reserve(
            self._build_daily_key(tenant, contact), size, limits.contact_bytes_per_day, DAILY_COUNT_TTL
        ):
            raise self._build_daily_error("this conversation has reached its daily limit for stored data")
        if not await self._reserve(_build_files_key(tenant), size, limits.stored_file_bytes, _FILE_COUNT_TTL):
            if contact:
                await self._add(self._build_daily_key(tenant, contact), -size, DAILY_COUNT_TTL)
            log.warning("storage_full", tenant=tenant, limit=limits.stored_file_bytes)
            raise StorageFull("no more files can be stored here")

    async def release_file(self, tenant: str, contact: str, size: int) -> None:
        """Take back the count of a file that was not stored."""
        if contact:
            await self._add(self._build_daily_key(tenant, contact), -size, DAILY_COUNT_TTL)
        await self._add(_build_files_key(tenant), -size, _FILE_COUNT_TTL)

    async def reserve_text(self, tenant: str, contact: str, size: int) -> None:
        """Count text before it is appended. Raises RateLimited."""
        limits = self._limits(tenant)
        contact_key, tenant_key = self._build_daily_key(tenant, contact), self._build_daily_key(tenant, "")
        if not await self._reserve_text_block(contact_key, size, CONTACT_BLOCK, limits.contact_bytes_per_day):
            raise self._build_daily_error("this conversation has reached its daily limit for stored data")
        if not await self._reserve_text_block(tenant_key, size, TENANT_BLOCK, limits.text_bytes_per_day):
            log.warning("text_quota_reached", tenant=tenant, limit=limits.text_bytes_per_day)
            raise self._build_daily_error("no more messages can be stored here today")

    async def read_file_bytes(self, tenant: str) -> int:
        """Return the counted bytes of the tenant's files."""
        return await self._add(_build_files_key(tenant), 0, _FILE_COUNT_TTL)

    async def correct_file_bytes(self, tenant: str, by: int) -> None:
        """Add ``by`` bytes, which may be negative, to the count of the tenant's files."""
        await self._add(_build_files_key(tenant), by, _FILE_COUNT_TTL)

    async def _reserve_text_block(self, key: str, size: int, block: int, limit: int) -> bool:
        reserved = self._reserved.get(key, 0)
        if reserved < size:
            more = max(size, block)
            if await self._reserve(key, more, limit, DAILY_COUNT_TTL):
                reserved = self._reserved.get(key, 0) + more
            elif await self._reserve(key, size, limit, DAILY_COUNT_TTL):
                reserved = self._reserved.get(key, 0) + size
            else:
                return False
        self._reserved[key] = reserved - size
        self._reserved.move_to_end(key)
        while len(self._reserved) > MAX_CACHED:
            self._reserved.popitem(last=False)
        return True

    async def _reserve(self, key: str, size: int, limit: int, keep: float) -> bool:
        """Count ``size`` bytes unless that exceeds the limit. Returns whether they were counted."""
        if await self._add(key, size, keep) <= limit:
            return True
        await self._add(key, -size, keep)
        return False

    async def _add(self, key: str, size: int, keep: float) -> int:
        return (await self._limiter.add(key, {_BYTES: size}, keep=keep, now=self._clock()))[_BYTES]

    def _build_daily_key(self, tenant: str, contact: str) -> str:
        return f"stored:{tenant}:{contact}:{self._clock().astimezone(UTC):%Y-%m-%d}"

    def _build_daily_error(self, message: str) -> RateLimited:
        now = self._clock().astimezone(UTC)
        tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        return RateLimited(message, retry_after_ms=int((tomorrow - now).total_seconds() * 1000) + 1)


def _build_files_key(tenant: str) -> str:
    return f"files:{tenant}"


class QuotaBlobs:
    """A blob store that enforces the quotas for every file (``schemas.ports.Blobs``)."""

    def __init__(self, blobs: Blobs, quota: StorageQuota) -> None:
        self._blobs = blobs
        self._quota = quota

    async def put(
        self,
        tenant: str,
        name: str,
        declared_type: str,
        data: bytes,
        *,
        conversation: str = "",
        uploader: str = "",
        claimed: bool = True,
    ) -> Attachment:
        await self._quota.reserve_file(tenant, uploader, len(data))
        try:
            return await self._blobs.put(
                tenant, name, declared_type, data, conversation=conversation, uploader=uploader, claimed=claimed
            )
        except BaseException:
            await asyncio.shield(self._quota.release_file(tenant, uploader, len(data)))
            raise

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        return await self._blobs.get(tenant, attachment)

    async def describe(self, tenant: str, attachment: str) -> StoredFile:
        return await self._blobs.describe(tenant, attachment)

    async def claim(self, tenant: str, attachment: str) -> None:
        await self._blobs.claim(tenant, attachment)

    async def confirm(self, tenant: str, attachment: str) -> None:
        await self._blobs.confirm(tenant, attachment)

    def uploads(self, *, before: datetime) -> AsyncIterator[Upload]:
        return self._blobs.uploads(before=before)

    async def delete(self, tenant: str, attachment: str) -> int:
        size = await self._blobs.delete(tenant, attachment)
        if size:
            await self._quota.correct_file_bytes(tenant, -size)
        return size

    async def total(self, tenant: str) -> int:
        return await self._blobs.total(tenant)
