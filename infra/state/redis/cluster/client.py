"""The calls to a cluster: each goes to the node that serves its shard, in pipelines of that node, and follows its shard
when that moves.

A node answers ``MOVED`` for a shard that it does not serve, and ``TRYAGAIN`` or ``ASK`` while a slot moves (see
``Shards.guard``). It has not begun to run the call then, so the call is made again: at the node that most nodes name by
now, until it is answered or has waited as long as for an answer."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from redis import exceptions as redis_errors
from redis.asyncio import Connection, Redis
from redis.asyncio.client import PubSub

from infra.state.redis.client.call import Argument, Call
from infra.state.redis.client.connection import (
    CALL_SETTINGS,
    LISTENER_SETTINGS,
    Connections,
    PrimaryCheck,
    ServerListener,
    build_listener,
    build_pool,
    close_client,
    pack_words,
    transfer,
)
from infra.state.redis.client.failures import translate_error
from infra.state.redis.client.pipelined_client import ANSWER_TIMEOUT, PipelinedClient, StateClient
from infra.state.redis.client.scripts import scripts
from infra.state.redis.cluster.topology import (
    ClusterTopology,
    ClusterView,
    TopologyUnknown,
    build_node_client,
    build_node_settings,
    parse_cluster_address,
)
from infra.state.redis.settings import Address, RedisSettings
from schemas.errors import StateUnavailable

PAUSE = 0.05  # seconds before a refused call is made again
REDIRECTS = (
    redis_errors.MovedError,
    redis_errors.AskError,
    redis_errors.TryAgainError,
    redis_errors.ClusterDownError,
    redis_errors.ReadOnlyError,
    redis_errors.MasterDownError,
)
"""A node has refused a call before it began; it, or another node, will take it soon."""
_log = structlog.get_logger(__name__)


def open_client(url: str, prefix: str, access: RedisSettings) -> StateClient:
    """A client of the server, the primary or the cluster that the address names. Raises ConfigInvalid."""
    address = parse_cluster_address(url)
    if address is None:
        return PipelinedClient(Connections(build_pool(url, access), PrimaryCheck(prefix)))
    return ClusterClient(ClusterTopology(address.nodes, build_node_settings(address, access, url)), prefix)


def open_listener(url: str, client: StateClient, access: RedisSettings) -> ServerListener | ClusterListener:
    """Makes the subscriptions beside the client. Raises ConfigInvalid."""
    if isinstance(client, ClusterClient):
        return ClusterListener(client.topology)
    return ServerListener(build_listener(url, access))


class ShardChecks:
    """The check of ``PrimaryCheck`` for single shards of a node, each before its first use on a connection. A shard may
    have come from another node, with or without its last writes: then it counts as lost."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._script = scripts()["check_primary"]
        self._loading = pack_words("SCRIPT", "LOAD", self._script.source)
        self._done: WeakKeyDictionary[Connection, tuple[int, set[int]]] = WeakKeyDictionary()

    async def run(
        self, connection: Connection, shards: Iterable[int], epoch: int, of_node: Callable[[], Iterable[int]]
    ) -> dict[int, Exception]:
        """Check these shards, and with the first ones all others of the node. ``epoch``: that of the node, because a
        connection outlives the time in which its node was replaced and took over again. Returns the shards that the
        node refuses, and why. Raises redis.exceptions.RedisError."""
        done_at, done = self._done.get(connection, (epoch, set[int]()))
        if done_at != epoch:
            done = set()
        self._done[connection] = (epoch, done)
        if done.issuperset(shards):
            return {}
        missing = sorted({*shards, *(() if done else of_node())} - done)
        loaded, *replies = await transfer(connection, [self._loading, *map(self._pack, missing)])
        if isinstance(loaded, Exception):
            raise loaded
        refused = {shard: reply for shard, reply in zip(missing, replies, strict=True) if isinstance(reply, Exception)}
        done.update(shard for shard in missing if shard not in refused)
        replaced = sum(reply == b"replaced" for reply in replies)
        if replaced:
            _log.error("redis_primary_replaced", host=connection.host, port=connection.port, shards=replaced)
        return refused

    def _pack(self, shard: int) -> bytes:
        start = f"{self._prefix}:{{s{shard:02x}}}"
        return pack_words("EVALSHA", self._script.sha, 2, f"{start}:primary", f"{start}:shard")


class NodeConnections(Connections):
    """The connections to one node."""

    def __init__(self, place: Address, topology: ClusterTopology, checks: ShardChecks) -> None:
        client = build_node_client(place, {**topology.settings, **CALL_SETTINGS})
        super().__init__(client.connection_pool)
        self._place = place
        self._topology = topology
        self._checks = checks

    async def exchange_for(self, shards: Sequence[int], commands: Sequence[bytes]) -> list[Any]:
        """Do as ``exchange`` with a command for each of these shards. Those that this node does not serve are not
        sent; their replies say so."""
        begun = asyncio.get_running_loop().time()
        view = await self._topology.view()
        owners = view.owners
        refused: dict[int, Exception] = {
            shard: TopologyUnknown("another node serves the shard") for shard in shards if owners[shard] != self._place
        }
        if len(refused) == len(set(shards)):
            return [refused[shard] for shard in shards]
        async with self.borrow() as connection:
            known, epoch = partial(view.list_shards, self._place), view.primaries.get(self._place, 0)
            refused |= await self._checks.run(connection, set(shards) - refused.keys(), epoch, known)
            sent = [command for shard, command in zip(shards, commands, strict=True) if shard not in refused]
            replies = iter(await transfer(connection, sent))
            await self._topology.confirm(self._place, set(shards) - refused.keys(), since=begun)
        return [refused[shard] if shard in refused else next(replies) for shard in shards]


class NodeClient(PipelinedClient):
    """Sends calls to one node. ``redirect`` takes those that it refuses."""

    def __init__(
        self, connections: NodeConnections, redirect: Callable[[Call, Exception], None], *, timeout: float
    ) -> None:
        super().__init__(connections, timeout=timeout)
        self._node_connections = connections
        self._redirect = redirect

    async def _transfer(self, calls: Sequence[Call], commands: Sequence[bytes]) -> list[Any]:
        return await self._node_connections.exchange_for([call.shard for call in calls], commands)

    def _fail(self, call: Call, error: Exception) -> None:
        self._redirect(call, error)


class ClusterClient:
    """Sends the calls of one event loop to the nodes of a cluster."""

    is_cluster = True

    def __init__(self, topology: ClusterTopology, prefix: str, *, timeout: float = ANSWER_TIMEOUT) -> None:
        self.topology = topology
        self._timeout = timeout
        self._checks = ShardChecks(prefix)
        self._nodes: dict[Address, NodeClient] = {}
        self._refused: list[tuple[Call, Exception]] = []
        self._resending: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def command(self, *command: Argument, shard: int = 0) -> asyncio.Future[Any]:
        """See StateClient."""
        return self.send(Call(command, shard=shard)).answer

    def send(self, call: Call) -> Call:
        """See StateClient."""
        if self._closed:
            raise StateUnavailable("the state store is closed")
        view = self.topology.known
        if view is None:
            self._take_back(call, TopologyUnknown("no node has answered yet"))
        else:
            self._pass_on(call, view)
        return call

    async def list_shards(self) -> dict[int, list[int]]:
        """See StateClient."""
        try:
            owners = (await self.topology.view()).owners
        except (redis_errors.RedisError, OSError) as error:
            raise translate_error(error) from error
        if None in owners:
            raise translate_error(TopologyUnknown("a shard has no node"))
        found: defaultdict[Address | None, list[int]] = defaultdict(list)
        for shard, owner in enumerate(owners):
            found[owner].append(shard)
        return {own[0]: own for own in found.values()}

    async def close(self) -> None:
        """See StateClient."""
        if self._resending is not None:
            await asyncio.gather(self._resending, return_exceptions=True)
        self._closed = True
        await asyncio.gather(*(node.close() for node in self._nodes.values()), *self._closing)
        for call, error in self._refused:
            call.on_error(error)
        await self.topology.close()

    def _pass_on(self, call: Call, view: ClusterView) -> None:
        place = view.owners[call.shard]
        if place is None:
            call.on_error(TopologyUnknown("no node serves the shard"))
            return
        node = self._nodes.get(place)
        if node is None:
            connections = NodeConnections(place, self.topology, self._checks)
            node = self._nodes[place] = NodeClient(connections, self._take_back, timeout=self._timeout)
        try:
            node.send(call)
        except StateUnavailable as error:
            call.on_error(error)

    def _take_back(self, call: Call, error: Exception) -> None:
        """Make the call again somewhere else, unless the error is an answer or it has waited for too long."""
        now = asyncio.get_running_loop().time()
        is_refused = isinstance(error, REDIRECTS) or type(error) is TopologyUnknown
        if call.refused_at is None:
            call.refused_at = now
        if self._closed or not is_refused or now - call.refused_at > self._timeout:
            call.on_error(error)
            return
        self._refused.append((call, error))
        if self._resending is None:
            self._resending = asyncio.get_running_loop().create_task(self._resend())

    async def _resend(self) -> None:
        try:
            while self._refused:
                if self.topology.known is not None:
                    await asyncio.sleep(PAUSE)
                view, failure = await self._renew()
                refused, self._refused = self._refused, []
                for call, error in refused:
                    if view is None:
                        call.on_error(failure or error)
                    else:
                        self._pass_on(call, view)
                if view is not None:
                    self._close_former(view)
                await asyncio.sleep(0)
        finally:
            self._resending = None

    async def _renew(self) -> tuple[ClusterView | None, Exception | None]:
        try:
            return await self.topology.renew(), None
        except Exception as error:
            if not isinstance(error, redis_errors.RedisError | OSError):
                _log.exception("cluster_unknown")
            return None, error

    def _close_former(self, view: ClusterView) -> None:
        """Close the connections to nodes that serve nothing any more."""
        for place in [place for place in self._nodes if place not in view.primaries]:
            closing = asyncio.get_running_loop().create_task(self._nodes.pop(place).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


class ClusterListener:
    """Subscriptions at one of the nodes: they pass what is published on to each other."""

    def __init__(self, topology: ClusterTopology) -> None:
        self._topology = topology
        self._place: Address | None = None
        self._client: Redis | None = None

    async def open(self) -> PubSub:
        """Raises redis.exceptions.RedisError."""
        await self.close()
        view = await self._topology.view()
        if not view.primaries:
            raise TopologyUnknown("no node serves anything")
        self._place = random.choice(sorted(view.primaries))
        self._client = build_node_client(self._place, {**self._topology.settings, **LISTENER_SETTINGS})
        return self._client.pubsub()

    async def check(self) -> None:
        """Raises redis.exceptions.ConnectionError when the node has been replaced: it may stay open and silent."""
        if self._place not in (await self._topology.view()).primaries:
            raise redis_errors.ConnectionError("another node has replaced this one")

    async def close(self) -> None:
        if self._client is not None:
            await close_client(self._client)
            self._client = None
