"""How much contacts and tenants may store: the quotas, and the attachment store that keeps to them.

Bytes are counted before they are written, where all processes see the count, so that uploads that run at once cannot
pass a quota together. A process that dies between the two leaves a count that is too high; the attachment collector
counts the files anew once a day.
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
_OF_A_DAY = 2 * 86_400.0
_FOR_GOOD = 20 * 365 * 86_400.0
CONTACT_BLOCK = 64 * 1024
TENANT_BLOCK = 1024 * 1024
"""Bytes of text that a process takes from a day's quota at once: so few messages ask the store. What is left of a block
when the process ends counts as used."""
REMEMBERED = 20_000


class StorageQuota:
    """``limits``: those of a tenant."""

    def __init__(self, limiter: Limiter, limits: Callable[[str], LimitSettings], clock: Clock) -> None:
        self._limiter = limiter
        self._limits = limits
        self._clock = clock
        self._taken: OrderedDict[str, int] = OrderedDict()

    async def take_file(self, tenant: str, contact: str, size: int) -> None:
        """Before a file is stored; ``contact`` empty: a colleague's. Raises RateLimited (the contact's day) and
        StorageFull (the tenant's files)."""
        limits = self._limits(tenant)
        if contact and not await self._add(
            self._day_of(tenant, contact), size, limits.contact_bytes_per_day, _OF_A_DAY
        ):
            raise self._until_tomorrow("this conversation has received as many bytes as it may in one day")
        if not await self._add(_files_of(tenant), size, limits.stored_file_bytes, _FOR_GOOD):
            if contact:
                await self._count(self._day_of(tenant, contact), -size, _OF_A_DAY)
            log.warning("storage_full", tenant=tenant, limit=limits.stored_file_bytes)
            raise StorageFull("no more files can be stored here at present")

    async def return_file(self, tenant: str, contact: str, size: int) -> None:
        """It was not stored after all."""
        if contact:
            await self._count(self._day_of(tenant, contact), -size, _OF_A_DAY)
        await self._count(_files_of(tenant), -size, _FOR_GOOD)

    async def take_text(self, tenant: str, contact: str, size: int) -> None:
        """Before words are put on the log. Raises RateLimited."""
        limits = self._limits(tenant)
        contacts, tenants = self._day_of(tenant, contact), self._day_of(tenant, "")
        if not await self._take_block(contacts, size, CONTACT_BLOCK, limits.contact_bytes_per_day):
            raise self._until_tomorrow("this conversation has received as many bytes as it may in one day")
        if not await self._take_block(tenants, size, TENANT_BLOCK, limits.text_bytes_per_day):
            log.warning("text_quota_reached", tenant=tenant, limit=limits.text_bytes_per_day)
            raise self._until_tomorrow("no more messages can be stored here today")

    async def stored_files(self, tenant: str) -> int:
        """Bytes, as they are counted."""
        return await self._count(_files_of(tenant), 0, _FOR_GOOD)

    async def correct_files(self, tenant: str, by: int) -> None:
        """Add to the count of the tenant's stored files; less than nothing takes away."""
        await self._count(_files_of(tenant), by, _FOR_GOOD)

    async def _take_block(self, key: str, size: int, block: int, limit: int) -> bool:
        left = self._taken.get(key, 0)
        if left < size:
            wanted = max(size, block)
            if await self._add(key, wanted, limit, _OF_A_DAY):
                left = self._taken.get(key, 0) + wanted
            elif await self._add(key, size, limit, _OF_A_DAY):
                left = self._taken.get(key, 0) + size
            else:
                return False
        self._taken[key] = left - size
        self._taken.move_to_end(key)
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        return True

    async def _add(self, key: str, size: int, limit: int, keep: float) -> bool:
        """Count it, unless that would be over the limit."""
        if await self._count(key, size, keep) <= limit:
            return True
        await self._count(key, -size, keep)
        return False

    async def _count(self, key: str, size: int, keep: float) -> int:
        return (await self._limiter.add(key, {_BYTES: size}, keep=keep, now=self._clock()))[_BYTES]

    def _day_of(self, tenant: str, contact: str) -> str:
        return f"stored:{tenant}:{contact}:{self._clock().astimezone(UTC):%Y-%m-%d}"

    def _until_tomorrow(self, message: str) -> RateLimited:
        now = self._clock().astimezone(UTC)
        tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        return RateLimited(message, retry_after_ms=int((tomorrow - now).total_seconds() * 1000) + 1)


def _files_of(tenant: str) -> str:
    return f"files:{tenant}"


class MeteredBlobs:
    """``schemas.ports.Blobs`` that keeps to the quotas, whoever stores a file."""

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
        await self._quota.take_file(tenant, uploader, len(data))
        try:
            return await self._blobs.put(
                tenant, name, declared_type, data, conversation=conversation, uploader=uploader, claimed=claimed
            )
        except BaseException:
            await asyncio.shield(self._quota.return_file(tenant, uploader, len(data)))
            raise

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        return await self._blobs.get(tenant, attachment)

    async def describe(self, tenant: str, attachment: str) -> StoredFile:
        return await self._blobs.describe(tenant, attachment)

    async def claim(self, tenant: str, attachment: str) -> None:
        await self._blobs.claim(tenant, attachment)

    async def settle(self, tenant: str, attachment: str) -> None:
        await self._blobs.settle(tenant, attachment)

    def uploads(self, *, before: datetime) -> AsyncIterator[Upload]:
        return self._blobs.uploads(before=before)

    async def delete(self, tenant: str, attachment: str) -> int:
        size = await self._blobs.delete(tenant, attachment)
        if size:
            await self._quota.correct_files(tenant, -size)
        return size

    async def total(self, tenant: str) -> int:
        return await self._blobs.total(tenant)
