"""Permission to act at the desk: for whoever is in its channel, and is none of those whom the desk turns away."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from connectors.desk.client import DeskClient
from connectors.desk.port import Member
from schemas.errors import SendRefused
from schemas.ports import Account

T = TypeVar("T")
KEPT = 60.0
"""Seconds for which an answer of the desk's counts: so long somebody who was removed may still act."""
AGAIN = 2.0
LOOKS = 10
"""A channel is asked anew for whoever is not known to be in it: so often at once, and once in so many seconds. Whoever
has just come in is not turned away then, and whoever has not cannot use up what the vendor lets us ask."""
MOST = 2_000
"""Answers that are kept."""


class Permissions:
    """For one process. ``now``: seconds that only grow."""

    def __init__(self, client: DeskClient, *, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._known: dict[tuple[str, ...], tuple[float, object]] = {}
        self._looks: dict[tuple[str, ...], tuple[float, float]] = {}
        """By channel, how many more looks there are, and since when."""

    async def member(self, account: Account, channel: str, by: str) -> Member:
        """``by``: who acts, as the desk names them. Raises Unavailable."""
        user = by.removeprefix(f"{self._client.desk.name}:")
        if not await self._is_in(account, channel, user):
            return Member(refused="not in the channel")
        return await self._person(account, user)

    async def name(self, account: Account, user: str) -> str:
        """The name of anybody whom the desk knows; the id of all others. Raises Unavailable."""
        return (await self._person(account, user)).name or user

    async def _person(self, account: Account, user: str) -> Member:
        return await self._ask_once(
            (account.tenant, account.name, "who", user), lambda: self._ask_person(account, user)
        )

    async def _ask_person(self, account: Account, user: str) -> Member:
        try:
            return await self._client.ask(account, lambda connection: connection.person(user))
        except SendRefused:
            return Member(refused="unknown")

    async def _is_in(self, account: Account, channel: str, user: str) -> bool:
        """Nobody is turned away by an answer that was given before they came."""
        key = (account.tenant, account.name, "in", channel)
        before = self._known.get(key)
        if user in await self._ask_once(key, lambda: self._ask_members(account, channel)):
            return True
        if self._known.get(key) is not before or not self._may_look(key):
            return False
        return user in await self._ask_once(key, lambda: self._ask_members(account, channel), kept=0.0)

    async def _ask_members(self, account: Account, channel: str) -> frozenset[str]:
        try:
            return await self._client.ask(account, lambda connection: connection.members(channel))
        except SendRefused:
            return frozenset()

    def _may_look(self, key: tuple[str, ...]) -> bool:
        now = self._now()
        left, at = self._looks.get(key, (float(LOOKS), now))
        left = min(float(LOOKS), left + (now - at) / AGAIN)
        may = left >= 1
        self._looks[key] = (left - 1 if may else left, now)
        return may

    async def _ask_once(self, key: tuple[str, ...], ask: Callable[[], Awaitable[T]], kept: float = KEPT) -> T:
        at, found = self._known.get(key, (0.0, None))
        if found is None or self._now() >= at + kept:
            began = self._now()
            found = await ask()
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = began, found
        return found  # type: ignore[return-value]  # what was asked for under this key
