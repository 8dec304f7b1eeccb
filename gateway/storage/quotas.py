"""Storage quotas of contacts and tenants, and the attachment store that enforces them.

Bytes are counted before they are written, in a counter shared by all processes, so that concurrent uploads cannot
exceed a quota together. A process that crashes in between leaves a count that is too high; the attachment collector
corrects it once a day.
"""

from __future__ import annotations

import asyncio
import calendar
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

import structlog

from gateway.config.secret_keys import SigningKeys
from gateway.config.settings import LimitSettings
from schemas.errors import RateLimited, StorageFull
from schemas.key_ring import KeyRing
from schemas.messages import Attachment
from schemas.ports import Blobs, Clock, Limiter, StoredFile, Upload

log = structlog.get_logger("parley.storage")

_BYTES = "bytes"
DAILY_COUNT_TTL = 2 * 86_400.0
"""Seconds for which the counts of a day are kept."""
MONTHLY_COUNT_TTL = 32 * 86_400.0
_FILE_COUNT_TTL = 20 * 365 * 86_400.0
CONTACT_BLOCK = 64 * 1024
SENDER_BLOCK = 256 * 1024
TENANT_BLOCK = 1024 * 1024
"""Bytes of text that a process reserves from a daily quota at once, so that few messages need the store. The rest of a
block counts as used when the process ends."""
MAX_CACHED = 20_000


@dataclass(frozen=True, slots=True)
class _Budget:
    """A counter and its limit. ``block``: bytes that a process reserves at once. ``pool``: the budget that many share,
    if this one is the part that one of them may use: ``share`` of what the others leave."""

    key: str
    limit: int
    keep: float
    block: int = 0
    pool: _Budget | None = None
    share: float = 1.0


class StorageQuota:
    """Counts stored bytes. ``limits`` returns the limits of a tenant; ``secret_key`` hashes client addresses.

    Whoever sends is counted first: a contact by the day, then the client address, or the contact where no address is
    given. Nobody can use up what all visitors share."""

    def __init__(
        self,
        limiter: Limiter,
        limits: Callable[[str], LimitSettings],
        clock: Clock,
        secret_key: KeyRing = KeyRing(""),  # noqa: B008
    ) -> None:
        self._limiter = limiter
        self._limits = limits
        self._clock = clock
        self._keys = SigningKeys(secret_key, "storage-quota")
        self._reserved: OrderedDict[str, int] = OrderedDict()

    async def reserve_file(self, tenant: str, contact: str, size: int, address: str = "") -> None:
        """Count a file before it is stored; ``contact`` is empty for a colleague's file. Raises RateLimited (the sender
        may store more when the day or the month is over) and StorageFull (only space helps)."""
        budgets = self._list_file_budgets(tenant, contact, address)
        refused = await self._reserve_all(budgets, size)
        if refused is None:
            return
        if refused.keep == DAILY_COUNT_TTL:
            raise self._build_error("this conversation has reached its daily limit for stored data")
        if refused.pool is not None and size <= refused.share * (refused.limit - await self._read(refused.pool)):
            raise self._build_error("no more files are accepted from here this month", of_month=True)
        log.warning("storage_full", tenant=tenant, limit=refused.limit)
        raise StorageFull("no more files can be stored here")

    async def release_file(self, tenant: str, contact: str, size: int, address: str = "") -> None:
        """Take back the count of a file that was not stored."""
        for budget in self._list_file_budgets(tenant, contact, address):
            await self._release(budget, size)

    async def reserve_text(self, tenant: str, contact: str, size: int, address: str = "") -> None:
        """Count text before it is appended. Raises RateLimited."""
        limits = self._limits(tenant)
        day = self._build_daily_key(tenant, "")
        pool = _Budget(day, limits.text_bytes_per_day, DAILY_COUNT_TTL, TENANT_BLOCK)
        own = self._build_contact_budget(tenant, contact, CONTACT_BLOCK)
        key = f"text:{day}:{self._name_sender(contact, address)}"
        sender = replace(pool, key=key, block=SENDER_BLOCK, pool=pool, share=limits.address_share)
        refused = await self._reserve_all([own, sender, pool], size)
        if refused is pool:
            log.warning("text_quota_reached", tenant=tenant, limit=limits.text_bytes_per_day)
            raise self._build_error("no more messages can be stored here today")
        if refused is not None:
            who = "this conversation has" if refused is own or not address else "your network has"
            raise self._build_error(f"{who} reached its daily limit for stored data")

    async def read_file_bytes(self, tenant: str) -> int:
        """Return the counted bytes of the tenant's files."""
        return await self._read(self._build_file_pool(tenant))

    async def correct_file_bytes(self, tenant: str, by: int) -> None:
        """Add ``by`` bytes, which may be negative, to the count of the tenant's files."""
        await self._release(self._build_file_pool(tenant), -by)

    def _list_file_budgets(self, tenant: str, contact: str, address: str) -> list[_Budget]:
        pool = self._build_file_pool(tenant)
        if not contact:
            return [pool]
        month = f"{self._clock().astimezone(UTC):%Y-%m}"
        key = f"{pool.key}:{month}:{self._name_sender(contact, address)}"
        share = self._limits(tenant).address_share
        sender = replace(pool, key=key, keep=MONTHLY_COUNT_TTL, pool=pool, share=share)
        return [self._build_contact_budget(tenant, contact), sender, pool]

    def _build_contact_budget(self, tenant: str, contact: str, block: int = 0) -> _Budget:
        limit = self._limits(tenant).contact_bytes_per_day
        return _Budget(self._build_daily_key(tenant, contact), limit, DAILY_COUNT_TTL, block)

    def _build_file_pool(self, tenant: str) -> _Budget:
        return _Budget(f"files:{tenant}", self._limits(tenant).stored_file_bytes, _FILE_COUNT_TTL)

    def _name_sender(self, contact: str, address: str) -> str:
        return self._keys.sign(address) if address else contact

    async def _reserve_all(self, budgets: Sequence[_Budget], size: int) -> _Budget | None:
        """Count ``size`` bytes in every budget, or in none. Returns the budget that they exceed."""
        for index, budget in enumerate(budgets):
            if not await self._reserve(budget, size):
                for earlier in budgets[:index]:
                    await self._release(earlier, size)
                return budget
        return None

    async def _reserve(self, budget: _Budget, size: int) -> bool:
        key, reserved = budget.key, self._reserved.get(budget.key, 0)
        if reserved < size:
            limit = await self._read_limit(budget)
            for more in (max(size, budget.block), size):
                if await self._add(budget, more) <= limit:
                    break
                await self._add(budget, -more)
            else:
                return False
            reserved = self._reserved.get(key, 0) + more
        if budget.block:
            self._reserved[key] = reserved - size
            self._reserved.move_to_end(key)
            while len(self._reserved) > MAX_CACHED:
                self._reserved.popitem(last=False)
        return True

    async def _release(self, budget: _Budget, size: int) -> None:
        if budget.block:
            self._reserved[budget.key] = self._reserved.get(budget.key, 0) + size
        else:
            await self._add(budget, -size)

    async def _read_limit(self, budget: _Budget) -> int:
        if budget.pool is None:
            return budget.limit
        used, counted = await self._read(budget.pool), await self._add(budget, 0)
        own = min(used, counted)  # what was deleted since stays in the count of the sender
        return counted + int(budget.share * (budget.limit - used + own)) - own

    async def _read(self, budget: _Budget) -> int:
        return await self._add(budget, 0) - self._reserved.get(budget.key, 0)

    async def _add(self, budget: _Budget, size: int) -> int:
        added = await self._limiter.add(budget.key, {_BYTES: size}, keep=budget.keep, now=self._clock())
        return added[_BYTES]

    def _build_daily_key(self, tenant: str, contact: str) -> str:
        return f"stored:{tenant}:{contact}:{self._clock().astimezone(UTC):%Y-%m-%d}"

    def _build_error(self, message: str, *, of_month: bool = False) -> RateLimited:
        """The refusal until midnight (UTC), or until the month is over."""
        now = self._clock().astimezone(UTC)
        last = now.replace(day=calendar.monthrange(now.year, now.month)[1]) if of_month else now
        ends = datetime.combine(last.date() + timedelta(days=1), time(), UTC)
        return RateLimited(message, retry_after_ms=int((ends - now).total_seconds() * 1000) + 1)


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
        address: str = "",
    ) -> Attachment:
        """See ``schemas.ports.Blobs``. ``address``: that of a visitor who is not signed in."""
        await self._quota.reserve_file(tenant, uploader, len(data), address)
        try:
            return await self._blobs.put(
                tenant, name, declared_type, data, conversation=conversation, uploader=uploader, claimed=claimed
            )
        except BaseException:
            await asyncio.shield(self._quota.release_file(tenant, uploader, len(data), address))
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
