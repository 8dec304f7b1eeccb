"""Lookup of names that only the vendor knows. The vendor is asked after a contact has written, in the background: no
append, answer or receipt waits for it.

Best effort, with every queue and rate bounded; a lookup that is skipped now is made after the contact's next message. A
name is valid for a day, in every process and after a restart, because it is dated on the contact.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from connectors.inbound.contact_snapshots import ContactSnapshots
from connectors.inbound.display_names import MAX_LOCALE, clean_display_name
from connectors.outbound.connections import AccountConnections
from schemas import topics
from schemas.envelope import Envelope
from schemas.errors import CredentialsRevoked, Parked, ParleyError, RecordError, RetryLater
from schemas.messages import Address, InboundMessage
from schemas.ports import (
    Account,
    Bus,
    Clock,
    Contacts,
    ContactUpdate,
    Limiter,
    Profile,
    ProfileAddressSelector,
    ProfileFetcher,
    RateLimit,
    Record,
)

log = structlog.get_logger("parley.profiles")

NAME_TTL = timedelta(days=1)
NO_PROFILE_PAUSE = timedelta(hours=1)
"""After the vendor had no profile of a contact."""
REVOKED_PAUSE = timedelta(hours=1)
"""After the vendor refused profiles to this account."""
MIN_PAUSE = timedelta(minutes=1)
MAX_PAUSE = timedelta(hours=1)
MAX_REMEMBERED = 20_000
MAX_QUEUED = 1_000
"""Per account."""
LOOKUP_TIMEOUT = 10.0
"""Seconds."""
ACCOUNT_PACE = RateLimit(1, 5)
"""Far below vendors' limits, which are needed for messages."""
ADDRESS_PACE = RateLimit(1 / 60, 1)
"""Shared through the limiter, so that only one of several processes asks."""


_AccountKey = tuple[str, str]
"""Tenant and account."""


class _Lookup(NamedTuple):
    account: _AccountKey
    contact: str


_Queue = deque[tuple[_Lookup, str]]
"""Contacts to look up, each with the place where they wrote."""


class ProfileLookup:
    """Looks up the profiles of one channel's contacts, for one process."""

    def __init__(
        self,
        channel: str,
        known_by: ProfileAddressSelector,
        accounts: AccountConnections,
        *,
        bus: Bus,
        contacts: Contacts,
        limiter: Limiter,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
    ) -> None:
        self._channel = channel
        self._known_by = known_by.select_profile_address
        self._accounts = accounts
        self._bus = bus
        self._contacts = contacts
        self._limiter = limiter
        self._clock = clock
        self._account_of = account_of
        self._snapshots = ContactSnapshots()
        self._not_before: OrderedDict[_Lookup, datetime] = OrderedDict()
        self._paused_until: dict[_AccountKey, datetime] = {}
        self._queues: dict[_AccountKey, _Queue] = {}
        self._tasks: dict[_AccountKey, asyncio.Task[None]] = {}

    def enqueue_authors(self, records: Sequence[Record]) -> None:
        """Queue a lookup for each author that needs one. Never raises; records that cannot be read are reported
        elsewhere."""
        for record in records:
            if record.headers.get("ce_type") == topics.MESSAGE_RECEIVED:
                try:
                    event = Envelope.from_wire(record.headers, record.value)
                    message = event.payload(InboundMessage)
                except RecordError:
                    continue
                if message.author.kind == "contact":
                    self._enqueue(_Lookup((event.tenant, event.account), message.contact_id), message.place)

    @property
    def is_idle(self) -> bool:
        """No lookup is queued or under way."""
        return not self._tasks

    @property
    def remembered_count(self) -> int:
        """Contacts whose next lookup has a time, at most MAX_REMEMBERED."""
        return len(self._not_before)

    async def close(self) -> None:
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _enqueue(self, lookup: _Lookup, place: str) -> None:
        not_before, queue = self._not_before.get(lookup), self._queues.setdefault(lookup.account, deque())
        if len(queue) >= MAX_QUEUED or (not_before is not None and self._clock() < not_before):
            return
        # Also while it is queued: one lookup at a time.
        self._remember(lookup, MAX_PAUSE)
        queue.append((lookup, place))
        if lookup.account not in self._tasks:
            self._tasks[lookup.account] = asyncio.create_task(self._process_queue(lookup.account, queue))

    async def _process_queue(self, name: _AccountKey, queue: _Queue) -> None:
        """Look up one account's contacts. Accounts do not wait for each other."""
        while queue:
            lookup, place = queue.popleft()
            try:
                self._remember(lookup, await self._look_up(lookup, place))
            except (ParleyError, TimeoutError) as error:
                self._remember(lookup, MIN_PAUSE)
                log.info("profile_lookup_failed", channel=self._channel, error=type(error).__name__)
            except Exception:
                log.error("profile_failed", channel=self._channel, exc_info=True)
        self._tasks.pop(name, None)

    async def _look_up(self, lookup: _Lookup, place: str) -> timedelta:
        """Return how long this contact need not be looked up again. Raises ParleyError."""
        now, (tenant, name) = self._clock(), lookup.account
        account = self._account_of(tenant, self._channel, name)
        if account is None:
            return NAME_TTL
        if (paused_until := self._paused_until.get(lookup.account, now)) > now:
            return paused_until - now
        contact = await self._contacts.get(tenant, lookup.contact)
        if contact is not None and contact.named_at is not None and now < contact.named_at + NAME_TTL:
            return contact.named_at + NAME_TTL - now
        address = self._known_by(contact.addresses) if contact is not None else None
        if address is None:
            return NAME_TTL
        if not await self._is_first(account, address):
            return MIN_PAUSE
        try:
            profile = await self._fetch(account, address)
        except (RetryLater, CredentialsRevoked, Parked, TimeoutError) as error:
            return self._pause_account(account, error)
        if profile is None or not (clean_name := clean_display_name(profile.name)):
            return NO_PROFILE_PAUSE
        await self._store_name(
            account, place, address, ContactUpdate(at=now, name=clean_name, locale=profile.locale[:MAX_LOCALE])
        )
        return NAME_TTL

    async def _fetch(self, account: Account, address: Address) -> Profile | None:
        self._accounts.check_not_paused(account)
        connection = self._accounts.get_connection(account)
        if not isinstance(connection, ProfileFetcher):
            return None
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            return await connection.fetch_profile(address)

    def _pause_account(self, account: Account, error: Exception) -> timedelta:
        """Pause lookups for the whole account, whatever the reason; messages are still sent."""
        now, pause = self._clock(), MIN_PAUSE
        if isinstance(error, CredentialsRevoked):
            pause = REVOKED_PAUSE
        elif isinstance(error, Parked):
            pause = max(MIN_PAUSE, error.until - now)
        elif isinstance(error, RetryLater) and error.retry_after_ms:
            pause = timedelta(milliseconds=error.retry_after_ms)
        pause = min(pause, MAX_PAUSE)
        self._paused_until[account.tenant, account.name] = now + pause
        fields = {"tenant": account.tenant, "channel": self._channel, "account": account.name}
        reason = error.message if isinstance(error, ParleyError) else "no answer was received"
        log.warning("profiles_rest", **fields, reason=reason, seconds=int(pause.total_seconds()))
        return pause

    async def _store_name(self, account: Account, place: str, address: Address, change: ContactUpdate) -> None:
        """Set the name of the contact that has this address now, which may be another one than asked for."""
        contact, _ = await self._contacts.resolve(
            account.tenant, self._channel, account.name, place, [address], now=self._clock(), change=change
        )
        # Another process may have changed the contact and appended its snapshot first. The last snapshot on the log
        # must be the current one, so repeat until it is.
        while changed := self._snapshots.build_changed([contact], self._clock()):
            await self._bus.append(changed)
            self._snapshots.mark_appended([contact])
            contact = await self._contacts.get(account.tenant, contact.id) or contact

    async def _is_first(self, account: Account, address: Address) -> bool:
        """Return whether no other process makes this lookup; returns True when the account's pace allows it."""
        key = f"profiles:{account.tenant}:{self._channel}:{account.name}"
        if await self._take(f"{key}:{address.value}", ADDRESS_PACE) > 0:
            return False
        while wait := await self._take(key, ACCOUNT_PACE):  # noqa: ASYNC110  # the pace is shared with other processes
            await asyncio.sleep(wait)
        return True

    async def _take(self, key: str, pace: RateLimit) -> float:
        return await self._limiter.take(key, per_second=pace.per_second, burst=pace.burst, now=self._clock())

    def _remember(self, lookup: _Lookup, pause: timedelta) -> None:
        self._not_before[lookup] = self._clock() + pause
        self._not_before.move_to_end(lookup)
        while len(self._not_before) > MAX_REMEMBERED:
            self._not_before.popitem(last=False)
