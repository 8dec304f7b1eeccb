"""`parley doctor` probes real servers, and servers that are away."""

from __future__ import annotations

import asyncio

import pytest

from infra.deploy import kafka_probe
from infra.deploy.doctor_finding import Finding, check_clock_skew
from infra.deploy.process import free_port
from infra.state.redis import probe
from schemas.topics import topic_specs

SPECS = topic_specs(["web"], partitions=3, small=3)


def by_check(found: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in found}


@pytest.mark.scaled
async def test_a_redis_that_keeps_everything_is_well(redis_url: str) -> None:
    found = by_check(await probe.probe(redis_url))
    assert {finding.status for finding in found.values()} == {"ok"}
    assert set(found) == {
        "redis",
        "redis version",
        "redis maxmemory-policy",
        "redis appendonly",
        "redis appendfsync",
        "redis clock",
    }


def test_each_dangerous_redis_setting_fails_with_its_cure() -> None:
    evicting = probe.check_setting("maxmemory-policy", "allkeys-lru")
    assert (evicting.status, evicting.fix) == ("fail", "set `maxmemory-policy noeviction` in redis.conf")
    assert probe.check_setting("appendonly", "no").status == "fail"
    assert probe.check_setting("appendfsync", "everysec").status == "warn"
    assert probe.check_setting("appendfsync", "no").status == "fail"


async def test_a_redis_that_is_away_is_a_finding() -> None:
    (found,) = await probe.probe(f"redis://127.0.0.1:{free_port()}/0", timeout=1)
    assert (found.check, found.status) == ("redis", "fail")
    assert found.fix


@pytest.mark.scaled
async def test_a_kafka_without_our_topics_says_how_to_make_them(kafka_bootstrap: str, topic_prefix: str) -> None:
    found = by_check(await kafka_probe.probe(kafka_bootstrap, topic_prefix, SPECS))
    assert found["kafka"].status == "ok"
    assert (found["kafka version"].status, found["kafka version"].detail) == ("ok", "4.0 or newer")
    assert (found["kafka topics"].status, found["kafka topics"].fix) == ("fail", "run: parley topics create")
    assert found["kafka write"].status == "ok"
    assert found["kafka clock"].status == "ok"


@pytest.mark.scaled
async def test_topics_with_other_partition_counts_are_named(kafka_bootstrap: str, topic_prefix: str) -> None:
    from infra.bus.kafka import KafkaBus

    bus = KafkaBus(kafka_bootstrap, prefix=topic_prefix)
    await bus.start()
    try:
        await bus.create_topics(SPECS)
        good = by_check(await kafka_probe.probe(kafka_bootstrap, topic_prefix, SPECS))
        other = topic_specs(["web"], partitions=5, small=3)
        wrong = by_check(await kafka_probe.probe(kafka_bootstrap, topic_prefix, other))
        async with asyncio.timeout(30):  # the broker forgets the topic that was written to when it has time
            while set(await bus.describe_topics()) != {spec.name for spec in SPECS}:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.05)
    finally:
        await bus.close()
    assert (good["kafka topics"].status, good["kafka partitions"].status) == ("ok", "ok")
    assert (good["kafka replicas"].status, good["kafka replicas"].detail[-8:]) == ("warn", "one copy")
    assert wrong["kafka partitions"].status == "fail"
    assert "parley.inbound.web has 3, configured 5" in wrong["kafka partitions"].detail


async def test_a_kafka_that_is_away_is_a_finding() -> None:
    (found,) = await kafka_probe.probe(f"127.0.0.1:{free_port()}", "", SPECS, timeout=1)
    assert (found.check, found.status) == ("kafka", "fail")


def test_clocks_may_differ_by_less_than_two_seconds() -> None:
    assert [check_clock_skew("clock", seconds).status for seconds in (0.1, -1.9, 5, -29, 31)] == [
        "ok",
        "ok",
        "warn",
        "warn",
        "fail",
    ]
