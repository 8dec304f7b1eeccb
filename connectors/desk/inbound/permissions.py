"""Permission to give commands at the desk: members of its channel, except those whom the desk refuses, such as
guests."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from connectors.desk.client import DeskClient
from connectors.desk.port import Member
from schemas.errors import SendRefused
from schemas.ports import Account

T = TypeVar("T")
CACHE_SECONDS = 60.0
"""Seconds for which an answer of the desk is cached. Somebody who was removed may still act for that long."""
RECHECK_SECONDS = 2.0
RECHECK_BURST = 10
"""The members of a channel are fetched again for a person who is not known to be one: ``RECHECK_BURST`` times in a row,
then once in ``RECHECK_SECONDS``. So a new member is not refused, and strangers cannot use up the vendor's rate
limit."""
MAX_CACHED = 2_000
"""Cached answers."""


class Permissions:
    """Permission checks of one process, with a cache."""

    def __init__(self, client: DeskClient) -> None:
        self._client = client
        self._cache: dict[tuple[str, ...], tuple[float, object]] = {}
        self._rechecks: dict[tuple[str, ...], tuple[float, float]] = {}
        """By channel, the number of further checks, and the time of that count."""

    async def find_member(self, account: Account, channel: str, by: str) -> Member:
        """Find the author of a command and check that they may act. ``by``: their id at the desk. Raises
        Unavailable."""
        user = by.removeprefix(f"{self._client.desk.name}:")
        if not await self._is_in(account, channel, user):
            return Member(refusal="not in the channel")
        return await self._find_person(account, user)

    async def find_name(self, account: Account, user: str) -> str:
        """Return the display name of a person whom the desk knows; the id of anybody else. Raises Unavailable."""
        return (await self._find_person(account, user)).name or user

    async def _find_person(self, account: Account, user: str) -> Member:
        return await self._ask_cached(
            (account.tenant, account.name, "who", user), lambda: self._ask_person(account, user)
        )

    async def _ask_person(self, account: Account, user: str) -> Member:
        try:
            return await self._client.ask(account, lambda connection: connection.find_person(user))
        except SendRefused:
            return Member(refusal="unknown")

    async def _is_in(self, account: Account, channel: str, user: str) -> bool:
        """Check the membership. A negative answer from the cache is checked again, because the person may have joined
        since."""
        key = (account.tenant, account.name, "in", channel)
        cached = self._cache.get(key)
        if user in await self._ask_cached(key, lambda: self._ask_members(account, channel)):
            return True
        if self._cache.get(key) is not cached or not self._may_recheck(key):
            return False
        return user in await self._ask_cached(key, lambda: self._ask_members(account, channel), lifetime=0.0)

    async def _ask_members(self, account: Account, channel: str) -> frozenset[str]:
        try:
            return await self._client.ask(account, lambda connection: connection.list_members(channel))
        except SendRefused:
            return frozenset()

    def _may_recheck(self, key: tuple[str, ...]) -> bool:
        now = time.monotonic()
        left, at = self._rechecks.get(key, (float(RECHECK_BURST), now))
        left = min(float(RECHECK_BURST), left + (now - at) / RECHECK_SECONDS)
        is_allowed = left >= 1
        self._rechecks[key] = (left - 1 if is_allowed else left, now)
        return is_allowed

    async def _ask_cached(
        self, key: tuple[str, ...], ask: Callable[[], Awaitable[T]], lifetime: float = CACHE_SECONDS
    ) -> T:
        asked_at, answer = self._cache.get(key, (0.0, None))
        if answer is None or time.monotonic() >= asked_at + lifetime:
            now = time.monotonic()
            answer = await ask()
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[key] = now, answer
        return answer  # type: ignore[return-value]  # what was asked for under this key
