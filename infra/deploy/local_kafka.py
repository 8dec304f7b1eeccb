"""A real Kafka broker from its jars, for tests and for trying scaled mode on a laptop."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.deploy.kafka_files import KafkaFiles, prepare, server_properties
from infra.deploy.process import LocalServer, answers, free_port

_PROBE_TIMEOUT_MS = 2_000


class LocalKafka(LocalServer):
    """One broker on loopback, with its data in `data_dir`.

    `bench=True` lets the JVM optimise fully and doubles the heap: slower to start, right for load figures.
    """

    name = "kafka"
    ready_timeout_s = 60.0

    def __init__(self, bench: bool = False) -> None:
        self._files = prepare()
        super().__init__()
        self._bench = bench
        self.port, controller_port = free_port(), free_port()
        self.data_dir: Path = self.home / "data"
        shutil.copytree(self._files.template, self.data_dir)
        self._config = self.home / "server.properties"
        self._config.write_text(server_properties(self.port, controller_port, self.data_dir))

    @property
    def bootstrap(self) -> str:
        """The address for clients, `host:port`."""
        return f"127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        jvm = self._files.jvm()
        speed = ["-Xms1g", "-Xmx1g"] if self._bench else ["-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1"]
        archive = [f"-XX:SharedArchiveFile={self._files.archive}"] if self._files.archive.exists() else []
        logs = [f"-Dkafka.logs.dir={self.home}"]
        return [jvm[0], *speed, *archive, *logs, *jvm[1:], "kafka.Kafka", str(self._config)]

    def _is_ready(self) -> bool:
        return describes_itself(self.bootstrap)


class _TrainingRun(LocalKafka):
    """A broker that writes its loaded classes to an archive when it ends; later starts with the archive take half the
    time."""

    def __init__(self, archive: Path) -> None:
        super().__init__()
        self._archive = archive

    def _command(self) -> list[str]:
        java, *rest = super()._command()
        return [java, f"-XX:ArchiveClassesAtExit={self._archive}", *rest]


def fetch(say: Callable[[str], None] = lambda _line: None) -> KafkaFiles:
    """Bring everything that a start needs into the cache. Raises ServerError with what to do."""
    files = prepare(say)
    if not files.archive.exists():
        say("kafka: one training start, so that later ones are quicker")
        partial = files.archive.with_suffix(f".{os.getpid()}.partial")
        with _TrainingRun(partial) as broker:
            broker.stop(timeout_s=60.0)
        if partial.exists():
            partial.replace(files.archive)
    return files


def describes_itself(bootstrap: str) -> bool:
    """Return whether the broker at `host:port` answers a describe-cluster request; an open port alone proves
    nothing."""
    if not answers(int(bootstrap.rpartition(":")[2])):
        return False
    # A thread of its own, because the caller may be inside a running event loop.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, _describe(bootstrap)).result()


async def _describe(bootstrap: str) -> bool:
    from aiokafka.admin import AIOKafkaAdminClient  # only a launcher that really starts a broker needs the client
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_PROBE_TIMEOUT_MS)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (TimeoutError, KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return bool(cluster["brokers"])
