"""The Kafka checks of ``parley doctor``: whether the log keeps every message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import ApiVersionRequest

from infra.bus.kafka.access_errors import explain_refusal
from infra.deploy.doctor_finding import Finding, check_clock_skew
from schemas.topics import DAY_MS, TopicSpec

OPEN: Mapping[str, Any] = {}


class ReplicaSettings(Protocol):
    """The configured replica counts; 0 means none is configured."""

    @property
    def replication_factor(self) -> int: ...
    @property
    def min_insync_replicas(self) -> int: ...


@dataclass(frozen=True)
class _DefaultReplicaSettings:
    replication_factor: int = 0
    min_insync_replicas: int = 0


ANY: ReplicaSettings = _DefaultReplicaSettings()
OFFSETS_KEPT_MINUTES = 60 * 24 * 60
_FETCH = 1
_START = "start it, or correct `bus` in the configuration"


async def probe(
    bootstrap: str,
    prefix: str,
    specs: Sequence[TopicSpec],
    *,
    access: Mapping[str, Any] = OPEN,
    required: ReplicaSettings = ANY,
    timeout: float = 10.0,
) -> list[Finding]:
    """Run all checks. Never raises: a failure is a finding. Creates a topic ``<prefix>parley.doctor.…`` for a moment,
    to prove that all in-sync replicas take writes and to read the broker's clock."""
    client: dict[str, Any] = {**access, "bootstrap_servers": bootstrap.split(",")}
    admin = AIOKafkaAdminClient(**client, request_timeout_ms=int(timeout * 1000))
    try:
        async with asyncio.timeout(timeout * 3):
            sent = time.time()
            await admin.start()
            findings = [Finding("kafka", "ok", f"answers in {(time.time() - sent) * 1000:.0f} ms")]
            findings += await _brokers(admin)
            findings.append(await _version(client))
            findings += await _topics(admin, prefix, specs, required)
            return [*findings, *await _check_write(admin, client, f"{prefix}parley.doctor.{uuid4().hex[:8]}")]
    except (KafkaError, OSError, TimeoutError) as error:
        message, fix = await explain_refusal(bootstrap, access)
        detail = message or f"does not answer: {type(error).__name__}"
        return [Finding("kafka", "fail", detail, fix or _START)]
    finally:
        await admin.close()


async def _version(access: Mapping[str, Any]) -> Finding:
    """Brokers do not tell their release; since 4.0 they refuse the oldest requests (KIP-896), which shows."""
    client = AIOKafkaClient(**access)
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), ApiVersionRequest())
    finally:
        await client.close()
    oldest = [minimum for key, minimum, _ in response.api_versions if key == _FETCH]
    if oldest and min(oldest) >= 4:
        return Finding("kafka version", "ok", "4.0 or newer")
    return Finding(
        "kafka version", "warn", "older than 4.0, or unknown", "Parley is tested with Kafka 4; upgrade the brokers"
    )


async def _topics(admin: Any, prefix: str, specs: Sequence[TopicSpec], required: ReplicaSettings) -> list[Finding]:
    names = [prefix + spec.name for spec in specs]
    described = await admin.describe_topics(names)
    have = {item["topic"]: item["partitions"] for item in described if item["error_code"] == 0}
    missing = [name for name in names if name not in have]
    if missing:
        return [Finding("kafka topics", "fail", f"missing: {', '.join(missing)}", "run: parley topics create")]
    present = Finding("kafka topics", "ok", f"all {len(names)} exist")
    return [
        present,
        *_partitions(have, prefix, specs),
        *_copies(have, required),
        *await _check_settings(admin, prefix, specs, required),
    ]


def _partitions(have: dict[str, Any], prefix: str, specs: Sequence[TopicSpec]) -> list[Finding]:
    mismatches = [
        f"{spec.name} has {len(have[prefix + spec.name])}, configured {spec.partitions}"
        for spec in specs
        if len(have[prefix + spec.name]) != spec.partitions
    ]
    fix = "set `partitions` to what the topics have: raising a live topic's count breaks the order in conversations"
    mismatch = Finding("kafka partitions", "fail", "; ".join(mismatches), fix) if mismatches else None
    return [mismatch or Finding("kafka partitions", "ok", "as configured")]


def _copies(have: dict[str, Any], required: ReplicaSettings) -> list[Finding]:
    parts = [part for partitions in have.values() for part in partitions]
    few = sum(len(part["replicas"]) < required.replication_factor for part in parts)
    lone = sum(len(part["replicas"]) < 2 for part in parts)
    behind = sum(len(part["isr"]) < len(part["replicas"]) for part in parts)
    if behind:
        return [Finding("kafka replicas", "warn", f"{behind} partitions are not in sync", "look at the brokers' logs")]
    if few:
        fix = "add copies with kafka-reassign-partitions, or correct `kafka.replication_factor`"
        detail = f"{few} partitions have fewer than {required.replication_factor} copies"
        return [Finding("kafka replicas", "fail", detail, fix)]
    if lone:
        fix = "with one copy, messages are lost if a disk fails; use three brokers and recreate the topics"
        return [Finding("kafka replicas", "warn", f"{lone} partitions have one copy", fix)]
    return [Finding("kafka replicas", "ok", "in sync")]


async def _check_settings(
    admin: Any, prefix: str, specs: Sequence[TopicSpec], required: ReplicaSettings
) -> list[Finding]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, prefix + spec.name) for spec in specs]
    settings: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for resource in response.resources:
            settings[resource[3]] = {entry[0]: entry[1] for entry in resource[4]}
    return [_in_sync(settings, required), _retention(settings, prefix, specs)]


def _retention(settings: Mapping[str, Mapping[str, str]], prefix: str, specs: Sequence[TopicSpec]) -> Finding:
    mismatches = [
        f"{spec.name} keeps {_format_retention(settings[prefix + spec.name])},"
        f" configured {spec.retention_ms // DAY_MS} days"
        for spec in specs
        if spec.retention_ms is not None and settings[prefix + spec.name].get("retention.ms") != str(spec.retention_ms)
    ]
    if mismatches:
        return Finding("kafka retention", "fail", "; ".join(mismatches), "run: parley topics create")
    return Finding("kafka retention", "ok", "as configured")


def _format_retention(settings: Mapping[str, str]) -> str:
    value = int(settings.get("retention.ms") or -1)
    return "records for ever" if value < 0 else f"{value / DAY_MS:g} days"


def _in_sync(settings: Mapping[str, Mapping[str, str]], required: ReplicaSettings) -> Finding:
    """The number of disks that have a record before it counts as written."""
    least = {name: int(values.get("min.insync.replicas") or 1) for name, values in settings.items()}
    low = sorted(name for name, count in least.items() if count < (required.min_insync_replicas or 1))
    if low:
        fix = f"kafka-configs --alter --topic … --add-config min.insync.replicas={required.min_insync_replicas}"
        return Finding("kafka in-sync", "fail", f"min.insync.replicas is lower than configured: {', '.join(low)}", fix)
    return Finding("kafka in-sync", "ok", f"min.insync.replicas is {min(least.values(), default=1)} or more")


async def _brokers(admin: Any) -> list[Finding]:
    brokers = (await admin.describe_cluster())["brokers"]
    resource = ConfigResource(ConfigResourceType.BROKER, str(brokers[0]["node_id"]))
    (response,) = await admin.describe_configs([resource])
    values = {entry[0]: entry[1] for entry in response.resources[0][4]}
    minutes = int(values.get("offsets.retention.minutes") or 0)
    days = f"{minutes / 1440:g} days"
    if minutes >= OFFSETS_KEPT_MINUTES:
        return [Finding("kafka offsets retention", "ok", days)]
    fix = (
        f"set offsets.retention.minutes={OFFSETS_KEPT_MINUTES} on the brokers: a group that is idle longer starts over"
    )
    return [Finding("kafka offsets retention", "fail", days, fix)]


async def _check_write(admin: Any, client: Mapping[str, Any], topic: str) -> list[Finding]:
    new = NewTopic(topic, 1, 1, topic_configs={"message.timestamp.type": "LogAppendTime", "retention.ms": "60000"})
    created = await admin.create_topics([new], timeout_ms=5000)
    if created.topic_errors[0][1] != 0:
        return [
            Finding("kafka write", "warn", "could not be tested: topics may not be created", "allow it, or ignore this")
        ]
    producer = AIOKafkaProducer(**client, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        before = time.time()
        written = await producer.send_and_wait(topic, b"doctor", partition=0)
        took = time.time() - before
        ok = Finding("kafka write", "ok", f"acknowledged by all replicas in {took * 1000:.0f} ms")
        return [ok, check_clock_skew("kafka clock", written.timestamp / 1000 - before - took / 2)]
    finally:
        await producer.stop()
        await admin.delete_topics([topic], timeout_ms=5000)
