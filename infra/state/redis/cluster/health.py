"""The checks of ``parley doctor`` for a cluster: whether all shards are served, and each primary as a single server is
checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from redis import exceptions as redis_errors
from redis.asyncio import Redis

from infra.deploy.doctor_finding import Finding
from infra.state.redis import probe
from infra.state.redis.client.connection import close_client
from infra.state.redis.client.failures import translate_error
from infra.state.redis.cluster.topology import (
    ClusterAddress,
    ClusterTopology,
    ClusterView,
    build_node_client,
    build_node_settings,
)
from infra.state.redis.settings import Address, RedisSettings
from infra.state.usage import StateUsage

_FIX = "check the primaries that do not answer, and the addresses in `state`"


async def run_checks(address: ClusterAddress, access: RedisSettings, url: str) -> list[Finding]:
    """Run all checks. A failure is a finding. Raises ConfigInvalid for settings that do not fit."""
    async with _open_topology(address, access, url) as topology:
        try:
            view = await topology.describe()
        except (redis_errors.RedisError, OSError) as error:
            problem = translate_error(error)
            return [Finding("redis cluster", "fail", f"{problem.message}: {error}", problem.fix)]
        by_node = []
        for place in sorted(view.primaries):
            async with _open_node(topology, place, 5.0) as client:
                answers = await probe.check_server(client)
                replicas = await probe.check_replicas(client) if answers[0].status == "ok" else []
            by_node.append((place, [*answers, *replicas]))
        return [_check_view(view), *_merge(by_node)]


async def read_usage(
    address: ClusterAddress, access: RedisSettings, url: str, prefix: str, now: datetime
) -> StateUsage:
    """The memory of the primary that is fullest, times their number: the cluster is full when one of them is. Raises
    StateUnavailable."""
    async with _open_topology(address, access, url) as topology:
        try:
            view = await topology.renew()
        except (redis_errors.RedisError, OSError) as error:
            raise translate_error(error) from error
        usages = []
        for place in sorted(view.primaries):
            async with _open_node(topology, place, 10.0) as client:
                usages.append(await probe.measure_server(client, prefix, view.list_shards(place), now))
    fullest = max(usages, key=lambda usage: usage.used / max(1, usage.limit))
    return StateUsage(
        fullest.used * len(usages),
        fullest.limit * len(usages),
        sum(usage.state for usage in usages),
        sum(usage.conversations for usage in usages),
        sum(usage.began for usage in usages),
    )


@asynccontextmanager
async def _open_topology(address: ClusterAddress, access: RedisSettings, url: str) -> AsyncIterator[ClusterTopology]:
    topology = ClusterTopology(address.nodes, build_node_settings(address, access, url))
    try:
        yield topology
    finally:
        await topology.close()


@asynccontextmanager
async def _open_node(topology: ClusterTopology, place: Address, timeout: float) -> AsyncIterator[Redis]:
    settings = {**topology.settings, "socket_timeout": timeout, "socket_connect_timeout": timeout}
    client = build_node_client(place, settings)
    try:
        yield client
    finally:
        await close_client(client)


def _check_view(view: ClusterView) -> Finding:
    unserved = view.owners.count(None)
    found = f"{len(view.primaries)} primaries and {len(view.places) - len(view.primaries)} other nodes"
    if not view.is_agreed:
        return Finding("redis cluster", "fail", f"{found}; {view.answered} primaries answer, too few to agree", _FIX)
    if unserved:
        return Finding("redis cluster", "fail", f"{found}; {unserved} of 256 shards have no node", _FIX)
    return Finding("redis cluster", "ok", f"{found}; each of 256 shards has a node")


def _merge(by_node: Sequence[tuple[Address, Sequence[Finding]]]) -> list[Finding]:
    """One finding where all nodes are well, else one for each that is not."""
    merged = []
    for check in dict.fromkeys(finding.check for _, findings in by_node for finding in findings):
        same = [(place, each) for place, findings in by_node for each in findings if each.check == check]
        bad = [(place, each) for place, each in same if each.status != "ok"]
        for (host, port), each in bad:
            merged.append(Finding(check, each.status, f"{host}:{port}: {each.detail}", each.fix))
        if not bad:
            details = dict.fromkeys(each.detail for _, each in same)
            merged.append(Finding(check, "ok", f"{len(same)} primaries: {', '.join(details)}"))
    return merged
