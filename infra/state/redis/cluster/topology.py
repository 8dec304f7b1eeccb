"""The nodes of a cluster, and which of them serves each shard.

A node that was replaced without knowing it (frozen, cut off) goes on answering from what it holds until the others
reach it. So no single node is believed: most of the primaries must have answered, and of those that are said to serve
a slot the one with the newest configuration epoch counts. The nodes are asked again while the answer is in use."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot

from infra.bus.partitioner import SHARDS
from infra.state.redis.settings import CLUSTER_SCHEMES, Address, RedisSettings, split_cluster_address
from schemas.errors import ConfigInvalid

ASK_AFTER = 0.25
"""Seconds after which the nodes are asked again, while their answer stays in use."""
TRUSTED = 0.5
"""Seconds after which calls wait for the new answer; see the same figure for Sentinel."""
ROUNDS = 3
"""Rounds of questions: an answer may name nodes that were not asked yet."""
_STRAGGLERS = 0.2  # seconds for the answers of the nodes beyond the majority
_TIMEOUT = 1.0  # seconds for an answer
SLOTS = tuple(key_slot(f"{{s{shard:02x}}}".encode()) for shard in range(SHARDS))
"""The slot of each shard."""


class TopologyUnknown(redis_errors.ClusterError):
    """It cannot be known now which node serves a shard, or no node does."""


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """The parts of ``redis+cluster://user:password@host:port,…?options``. ``options``: settings of a connection to a
    node."""

    nodes: tuple[Address, ...]
    is_encrypted: bool
    options: Mapping[str, Any] = field(repr=False)


def parse_cluster_address(url: str) -> ClusterAddress | None:
    """None for another kind of address. Raises ConfigInvalid."""
    parts = split_cluster_address(url)
    if parts is None:
        return None
    server_scheme = CLUSTER_SCHEMES[urlsplit(url).scheme]
    # Everything but the place is written as in the address of a server.
    server = SplitResult(server_scheme, f"{parts.login}@node", "", parts.options, "")
    try:
        options: dict[str, Any] = {**parse_url(server.geturl())}
    except ValueError as error:
        raise ConfigInvalid(f"the address of `state` cannot be read: {error}", fix="correct its options") from error
    if options.get("db"):
        raise ConfigInvalid("a cluster has only the database 0", fix="remove `db` from the address of `state`")
    for placed in ("host", "port", "db", "connection_class"):
        options.pop(placed, None)
    return ClusterAddress(parts.nodes, server_scheme == "rediss", options)


def build_node_settings(address: ClusterAddress, access: RedisSettings, url: str) -> dict[str, Any]:
    """Settings of a client of any node. Raises ConfigInvalid."""
    encryption = {"ssl": True} if address.is_encrypted else {}
    return {"protocol": 2, **access.client_settings(url), **address.options, **encryption}


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """A node as another one, or itself, describes it. ``epoch`` grows with every failover and move of a slot;
    ``slots``: ranges with both ends."""

    id: str
    place: Address
    epoch: int
    flags: frozenset[str]
    slots: tuple[tuple[int, int], ...]

    def serves(self, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.slots)


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The common view of the nodes that have answered. ``owners``: the node that serves each shard, None if there is
    none or it is down; ``primaries``: the nodes that serve slots and are not down, with their configuration epochs;
    ``places``: all nodes; ``answered`` and ``needed``: primaries."""

    owners: tuple[Address | None, ...]
    primaries: Mapping[Address, int]
    places: frozenset[Address]
    answered: int
    needed: int

    @property
    def is_agreed(self) -> bool:
        return self.answered >= self.needed

    def list_shards(self, place: Address) -> list[int]:
        return [shard for shard, owner in enumerate(self.owners) if owner == place]


class ClusterTopology:
    """Nodes that are asked together; what most of the primaries know counts. ``settings``: of a client of a node."""

    def __init__(self, seeds: Sequence[Address], settings: Mapping[str, Any]) -> None:
        self.seeds = tuple(seeds)
        self.settings = settings
        self.known: ClusterView | None = None
        self._known_at = 0.0
        self._asking: asyncio.Task[ClusterView] | None = None
        self._clients: dict[Address, Redis] = {}
        self._failure: redis_errors.RedisError | OSError | None = None
        """Why one of the nodes asked last did not answer."""

    async def view(self) -> ClusterView:
        """At most ``TRUSTED`` seconds old. Raises redis.exceptions.RedisError, OSError."""
        age = asyncio.get_running_loop().time() - self._known_at
        if self.known is not None and age < ASK_AFTER:
            return self.known
        asking = self._ask()
        if self.known is not None and age < TRUSTED:
            return self.known
        return await asyncio.shield(asking)

    async def renew(self) -> ClusterView:
        """Ask, or wait for the answers under way. Raises redis.exceptions.RedisError, OSError."""
        return await asyncio.shield(self._ask())

    async def confirm(self, place: Address, shards: Iterable[int], *, since: float) -> None:
        """Raises TopologyUnknown if a call that began then took so long that another node may serve the shards by now,
        and one does: a node that was frozen answers when it goes on."""
        if asyncio.get_running_loop().time() - since > TRUSTED:
            owners = (await self.renew()).owners
            if any(owners[shard] != place for shard in shards):
                raise TopologyUnknown("another node has become the primary meanwhile")

    async def describe(self) -> ClusterView:
        """The view of the nodes that answer, however few they are. Raises redis.exceptions.RedisError, OSError if none
        does."""
        view: ClusterView | None = None
        asked: set[Address] = set()
        answers: list[list[ClusterNode]] = []
        wanted = self.seeds if self.known is None else tuple(self.known.primaries)
        for _ in range(ROUNDS):
            answers += await self._ask_nodes([each for each in wanted if each not in asked])
            asked |= set(wanted)
            view = merge_answers(answers) if answers else None
            if view is not None and view.is_agreed:
                return view
            known = self.known.places if self.known is not None else frozenset()
            wanted = tuple({*self.seeds, *known, *(view.places if view is not None else ())})
        if view is None:
            raise self._failure or TopologyUnknown("no node answers in time")
        return view

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._close_clients(list(self._clients))

    def _ask(self) -> asyncio.Task[ClusterView]:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._learn())
            self._asking.add_done_callback(self._end_asking)
        return self._asking

    def _end_asking(self, asking: asyncio.Task[ClusterView]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # whoever needed the answer has seen it

    async def _learn(self) -> ClusterView:
        asked_at = asyncio.get_running_loop().time()
        view = await self.describe()
        if not view.is_agreed:
            raise TopologyUnknown(f"{view.answered} of the primaries answer, and {view.needed} are needed")
        self.known, self._known_at = view, asked_at
        await self._close_clients([place for place in self._clients if place not in view.places])
        return view

    async def _ask_nodes(self, places: Collection[Address]) -> list[list[ClusterNode]]:
        """The answers that came in time."""
        asked = [asyncio.ensure_future(self._ask_node(place)) for place in places]
        if not asked:
            return []
        try:
            _, late = await asyncio.wait(asked, timeout=_STRAGGLERS)
            if 2 * len(late) >= len(asked):
                await asyncio.wait(late, timeout=_TIMEOUT)
        finally:
            for task in asked:
                task.cancel()
            results = await asyncio.gather(*asked, return_exceptions=True)
        failures = [error for error in results if isinstance(error, redis_errors.RedisError | OSError)]
        self._failure = failures[0] if failures else None
        for error in failures:
            if isinstance(error, redis_errors.AuthenticationError | redis_errors.NoPermissionError):
                raise error
            if isinstance(error, redis_errors.ResponseError) and "cluster support disabled" in str(error):
                raise TopologyUnknown("the server belongs to no cluster: its address is redis://host:port/0")
        return [result for result in results if isinstance(result, list)]

    async def _ask_node(self, place: Address) -> list[ClusterNode]:
        client = self._clients.get(place)
        if client is None:
            client = self._clients[place] = build_node_client(place, {**self.settings, "socket_timeout": _TIMEOUT})
        answer: dict[str, dict[str, Any]] = await client.cluster("NODES")
        return parse_nodes(answer, place, prefers_names="ssl" in self.settings)

    async def _close_clients(self, places: Iterable[Address]) -> None:
        for client in [self._clients.pop(place) for place in places]:
            await client.aclose()
            await client.connection_pool.disconnect()


def build_node_client(place: Address, settings: Mapping[str, Any]) -> Redis:
    host, port = place
    options = {"socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT, "retry": Retry(NoBackoff(), 0)}
    return Redis(host=host, port=port, **{**options, **settings})


def parse_nodes(answer: Mapping[str, Mapping[str, Any]], asked: Address, *, prefers_names: bool) -> list[ClusterNode]:
    """Read the answer to ``CLUSTER NODES``. ``prefers_names``: use announced names, for which certificates are
    issued."""
    nodes = []
    for where, row in answer.items():
        host, _, port = where.rpartition(":")
        flags = frozenset(str(row["flags"]).split(","))
        if "noaddr" in flags or "handshake" in flags:
            continue
        name = str(row.get("hostname") or "") if prefers_names else ""
        # A node that has not heard its own address from another one gives none.
        place = (name or host.strip("[]") or asked[0], int(port))
        slots = tuple((int(ends[0]), int(ends[-1])) for ends in row["slots"])
        nodes.append(ClusterNode(str(row["node_id"]), place, int(row["epoch"]), flags, slots))
    return nodes


def merge_answers(answers: Sequence[Sequence[ClusterNode]]) -> ClusterView:
    """One view of all answers: the newest statement about each shard counts, and who most of the answers call down is
    down."""
    owners = [_find_owner(answers, slot) for slot in SLOTS]
    serving = {node.id for node in owners if node is not None}
    serving |= _list_serving(answers)
    speakers = {node.id for answer in answers for node in answer if "myself" in node.flags}
    down = {id_ for id_ in serving if 2 * _count_down(answers, id_) > len(answers)}
    places = {node.id: node.place for answer in answers for node in answer}
    epochs = {id_: max(node.epoch for answer in answers for node in answer if node.id == id_) for id_ in serving}
    return ClusterView(
        tuple(None if node is None or node.id in down else node.place for node in owners),
        {places[id_]: epochs[id_] for id_ in serving - down},
        frozenset(places.values()),
        len(serving & speakers),
        len(serving) // 2 + 1,
    )


def _find_owner(answers: Sequence[Sequence[ClusterNode]], slot: int) -> ClusterNode | None:
    claims = [node for answer in answers for node in answer if node.serves(slot)]
    return max(claims, key=lambda node: node.epoch, default=None)


def _list_serving(answers: Sequence[Sequence[ClusterNode]]) -> set[str]:
    """The nodes that serve any slots according to the newest statement about each of them: primaries that hold none of
    our shards take part in the majority too."""
    newest: dict[str, ClusterNode] = {}
    for answer in answers:
        for node in answer:
            known = newest.get(node.id)
            # At the same epoch a node that is said to serve nothing has been replaced.
            if known is None or (known.epoch, not known.slots) < (node.epoch, not node.slots):
                newest[node.id] = node
    return {id_ for id_, node in newest.items() if node.slots and "master" in node.flags}


def _count_down(answers: Sequence[Sequence[ClusterNode]], id_: str) -> int:
    return sum(node.id == id_ and "fail" in node.flags for answer in answers for node in answer)
