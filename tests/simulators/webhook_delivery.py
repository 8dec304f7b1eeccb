"""Carries webhooks: one lane for each person, retries by the vendor's rule, a record of every attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from yarl import URL

from tests.simulators.vendor_clock import VendorClock

Outcome = int | Literal["refused", "cut", "late"]
"""A status, or: no connection, a connection that broke, no answer in time."""


@dataclass(slots=True, eq=False)
class Webhook:
    """One webhook. Its bytes are the same at every attempt."""

    url: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    lane: str = ""
    method: str = "POST"
    patience: float = 20.0
    """Seconds that the vendor waits for the answer."""
    outcomes: list[Outcome] = field(default_factory=list)
    waited: float = 0.0
    """The vendor's seconds between attempts so far."""
    answer: tuple[str, str] = ("", "")
    """Type and text of the last answer."""
    state: Literal["waiting", "accepted", "given up"] = "waiting"
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    """The first attempt is over."""


class WebhookDelivery:
    """``wait_after`` says how many seconds after the latest outcome the next attempt comes; None: it is accepted or
    given up. Parcels of one lane set out in order; one that has to be tried again does not hold up those behind it, as
    with the real vendors. ``in_order`` makes it hold them up."""

    def __init__(
        self,
        pace: VendorClock,
        wait_after: Callable[[Webhook], float | None],
        *,
        before: Callable[[Webhook, aiohttp.ClientSession], Awaitable[Outcome | None]] | None = None,
        ended: Callable[[Webhook], None] = lambda _: None,
    ) -> None:
        self._pace = pace
        self._wait_after = wait_after
        self._before = before
        self._ended = ended
        self._tails: dict[str, Webhook] = {}
        self._ends: dict[Webhook, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._on_the_wire = 0
        self._back = asyncio.Event()
        self.in_order = False
        self.sent: list[Webhook] = []

    async def open(self) -> None:
        # A connection each time: one that a restarted receiver has closed would count as a failed attempt.
        connector = aiohttp.TCPConnector(force_close=True, limit=64)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def send(self, parcel: Webhook, *, at_once: bool = False) -> Webhook:
        """``at_once``: beside what is under way in its lane."""
        ahead = None if at_once else self._tails.get(parcel.lane)
        if not at_once:
            self._tails[parcel.lane] = parcel
        self.sent.append(parcel)
        self._ends[parcel] = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._carry(parcel, ahead))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return parcel

    async def settled(self, deadline: float) -> None:
        """Until every parcel was accepted or given up. Raises TimeoutError."""
        async with asyncio.timeout(deadline):
            while self._tasks:
                await asyncio.wait(list(self._tasks))

    async def resting(self) -> None:
        """Until nothing is on the wire: every parcel waits for its next attempt, or for one ahead, or is done."""
        while self._on_the_wire:
            await asyncio.wait_for(self._back.wait(), 60)

    @property
    def lost(self) -> list[Webhook]:
        return [each for each in self.sent if each.state == "given up"]

    async def _carry(self, parcel: Webhook, ahead: Webhook | None) -> None:
        try:
            if ahead is not None:
                await (self._ends[ahead] if self.in_order else ahead.tried).wait()
            while True:
                parcel.outcomes.append(await self._attempt(parcel))
                parcel.tried.set()
                wait = self._wait_after(parcel)
                if wait is None:
                    break
                parcel.waited += wait
                await self._pace.wait(wait)
            last = parcel.outcomes[-1]
            parcel.state = "accepted" if isinstance(last, int) and 200 <= last < 300 else "given up"
            self._ended(parcel)
        finally:
            parcel.tried.set()
            self._ends[parcel].set()

    async def _attempt(self, parcel: Webhook) -> Outcome:
        assert self._session is not None, "the vendor is not serving"
        self._leave(1)
        try:
            async with asyncio.timeout(parcel.patience):
                if self._before is not None and (refused := await self._before(parcel, self._session)) is not None:
                    return refused
                return await self._post(parcel, self._session)
        except TimeoutError:
            return "late"
        except aiohttp.ClientConnectorError:
            return "refused"
        except (aiohttp.ClientError, ConnectionError):
            return "cut"
        finally:
            self._leave(-1)

    def _leave(self, number: int) -> None:
        self._on_the_wire += number
        if not self._on_the_wire:
            self._back.set()
            self._back = asyncio.Event()

    async def _post(self, parcel: Webhook, session: aiohttp.ClientSession) -> Outcome:
        # The address is called as it is written, because a signature may be over it.
        url = URL(parcel.url, encoded=True)
        request = session.request(
            parcel.method, url, data=parcel.body or None, headers=parcel.headers, allow_redirects=False
        )
        async with request as response:
            parcel.answer = (response.headers.get("Content-Type", ""), await response.text(errors="replace"))
            return response.status
