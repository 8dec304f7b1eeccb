"""Queries to the cluster: existing topics, group offsets, and whether it answers at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as Source
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from infra.bus.kafka.access import KafkaAccess
from infra.bus.kafka.consumers import stop
from infra.bus.kafka.profile import KafkaProfile
from schemas.errors import BusUnavailable, TopicMismatch
from schemas.topics import TopicSpec

Answer = TypeVar("Answer")

_REPLICAS = 3
_RETENTION = "retention.ms"
_TOPIC_SETTING = 1
"""The source of a setting: the topic itself, not the broker or a default."""
_WITHOUT_MEMBERS = ("Empty", "Dead")
"""States of a consumer group; a group that never was is dead."""
_UNCHANGED = (0, TopicAlreadyExistsError.errno)  # another process may create the same topics at the same moment


class Catalog:
    """Topic names are logical here; ``prefix`` is added for the broker and removed on the way back."""

    def __init__(self, bootstrap: str, prefix: str, profile: KafkaProfile) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._profile = profile
        self._opening = asyncio.Lock()
        self._admin: Any = None
        self._observer: Any = None
        self._partitions: dict[str, int] = {}
        self.expanded = ""
        """A topic that has got more partitions since its number was read; empty for none."""

    def on_broker(self, name: str) -> str:
        """The broker's name of a topic or group."""
        return self._prefix + name

    def ours(self, name: str) -> str:
        """The logical name of a broker's topic under our prefix."""
        return name[len(self._prefix) :]

    async def partitions(self, topic: str) -> int:
        """Raises TopicMismatch when the topic does not exist. They are remembered: see ``expanded``."""
        if (count := self._partitions.get(topic)) is None:
            counts = await self._counts([topic], self._profile.append_deadline)
            if topic not in counts:
                raise TopicMismatch(f"topic {self.on_broker(topic)} does not exist", fix="parley topics create")
            self._partitions[topic] = count = counts[topic]
        return count

    def forget(self, topic: str) -> None:
        """The topic was not found after all: ask again next time."""
        self._partitions.pop(topic, None)

    async def sources(self, topics: Iterable[str]) -> list[Source]:
        """The broker's partitions of these topics. Raises TopicMismatch."""
        return [Source(self.on_broker(t), number) for t in topics for number in range(await self.partitions(t))]

    async def describe(self) -> dict[str, int]:
        """Partition count of every topic under our prefix; remembered, so that an append need not ask during an
        outage."""
        self._partitions = await self._counts(None)
        return dict(self._partitions)

    async def create(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Create missing topics and wait until they can be used; returns their names. Raises TopicMismatch."""
        missing = self._find_missing(specs, await self.describe())
        if missing:
            brokers = len((await self._ask(lambda admin: admin.describe_cluster()))["brokers"])
            topics = [_new_topic(self.on_broker(spec.name), spec, brokers, self._profile.access) for spec in missing]
            answer = await self._ask(lambda admin: admin.create_topics(topics))
            for name, code, message in answer.topic_errors:
                if code not in _UNCHANGED:
                    raise BusUnavailable(f"topic {name} was not created: {message or for_code(code).__name__}")
            await self._wait_for_leaders({spec.name: spec.partitions for spec in missing})
        await self._update_retention([spec for spec in specs if spec not in missing])
        return [spec.name for spec in missing]

    async def expand(self, partitions: Mapping[str, int]) -> None:
        """Give topics more partitions, and wait until they can be used. Readers begin at their first record."""
        wanted = {self.on_broker(topic): NewPartitions(count) for topic, count in partitions.items()}
        await self._ask(lambda admin: admin.create_partitions(wanted))
        self._partitions |= partitions
        await self._wait_for_leaders(partitions)

    async def has_members(self, group: str) -> bool:
        """Whether a process belongs to the group, or belonged to it under a permanent name until seconds ago."""
        names = [self.on_broker(group)]
        (answer,) = await self._ask(lambda admin: admin.describe_consumer_groups(names))
        ((error, _, state, *_),) = answer.groups
        if error:
            raise BusUnavailable(f"group {group} was not described: {for_code(error).__name__}")
        return state not in _WITHOUT_MEMBERS

    async def delete(self, topics: Sequence[str]) -> None:
        """Delete those of the topics that exist, and wait until they are gone."""
        present = await self.describe()
        names = [self.on_broker(topic) for topic in topics if topic in present]
        if not names:
            return
        answer = await self._ask(lambda admin: admin.delete_topics(names))
        for name, code in answer.topic_error_codes:
            if code not in (0, UnknownTopicOrPartitionError.errno):
                raise BusUnavailable(f"topic {name} was not deleted: {for_code(code).__name__}")
        for _ in range(200):
            if not (await self.describe()).keys() & set(topics):
                return
            await asyncio.sleep(self._profile.retry_backoff_ms / 1000)
        raise BusUnavailable("deleted topics did not go in time")

    async def check_ready(self) -> None:
        """Raises BusUnavailable when no broker answers within the deadline. Looks for expanded topics."""
        counts = await self._counts(list(self._partitions), self._profile.ready_deadline)
        changed = (topic for topic, count in counts.items() if count > self._partitions.get(topic, count))
        self.expanded = next(changed, self.expanded)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Records not yet committed, by topic; records that retention has removed do not count."""
        sources = await self.sources(topics)
        offsets = await self._ask(lambda admin: admin.list_consumer_group_offsets(self.on_broker(group)))
        first, end = await self.bounds(sources)
        behind = dict.fromkeys(topics, 0)
        for source in sources:
            committed = offsets[source].offset if source in offsets else -1
            behind[self.ours(source.topic)] += max(0, end[source] - max(committed, first[source]))
        return behind

    async def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        """The offset that the group reads next, by partition."""
        sources = await self.sources([topic])
        offsets = await self._ask(lambda admin: admin.list_consumer_group_offsets(self.on_broker(group)))
        return {s.partition: offsets[s].offset for s in sources if s in offsets and offsets[s].offset >= 0}

    async def end_offsets(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        """The offset that the next record will get, by topic and partition."""
        ends: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        for source, end in (await self.bounds(await self.sources(topics)))[1].items():
            ends[self.ours(source.topic)][source.partition] = end
        return ends

    async def bounds(self, sources: Sequence[Source]) -> tuple[dict[Source, int], dict[Source, int]]:
        """Current first offset and end offset of each partition. Raises BusUnavailable."""
        try:
            async with asyncio.timeout(self._profile.admin_deadline):
                observer = await self._open_observer()
                return await observer.beginning_offsets(sources), await observer.end_offsets(sources)
        except (TimeoutError, KafkaError, OSError) as error:
            raise BusUnavailable(f"Kafka does not answer: {error!r}") from error

    async def close(self) -> None:
        admin, observer, self._admin, self._observer = self._admin, self._observer, None, None
        if admin is not None:
            await admin.close()
        if observer is not None:
            await stop(observer)

    def _find_missing(self, specs: Sequence[TopicSpec], have: dict[str, int]) -> list[TopicSpec]:
        for spec in specs:
            if have.get(spec.name, spec.partitions) != spec.partitions:
                raise TopicMismatch(
                    f"topic {self.on_broker(spec.name)} has {have[spec.name]} partitions, expected {spec.partitions}",
                    fix="configure the count the topic has: changing it would break the order within conversations",
                )
        return [spec for spec in specs if spec.name not in have]

    async def _update_retention(self, specs: Sequence[TopicSpec]) -> None:
        """Set the retention of existing topics to that of ``specs``. All settings of a topic are written at once, so
        its own other settings are written again."""
        retention_by_topic = {self.on_broker(spec.name): str(spec.retention_ms) for spec in specs if not spec.compacted}
        if not retention_by_topic:
            return
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in retention_by_topic]
        changed = []
        for response in await self._ask(lambda admin: admin.describe_configs(resources)):
            for _, _, _, name, entries in response.resources:
                own = {entry[0]: entry[1] for entry in entries if entry[3] == _TOPIC_SETTING}
                values = {entry[0]: entry[1] for entry in entries}
                if values.get(_RETENTION) != retention_by_topic[name]:
                    configs = own | {_RETENTION: retention_by_topic[name]}
                    changed.append(ConfigResource(ConfigResourceType.TOPIC, name, configs=configs))
        if not changed:
            return
        for response in await self._ask(lambda admin: admin.alter_configs(changed)):
            for code, message, _, name in response.resources:
                if code:
                    raise BusUnavailable(f"the retention of topic {name} was not set: {message}")

    async def _wait_for_leaders(self, partitions: Mapping[str, int]) -> None:
        async def all_have_leaders(admin: Any) -> bool:
            described = await admin.describe_topics([self.on_broker(topic) for topic in partitions])
            counts = {self.ours(topic["topic"]): len(topic["partitions"]) for topic in described}
            return counts == partitions and all(
                t["error_code"] == 0 and all(p["leader"] >= 0 for p in t["partitions"]) for t in described
            )

        for _ in range(200):
            if await self._ask(all_have_leaders):
                return
            await asyncio.sleep(self._profile.retry_backoff_ms / 1000)
        raise BusUnavailable("created partitions did not get their leaders in time")

    async def _counts(self, topics: Sequence[str] | None, deadline: float | None = None) -> dict[str, int]:
        names = None if topics is None else [self.on_broker(topic) for topic in topics]
        described = await self._ask(lambda admin: admin.describe_topics(names), deadline)
        return {
            self.ours(topic["topic"]): len(topic["partitions"])
            for topic in described
            if topic["error_code"] == 0 and not topic["is_internal"] and topic["topic"].startswith(self._prefix)
        }

    async def _ask(self, question: Callable[[Any], Awaitable[Answer]], deadline: float | None = None) -> Answer:
        """Ask until there is an answer: the admin client itself gives up at the first error."""
        try:
            async with asyncio.timeout(deadline or self._profile.admin_deadline):
                while True:
                    try:
                        return await question(await self._open_admin())
                    except (KafkaError, OSError) as error:
                        if not getattr(error, "retriable", True):
                            raise
                        await asyncio.sleep(self._profile.retry_backoff_ms / 1000)
        except (TimeoutError, KafkaError, OSError) as error:
            raise BusUnavailable(f"Kafka does not answer: {error!r}") from error

    async def _open_admin(self) -> Any:
        async with self._opening:
            if self._admin is None:
                admin = AIOKafkaAdminClient(**self._profile.client(self._bootstrap))
                try:
                    await admin.start()
                except BaseException:
                    await admin.close()
                    raise
                self._admin = admin
        return self._admin

    async def _open_observer(self) -> Any:
        async with self._opening:
            if self._observer is None:
                observer = AIOKafkaConsumer(**self._profile.consumer(self._bootstrap))
                try:
                    await observer.start()
                except BaseException:
                    await stop(observer)
                    raise
                self._observer = observer
        return self._observer


def _new_topic(name: str, spec: TopicSpec, brokers: int, access: KafkaAccess) -> Any:
    replicas = access.replication_factor or min(_REPLICAS, brokers)
    # With three copies one broker may be down while writing goes on, and each record is on two disks.
    in_sync = access.min_insync_replicas or max(1, min(2, replicas - 1))
    configs = {"min.insync.replicas": str(in_sync)}
    if spec.compacted:
        configs["cleanup.policy"] = "compact"
    else:
        configs |= {"cleanup.policy": "delete", _RETENTION: str(spec.retention_ms)}
    return NewTopic(name, spec.partitions, replicas, topic_configs=configs)
