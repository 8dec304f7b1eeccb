"""Raise the partitions of channels' topics while no process runs.

A conversation's records are in order because they share a partition, and with another number of partitions its next
record goes to another one. So nothing of a channel may be unread or set aside when its topics grow, and every process
must start anew, because each remembers the numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from infra.bus.kafka.bus import KafkaBus
from schemas.errors import Conflict, TopicMismatch
from schemas.ports import Parking, TopicPartition
from schemas.topics import TopicReader, TopicSpec

_LOOK_EVERY_S = 0.5


async def expand_topics(
    bus: KafkaBus, parking: Parking, specs: Sequence[TopicSpec], readers: Sequence[TopicReader], *, wait: float
) -> dict[str, tuple[int, int]]:
    """Raise the topics of channels that have fewer partitions than in ``specs``; returns the number before and after by
    topic. ``readers``: all that read such topics. Waits up to ``wait`` seconds for members of consumer groups to leave.
    May be repeated.

    Raises TopicMismatch (a topic is missing or has more partitions) and Conflict (a process runs, records are unread or
    parked, or a record was appended meanwhile)."""
    growing = _find_growing(specs, {reader.topic for reader in readers}, await bus.describe_topics())
    if growing:
        await _wait_until_stopped(bus, {reader.group for reader in readers}, wait)
        affected = [reader for reader in readers if reader.topic in growing]
        for reader in affected:
            await _check_handled(bus, parking, reader, growing[reader.topic][0])
        await bus.expand_topics({topic: after for topic, (_, after) in growing.items()})
        for reader in affected:
            await _check_untouched(bus, reader)
    return growing


def _find_growing(
    specs: Iterable[TopicSpec], expandable: set[str], present: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    growing: dict[str, tuple[int, int]] = {}
    for spec in specs:
        count = present.get(spec.name)
        if count is None:
            raise TopicMismatch(f"topic {spec.name} does not exist", fix="run: parley topics create")
        if count > spec.partitions or (count < spec.partitions and spec.name not in expandable):
            raise TopicMismatch(
                f"topic {spec.name} has {count} partitions, but the configuration says {spec.partitions}",
                fix="only the topics of channels can get more partitions, and none can lose any: correct `partitions` "
                "and `channel_partitions`",
            )
        if count < spec.partitions:
            growing[spec.name] = count, spec.partitions
    return growing


async def _wait_until_stopped(bus: KafkaBus, groups: Iterable[str], wait: float) -> None:
    """A process that had a permanent name stays a member for some seconds after it has stopped."""
    deadline = asyncio.get_running_loop().time() + wait
    for group in sorted(groups):
        while await bus.has_members(group):
            if asyncio.get_running_loop().time() >= deadline:
                raise Conflict(
                    f"processes are running: consumer group {group} has members",
                    fix="stop every edge, worker and connector, then run it again",
                )
            await asyncio.sleep(_LOOK_EVERY_S)


async def _check_handled(bus: KafkaBus, parking: Parking, reader: TopicReader, partitions: int) -> None:
    topic, group = reader.topic, reader.group
    if unread := (await bus.lag(group, [topic]))[topic]:
        raise Conflict(
            f"{unread} records of {topic} are not handled by {group}",
            fix="start the workers and connectors without the edges, and stop them when `parley_lag_records` is 0",
        )
    parked = await parking.list_conversations(group, [TopicPartition(topic, n) for n in range(partitions)])
    if parked:
        raise Conflict(
            f"records of {len(parked)} conversations of {topic} wait to be tried again",
            fix="let the workers and connectors run without the edges until these records are handled or dead-lettered",
        )


async def _check_untouched(bus: KafkaBus, reader: TopicReader) -> None:
    if unread := (await bus.lag(reader.group, [reader.topic]))[reader.topic]:
        raise Conflict(
            f"{reader.topic} has its new partitions, but {unread} records were appended to it meanwhile",
            fix="an edge is still running: stop it now. The records are kept, but their conversations may be answered "
            "out of order",
        )
