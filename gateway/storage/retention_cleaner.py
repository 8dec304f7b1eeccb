"""Removal of state that is older than its tenant's retention.

The state store removes, and notes in the same step what is still to be removed elsewhere. This job then appends
tombstones for the snapshots and deletes the files. A lease lets one process at a time do this; a crash at any point
leaves notes, which the next round takes up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from agent_worker.turn.outbox import build_snapshot_event
from connectors.inbound.contact_snapshots import build_contact_event
from schemas import topics
from schemas.envelope import Envelope, envelope
from schemas.errors import NotFound
from schemas.ports import Blobs, Bus, Clock, Removal, RemovalStep, Retention, RetentionPeriods, State
from schemas.privacy.key_service import ContactKeyService

log = structlog.get_logger("parley.storage")

LEASE = "retention"
LETTERS_KEPT = timedelta(days=90)
"""As long as the topic keeps them, too."""
SHORTEST_PERIOD = 15.0
LONGEST_PERIOD = 3600.0
"""Seconds between two rounds. A round looks at every conversation."""
SETTLED_AT_ONCE = 200
KEYS_AT_ONCE = 200
_SOURCE = "parley/retention"
_ATTEMPTS = 20
_ANY = timedelta(days=1)
_MAX_AHEAD = timedelta(hours=1)
_SET_CLOCK = "set the clock of this machine; until the store's own time has caught up, nothing is removed too early"


class RetentionCleaner:
    """``periods`` by tenant; ``groups``: the consumer groups that may have parked records."""

    def __init__(
        self,
        *,
        bus: Bus,
        state: State,
        blobs: Blobs,
        periods: Mapping[str, RetentionPeriods],
        groups: Iterable[str],
        clock: Clock,
        keys: ContactKeyService | None = None,
    ) -> None:
        self._bus = bus
        self._state = state
        self._blobs = blobs
        self._periods = dict(periods)
        self._groups = list(groups)
        self._clock = clock
        self._keys = keys
        self._holder = uuid4().hex

    @property
    def every(self) -> float:
        """Seconds between two rounds: a tenth of the shortest retention, within bounds."""
        shortest = min(
            (min(each.transcripts, each.turns, each.contacts) for each in self._periods.values()),
            default=timedelta(seconds=LONGEST_PERIOD),
        )
        return min(LONGEST_PERIOD, max(SHORTEST_PERIOD, shortest.total_seconds() / 10))

    async def sweep(self) -> int:
        """Run one round, unless another process holds the lease. Returns the number of removed rows. Raises
        Unavailable; the next round continues."""
        retention = self._state.retention
        if retention is None or not await self._acquire_lease():
            return 0
        now = await retention.limit_time(self._clock())
        ahead = self._clock() - now
        if ahead > _MAX_AHEAD:
            log.warning("retention_clock_ahead", hours=int(ahead.total_seconds() // 3600), fix=_SET_CLOCK)
        removed = await self._sweep_conversations(retention, now)
        removed += await self._sweep_tenants(retention, now)
        if self._keys is not None and await self._acquire_lease():
            await self._remove_keys(retention, self._keys)
        if await self._acquire_lease():
            await retention.tidy(now=now)
        if removed:
            log.info("retention_applied", removed=removed)
        return removed

    async def _acquire_lease(self) -> bool:
        ttl = 3 * self.every
        return await self._state.leases.acquire(LEASE, self._holder, ttl=ttl, now=self._clock()) is not None

    async def _sweep_conversations(self, retention: Retention, now: datetime) -> int:
        return await self._repeat(
            retention,
            lambda after: retention.sweep_conversations(self._periods, groups=self._groups, now=now, after=after),
        )

    async def _sweep_tenants(self, retention: Retention, now: datetime) -> int:
        removed = 0
        # Dead letters may belong to no tenant; contacts always do.
        for tenant, periods in [*self._periods.items(), ("", RetentionPeriods(_ANY, _ANY, _ANY))]:

            def step(after: str, tenant: str = tenant, periods: RetentionPeriods = periods) -> Awaitable[RemovalStep]:
                return retention.sweep_tenant(tenant, periods, letters_before=now - LETTERS_KEPT, now=now, after=after)

            removed += await self._repeat(retention, step)
        return removed

    async def _repeat(self, retention: Retention, run_step: Callable[[str], Awaitable[RemovalStep]]) -> int:
        """Run steps to the end. After each, forget what it has removed."""
        removed, after, is_first = 0, "", True
        while is_first or after:
            is_first = False
            step = await run_step(after)
            removed, after = removed + step.removed, step.next
            await self._settle_all(retention)
            if after and not await self._acquire_lease():
                break
        return removed

    async def _remove_keys(self, retention: Retention, keys: ContactKeyService) -> None:
        """Go on with the removal of the keys of removed contacts. Each takes two rounds at least."""
        for tenant in self._periods:
            after, is_first = "", True
            while is_first or after:
                is_first = False
                contacts = await retention.list_unused_keys(tenant, after=after, limit=KEYS_AT_ONCE)
                for contact in contacts:
                    is_used = await self._state.contacts.get(tenant, contact) is not None
                    if await keys.retire(tenant, contact, is_used=is_used):
                        await retention.forget_key(tenant, contact)
                after = contacts[-1] if len(contacts) == KEYS_AT_ONCE and await self._acquire_lease() else ""

    async def _settle_all(self, retention: Retention) -> None:
        while removals := await retention.list_removals(limit=SETTLED_AT_ONCE):
            await self._bus.append([_build_tombstone(each, self._clock) for each in removals if each.kind != "file"])
            for removal in removals:
                if removal.kind == "file":
                    await self._delete_file(removal)
                if not await retention.forget(removal):
                    await self._append_again(removal)
                    await retention.forget(removal, revived=True)

    async def _delete_file(self, removal: Removal) -> None:
        """Delete a file, unless another line refers to it."""
        if not await self._is_referenced(removal):
            await self._blobs.delete(removal.tenant, removal.id)

    async def _is_referenced(self, removal: Removal) -> bool:
        try:
            stored = await self._blobs.describe(removal.tenant, removal.id)
        except NotFound:
            return True
        if stored.conversation != removal.conversation:
            return True  # of a release whose files were shared, so that others may refer to it
        after = 0
        while lines := await self._state.transcript.read(removal.conversation, after=after):
            if any(file.id == removal.id for line in lines for file in line.attachments):
                return True
            after = lines[-1].seq
        return False

    async def _append_again(self, removal: Removal) -> None:
        """The item came back before its tombstone was on the log: append its snapshot after the tombstone, until it has
        not changed meanwhile. A later change appends its own."""
        for _ in range(_ATTEMPTS):
            event = await self._build_snapshot(removal)
            if event is None:
                return
            await self._bus.append([event])
            after = await self._build_snapshot(removal)
            if after is None or after.data == event.data:
                return

    async def _build_snapshot(self, removal: Removal) -> Envelope | None:
        if removal.kind == "conversation":
            snapshot = await self._state.conversations.snapshot(removal.id)
            return None if snapshot is None else build_snapshot_event(snapshot, self._clock())
        contact = await self._state.contacts.get(removal.tenant, removal.id)
        return None if contact is None else build_contact_event(contact, self._clock())


def _build_tombstone(removal: Removal, clock: Clock) -> Envelope:
    is_contact = removal.kind == "contact"
    return envelope(
        topics.CONTACT_SNAPSHOT if is_contact else topics.CONVERSATION_SNAPSHOT,
        None,
        id=str(uuid4()),
        time=clock(),
        source=_SOURCE,
        tenant=removal.tenant,
        channel=removal.channel,
        account=removal.account,
        conversation="" if is_contact else removal.id,
        subject=f"contact:{removal.id}" if is_contact else "",
    )
