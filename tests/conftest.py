"""Servers for the tests. Each is started when the first test asks for it, and once for the process; what tests/run.py
started is used."""

from __future__ import annotations

import gc
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from infra.deploy import servers
from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis
from tests.harness.cluster import RedisCluster
from tests.harness.expired_waits import pytest_runtest_makereport as pytest_runtest_makereport
from tests.harness.processes import ForkServer
from tests.harness.shared_parent import programs_folder

# Training needs torch, which takes gigabytes: `make finetune-test` runs it in an environment of its own.
collect_ignore = ["finetune"]
# What runs on the machine of whoever tests must not change what is tested. Inherited by every process.
os.environ.setdefault("PARLEY_MODEL", "local")
# Hundreds of processes import the same modules: without compiled files, each start takes a second longer.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# jsonschema would spend two seconds on a grammar for addresses, and no test lets it check formats.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None forbids an import
settings.register_profile("tests", deadline=None)  # a loaded machine is no failure
settings.load_profile("tests")


def pytest_configure() -> None:
    if programs_folder():
        from tests.harness.forked_isolation import fork_isolated_processes  # one test alone need not load so much

        fork_isolated_processes()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without looking for garbage: nearly all that the modules and tests are made of stays until the end, so it
    is not looked through in later collections either."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def _unless_declined() -> None:
    if os.environ.get("PARLEY_TEST_SERVERS") == "none":
        pytest.skip("PARLEY_TEST_SERVERS=none: tests that need Kafka or Redis are left out")


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The address of a broker shared by the whole run, `host:port`. Never stop it; see `stoppable_kafka`."""
    _unless_declined()
    with servers.kafka() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """The URL of a Redis Cluster shared by the whole run. Never stop one of its nodes."""
    _unless_declined()
    with RedisCluster() as cluster:
        cluster.stop_watching()
        yield cluster.url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis shared by the whole run. Never flush or stop it; see `stoppable_redis`."""
    _unless_declined()
    with servers.redis() as url:
        yield url


@pytest.fixture(scope="module")
def fragile_kafka() -> Iterator[LocalKafka]:
    _unless_declined()
    with LocalKafka() as broker:
        yield broker


@pytest.fixture
def stoppable_kafka(fragile_kafka: LocalKafka) -> LocalKafka:
    """A broker of this module alone, already started, to be stopped, killed, paused and started again."""
    fragile_kafka.resume()
    fragile_kafka.start()
    return fragile_kafka


@pytest.fixture
def stoppable_redis() -> Iterator[LocalRedis]:
    """A Redis of this test alone, already started, to be stopped, killed, paused and started again."""
    _unless_declined()
    with LocalRedis() as server:
        yield server


@pytest.fixture
def topic_prefix() -> str:
    """A prefix no other test has, for topics, groups and keys: `t-<8 hex>.`."""
    return f"t-{uuid.uuid4().hex[:8]}."


@pytest.fixture(scope="session")
async def fork_server() -> AsyncIterator[ForkServer]:
    """Starts Parley's processes; everything it started is gone at the end of the run."""
    parent = ForkServer()
    await parent.start()
    yield parent
    await parent.close()
