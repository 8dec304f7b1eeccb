"""Who may act at the desk: members of its channel who belong to the workspace. Guests, people of other workspaces, bots
and those who left may not.

https://docs.slack.dev/reference/objects/user-object
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from connectors.inbound.display_names import shown_name
from connectors.slack.desk.web_api import Home, WebApi
from connectors.slack.places import Vendor
from connectors.slack.profiles import Names
from schemas.errors import SendRefused
from schemas.ports import Account

T = TypeVar("T")
KEPT = 60.0
"""Seconds for which an answer of Slack's counts: so long somebody who was removed may still act."""
AGAIN = 2.0
LOOKS = 10
"""A channel is asked anew for whoever is not known to be in it: so often at once, and once in so many seconds. Whoever
has just come in is not turned away then, and whoever has not cannot use up what Slack lets us ask."""
MOST = 2_000
"""Answers that are kept."""


@dataclass(frozen=True, slots=True)
class Member:
    """``name`` is for people to read. ``refused``: why they may not act, empty where they may."""

    name: str = ""
    refused: str = ""


class Enterprise(Vendor):
    enterprise_id: str = ""
    teams: list[str] = []


class User(Vendor):
    """``is_stranger`` is said of those alone whom no shared channel shows: others are known by their workspace."""

    name: str | None = None
    real_name: str | None = None
    profile: Names = Names()
    team_id: str = ""
    deleted: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    enterprise_user: Enterprise | None = None

    def refused(self, home: Home) -> str:
        if self.deleted or self.is_bot:
            return "gone" if self.deleted else "bot"
        if self.is_restricted or self.is_ultra_restricted:
            return "guest"
        return "" if self._is_at(home) and not self.is_stranger else "outsider"

    def _is_at(self, home: Home) -> bool:
        org = self.enterprise_user or Enterprise()
        same = bool(home.enterprise) and org.enterprise_id == home.enterprise
        return self.team_id == home.team or home.team in org.teams or same


class Members:
    """For one process. ``now``: seconds that only grow."""

    def __init__(self, slack: WebApi, *, now: Callable[[], float] = time.monotonic) -> None:
        self._slack = slack
        self._now = now
        self._known: dict[tuple[str, ...], tuple[float, object]] = {}
        self._looks: dict[tuple[str, ...], tuple[float, float]] = {}
        """By channel, how many more looks there are, and since when."""

    async def member(self, account: Account, channel: str, by: str) -> Member:
        """Raises Unavailable."""
        user, name = by.removeprefix("slack:"), (account.tenant, account.name)
        if not await self._is_in(account, channel, user):
            return Member(refused="not in the channel")
        return await self._once((*name, "who", user), lambda: self._who(account, user))

    async def _is_in(self, account: Account, channel: str, user: str) -> bool:
        """Nobody is turned away by an answer that was given before they came."""
        key = (account.tenant, account.name, "in", channel)
        before = self._known.get(key)
        if user in await self._once(key, lambda: self._in(account, channel)):
            return True
        if self._known.get(key) is not before or not self._may_look(key):
            return False
        return user in await self._once(key, lambda: self._in(account, channel), kept=0.0)

    def _may_look(self, key: tuple[str, ...]) -> bool:
        now = self._now()
        left, at = self._looks.get(key, (float(LOOKS), now))
        left = min(float(LOOKS), left + (now - at) / AGAIN)
        may = left >= 1
        self._looks[key] = (left - 1 if may else left, now)
        return may

    async def name(self, account: Account, user: str) -> str:
        """Of anybody whom Slack knows; the id of all others. Raises Unavailable."""
        known = await self._once((account.tenant, account.name, "who", user), lambda: self._who(account, user))
        return known.name or user

    async def _once(self, key: tuple[str, ...], ask: Callable[[], Awaitable[T]], kept: float = KEPT) -> T:
        at, found = self._known.get(key, (0.0, None))
        if found is None or self._now() >= at + kept:
            began = self._now()
            found = await ask()
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = began, found
        return found  # type: ignore[return-value]  # what was asked for under this key

    async def _in(self, account: Account, channel: str) -> frozenset[str]:
        found: set[str] = set()
        try:
            async for page in self._slack.pages(account, "conversations.members", {"channel": channel}, "members"):
                found.update(each for each in page if isinstance(each, str))
        except SendRefused:
            return frozenset()
        return frozenset(found)

    async def _who(self, account: Account, user: str) -> Member:
        home = await self._slack.home(account)
        try:
            told = User.model_validate((await self._slack.ask(account, "users.info", {"user": user})).get("user"))
        except (SendRefused, ValidationError):
            return Member(refused="unknown")
        called = (told.profile.display_name, told.profile.real_name, told.real_name, told.name)
        return Member(shown_name(*filter(None, called)) or user, told.refused(home))
