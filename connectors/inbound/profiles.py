"""Names that only the vendor knows. It is asked once a contact has written, and nothing waits for what it says: no
append, no answer, no receipt.

Best effort, and bounded in every way: what cannot be asked now is asked after the contact's next message. A name that
was looked up holds for a day, in every process and after a restart, because it is dated on the contact.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from connectors.inbound.contact_snapshots import ContactNews
from connectors.inbound.display_names import LONGEST_LOCALE, shown_name
from connectors.outbound.connections import Accounts
from schemas import topics
from schemas.envelope import Envelope
from schemas.errors import CredentialsRevoked, Parked, ParleyError, RecordError, SendDelayed
from schemas.messages import Address, InboundMessage
from schemas.ports import Account, Bus, Change, Clock, Contacts, Limiter, Pace, Profile, Profiled, Profiler, Record

log = structlog.get_logger("parley.profiles")

HOLDS = timedelta(days=1)
NOTHING_SAID = timedelta(hours=1)
"""After a vendor that had nothing to say of somebody."""
REFUSED = timedelta(hours=1)
"""After a vendor that says nothing of anybody to this account."""
SOON = timedelta(minutes=1)
LATEST = timedelta(hours=1)
REMEMBERED = 20_000
WAITING = 1_000
"""Of each account."""
ONE_TRY = 10.0
OF_ACCOUNT = Pace(1, 5)
"""Far below what vendors allow: the rest is for messages."""
OF_ADDRESS = Pace(1 / 60, 1)
"""So that of several processes one asks."""


_Name = tuple[str, str]
"""Tenant and account."""


class _Wanted(NamedTuple):
    account: _Name
    contact: str


_Line = deque[tuple[_Wanted, str]]
"""Whom to ask for, and where they wrote."""


class Profiles:
    """Of one channel, in one process."""

    def __init__(
        self,
        channel: str,
        known_by: Profiled,
        accounts: Accounts,
        *,
        bus: Bus,
        contacts: Contacts,
        limiter: Limiter,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
    ) -> None:
        self._channel = channel
        self._known_by = known_by.known_by
        self._accounts = accounts
        self._bus = bus
        self._contacts = contacts
        self._limiter = limiter
        self._clock = clock
        self._account_of = account_of
        self._news = ContactNews()
        self._until: OrderedDict[_Wanted, datetime] = OrderedDict()
        self._resting: dict[_Name, datetime] = {}
        self._lines: dict[_Name, _Line] = {}
        self._working: dict[_Name, asyncio.Task[None]] = {}

    def hear(self, records: Sequence[Record]) -> None:
        """Who wrote these is asked for, if need be. Raises nothing; what is no message is for others to report."""
        for record in records:
            if record.headers.get("ce_type") == topics.MESSAGE_RECEIVED:
                try:
                    event = Envelope.from_wire(record.headers, record.value)
                    message = event.payload(InboundMessage)
                except RecordError:
                    continue
                if message.author.kind == "contact":
                    self._want(_Wanted((event.tenant, event.account), message.contact_id), message.place)

    async def close(self) -> None:
        tasks, self._working = list(self._working.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _want(self, wanted: _Wanted, place: str) -> None:
        until, line = self._until.get(wanted), self._lines.setdefault(wanted.account, deque())
        if len(line) >= WAITING or (until is not None and self._clock() < until):
            return
        # Also while it waits: one look-up at a time.
        self._remember(wanted, LATEST)
        line.append((wanted, place))
        if wanted.account not in self._working:
            self._working[wanted.account] = asyncio.create_task(self._work(wanted.account, line))

    async def _work(self, name: _Name, line: _Line) -> None:
        """Each account by itself: one that is slow, or asked much, holds up no other."""
        while line:
            wanted, place = line.popleft()
            try:
                self._remember(wanted, await self._asked(wanted, place))
            except (ParleyError, TimeoutError) as error:
                self._remember(wanted, SOON)
                log.info("profile_not_asked", channel=self._channel, error=type(error).__name__)
            except Exception:
                log.error("profile_failed", channel=self._channel, exc_info=True)
        self._working.pop(name, None)

    async def _asked(self, wanted: _Wanted, place: str) -> timedelta:
        """For how long this contact need not be asked for again. Raises ParleyError."""
        now, (tenant, name) = self._clock(), wanted.account
        account = self._account_of(tenant, self._channel, name)
        if account is None:
            return HOLDS
        if (rest := self._resting.get(wanted.account, now)) > now:
            return rest - now
        contact = await self._contacts.get(tenant, wanted.contact)
        if contact is not None and contact.named_at is not None and now < contact.named_at + HOLDS:
            return contact.named_at + HOLDS - now
        address = self._known_by(contact.addresses) if contact is not None else None
        if address is None:
            return HOLDS
        if not await self._is_first(account, address):
            return SOON
        try:
            profile = await self._told(account, address)
        except (SendDelayed, CredentialsRevoked, Parked, TimeoutError) as error:
            return self._rest(account, error)
        if profile is None or not (called := shown_name(profile.name)):
            return NOTHING_SAID
        await self._learn(account, place, address, Change(at=now, name=called, locale=profile.locale[:LONGEST_LOCALE]))
        return HOLDS

    async def _told(self, account: Account, address: Address) -> Profile | None:
        self._accounts.admit(account)
        connection = self._accounts.connection(account)
        if not isinstance(connection, Profiler):
            return None
        async with asyncio.timeout(ONE_TRY):
            return await connection.profile(address)

    def _rest(self, account: Account, error: Exception) -> timedelta:
        """Whatever the reason, it holds for everybody's name on this account; messages are sent all the same."""
        now, pause = self._clock(), SOON
        if isinstance(error, CredentialsRevoked):
            pause = REFUSED
        elif isinstance(error, Parked):
            pause = max(SOON, error.until - now)
        elif isinstance(error, SendDelayed) and error.retry_after_ms:
            pause = timedelta(milliseconds=error.retry_after_ms)
        pause = min(pause, LATEST)
        self._resting[account.tenant, account.name] = now + pause
        about = {"tenant": account.tenant, "channel": self._channel, "account": account.name}
        told = error.message if isinstance(error, ParleyError) else "no answer came"
        log.warning("profiles_rest", **about, reason=told, seconds=int(pause.total_seconds()))
        return pause

    async def _learn(self, account: Account, place: str, address: Address, change: Change) -> None:
        """By the address that was asked about: it may be another contact's by now."""
        contact, _ = await self._contacts.resolve(
            account.tenant, self._channel, account.name, place, [address], now=self._clock(), change=change
        )
        # Who changed it meanwhile may have put that on the log before us: what we put there last must be what holds.
        while untold := self._news.untold([contact], self._clock()):
            await self._bus.append(untold)
            self._news.told([contact])
            contact = await self._contacts.get(account.tenant, contact.id) or contact

    async def _is_first(self, account: Account, address: Address) -> bool:
        """Whether no other process asks for the same; true in the account's own time."""
        key = f"profiles:{account.tenant}:{self._channel}:{account.name}"
        if await self._take(f"{key}:{address.value}", OF_ADDRESS) > 0:
            return False
        while wait := await self._take(key, OF_ACCOUNT):  # noqa: ASYNC110  # the pace is shared with other processes
            await asyncio.sleep(wait)
        return True

    async def _take(self, key: str, pace: Pace) -> float:
        return await self._limiter.take(key, per_second=pace.per_second, burst=pace.burst, now=self._clock())

    def _remember(self, wanted: _Wanted, pause: timedelta) -> None:
        self._until[wanted] = self._clock() + pause
        self._until.move_to_end(wanted)
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)
