"""The operator sets the number of copies of the log: `topics create` applies it, `doctor` checks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra.bus.kafka import KafkaAccess, KafkaBus
from infra.deploy import kafka_probe
from schemas.errors import BusUnavailable
from schemas.topics import DAY_MS, TopicSpec

pytestmark = pytest.mark.scaled
SPECS = [TopicSpec("parley.inbound.web", 3, 60_000), TopicSpec("parley.state", 3, None)]


@pytest.fixture
async def one_copy(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[str]:
    bus = KafkaBus(kafka_bootstrap, prefix=topic_prefix, access=KafkaAccess(replication_factor=1))
    await bus.start()
    await bus.create_topics(SPECS)
    yield kafka_bootstrap
    await bus.close()


async def checked(bootstrap: str, prefix: str, wanted: KafkaAccess) -> dict[str, str]:
    found = await kafka_probe.probe(bootstrap, prefix, SPECS, required=wanted)
    return {finding.check: f"{finding.status}: {finding.detail}" for finding in found}


async def test_doctor_holds_the_topics_against_what_is_configured(one_copy: str, topic_prefix: str) -> None:
    modest = await checked(one_copy, topic_prefix, KafkaAccess(replication_factor=1, min_insync_replicas=1))
    assert modest["kafka in-sync"] == "ok: min.insync.replicas is 1 or more"
    wishes = await checked(one_copy, topic_prefix, KafkaAccess(replication_factor=3, min_insync_replicas=2))
    assert wishes["kafka replicas"] == "fail: 6 partitions have fewer than 3 copies"
    assert wishes["kafka in-sync"].startswith("fail: min.insync.replicas is lower than configured: ")
    assert f"{topic_prefix}parley.state" in wishes["kafka in-sync"]


async def test_more_copies_than_brokers_is_refused_with_the_brokers_words(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    bus = KafkaBus(kafka_bootstrap, prefix=topic_prefix, access=KafkaAccess(replication_factor=3))
    await bus.start()
    with pytest.raises(BusUnavailable, match=r"was not created: .*replication factor"):
        await bus.create_topics(SPECS)
    await bus.close()


async def test_topics_that_are_there_get_the_retention_that_is_configured(one_copy: str, topic_prefix: str) -> None:
    """By `topics create`, which leaves their other settings alone; `doctor` tells before."""
    longer = [replace(SPECS[0], retention_ms=20 * DAY_MS), SPECS[1]]
    before = {each.check: each for each in await kafka_probe.probe(one_copy, topic_prefix, longer)}
    assert before["kafka retention"].status == "fail"
    assert "configured 20 days" in before["kafka retention"].detail
    admin = AIOKafkaAdminClient(bootstrap_servers=one_copy)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, f"{topic_prefix}parley.inbound.web")
        resource.configs = {"max.message.bytes": "1200000", "retention.ms": "60000", "cleanup.policy": "delete"}
        await admin.alter_configs([resource])
        bus = KafkaBus(one_copy, prefix=topic_prefix)
        await bus.start()
        assert await bus.create_topics(longer) == []
        await bus.close()
        resource.configs = None
        (answer,) = await admin.describe_configs([resource])
    finally:
        await admin.close()
    settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert (settings["retention.ms"], settings["max.message.bytes"]) == (str(20 * DAY_MS), "1200000")
    after = {each.check: each.status for each in await kafka_probe.probe(one_copy, topic_prefix, longer)}
    assert after["kafka retention"] == "ok"


async def test_the_configured_minimum_is_set_on_the_topics(kafka_bootstrap: str, topic_prefix: str) -> None:
    access = KafkaAccess(replication_factor=1, min_insync_replicas=1)
    bus = KafkaBus(kafka_bootstrap, prefix=topic_prefix, access=access)
    await bus.start()
    assert await bus.create_topics(SPECS) == [spec.name for spec in SPECS]
    await bus.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, f"{topic_prefix}parley.inbound.web")
        (answer,) = await admin.describe_configs([resource])
        settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    finally:
        await admin.close()
    assert settings["min.insync.replicas"] == "1"
    assert settings["retention.ms"] == "60000"
