"""The primary of a group of servers, found through Sentinel.

Sentinels agree by majority, so a client on the wrong side of a network partition must not follow the few on its side:
an address counts only if most of the configured Sentinels have answered, and the newest one counts. It is asked for
again while it is used, because a primary that was replaced without knowing it (frozen, cut off) takes writes until a
Sentinel reaches it again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff

from infra.state.redis.settings import SENTINEL_SCHEMES, Address, RedisSettings, split_sentinel_address
from schemas.errors import ConfigInvalid

ASK_AFTER = 0.25
"""Seconds after which an address is asked for again, while it stays in use."""
TRUSTED = 0.5
"""Seconds after which calls wait for the new answer. Less than the grace period of a rebuild: what a process wrote to a
former primary is on the log before a rebuild reads it."""
_STRAGGLERS = 0.2  # seconds for the answers of the Sentinels beyond the majority
_TIMEOUT = 1.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """The parts of ``redis+sentinel://user:password@host:port,…/group/db?options``. ``options``: settings of a
    connection to the primary."""

    sentinels: tuple[Address, ...]
    group: str
    is_encrypted: bool
    options: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SentinelAnswer:
    """The primary according to one Sentinel. ``epoch`` grows with every failover; ``is_usable``: it is not down."""

    epoch: int
    address: Address
    is_usable: bool


def parse_sentinel_address(url: str) -> SentinelAddress | None:
    """None for the address of a server. Raises ConfigInvalid."""
    parts = split_sentinel_address(url)
    if parts is None:
        return None
    server_scheme = SENTINEL_SCHEMES[urlsplit(url).scheme]
    # Everything but the place is written as in the address of a server.
    server = SplitResult(server_scheme, f"{parts.login}@primary", f"/{parts.database}", parts.options, "")
    try:
        options: dict[str, Any] = {**parse_url(server.geturl())}
    except ValueError as error:
        raise ConfigInvalid(f"the address of `state` cannot be read: {error}", fix="correct its options") from error
    for placed in ("host", "port", "connection_class"):
        options.pop(placed, None)
    return SentinelAddress(parts.sentinels, parts.group, server_scheme == "rediss", options)


class PrimaryFinder(Sentinel):
    """Sentinels that are asked together; what most of them know counts."""

    def __init__(self, address: SentinelAddress, access: RedisSettings, url: str) -> None:
        self.group = address.group
        """The name under which the Sentinels know the primary and its replicas."""
        settings = {**access.client_settings(url), **address.options}
        encryption = {name: value for name, value in settings.items() if name.startswith("ssl_")}
        if address.is_encrypted:
            encryption["ssl"] = True
        asking: dict[str, Any] = {
            "protocol": 2,
            "socket_timeout": _TIMEOUT,
            "socket_connect_timeout": _TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
        }
        super().__init__(  # type: ignore[no-untyped-call]
            address.sentinels,
            sentinel_kwargs={**asking, **encryption, **access.sentinel_credentials()},
            **{**settings, **encryption},
        )
        self._place: Address | None = None
        self._known_at = 0.0
        self._asking: asyncio.Task[Address] | None = None

    def build_client(self, **options: Any) -> Redis:
        """A client that connects to the primary of the moment."""
        client: Redis = self.master_for(self.group, **options)
        return client

    async def locate(self) -> Address:
        """The address of the primary, at most ``TRUSTED`` seconds old. Raises MasterNotFoundError."""
        age = asyncio.get_running_loop().time() - self._known_at
        if self._place is not None and age < ASK_AFTER:
            return self._place
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self.discover_master(self.group))
            self._asking.add_done_callback(self._end_asking)
        if self._place is not None and age < TRUSTED:
            return self._place
        return await asyncio.shield(self._asking)

    async def confirm(self, place: Address, *, since: float) -> None:
        """Raises redis.exceptions.ConnectionError if a call that began then took so long that another server may be the
        primary by now, and one is: a server that was frozen answers when it goes on."""
        if asyncio.get_running_loop().time() - since > TRUSTED and await self.locate() != place:
            raise redis_errors.ConnectionError("another server has become the primary meanwhile")

    async def discover_master(self, service_name: str) -> Address:
        """Ask all Sentinels. Raises MasterNotFoundError while most of them do not answer, or count the primary as
        down."""
        asked_at = asyncio.get_running_loop().time()
        answers = await self.ask_all()
        known = [answer for answer in answers if isinstance(answer, SentinelAnswer)]
        if 2 * len(known) <= len(answers):
            raise MasterNotFoundError(_describe_absence(answers, len(known)))
        newest = max(answer.epoch for answer in known)
        usable = [answer for answer in known if answer.epoch == newest and answer.is_usable]
        place = usable[0].address if usable else None
        if asked_at >= self._known_at:  # else a later question was answered earlier
            self._place, self._known_at = place, asked_at
        if place is None:
            raise MasterNotFoundError("the primary is down, and Sentinel has not replaced it yet")
        return place

    async def ask_all(self) -> list[SentinelAnswer | BaseException | None]:
        """The answer of each Sentinel, or an error, or None if it took too long."""
        asked = [asyncio.ensure_future(_ask(sentinel, self.group)) for sentinel in self.sentinels]
        try:
            _, late = await asyncio.wait(asked, timeout=_STRAGGLERS)
            if 2 * len(late) >= len(asked):
                _, late = await asyncio.wait(asked, timeout=_TIMEOUT)
        finally:
            for task in asked:
                task.cancel()
            results = await asyncio.gather(*asked, return_exceptions=True)
        return [None if task in late else result for task, result in zip(asked, results, strict=True)]

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self.aclose()

    def _end_asking(self, asking: asyncio.Task[Address]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # whoever needed the answer has seen it


async def _ask(sentinel: Redis, group: str) -> SentinelAnswer:
    state: dict[str, Any] = await sentinel.sentinel_master(group)  # type: ignore[assignment]
    # From the promotion of a replica on this answer is the new address, while the state still describes the server
    # that is being replaced. Asked in this order, the address is never older than the epoch.
    host, port = await sentinel.sentinel_get_master_addr_by_name(group)  # type: ignore[misc]
    address = (_text(host), int(port))
    is_replaced = address != (str(state["ip"]), int(state["port"]))
    return SentinelAnswer(
        int(state["config-epoch"]), address, is_replaced or not (state["is_sdown"] or state["is_odown"])
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _describe_absence(answers: Sequence[object], answered: int) -> str:
    """Why no primary is known; for the log and for ``parley doctor``."""
    if any(isinstance(answer, redis_errors.AuthenticationError) for answer in answers):
        return "the Sentinels refuse the login"
    if any(isinstance(answer, redis_errors.ResponseError) for answer in answers):
        return "the Sentinels do not know the group"
    return f"{answered} of {len(answers)} Sentinels answer"
