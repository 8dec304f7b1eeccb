"""Run Kafka and Redis as containers, where a Docker engine runs."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Self

from infra.deploy.kafka_files import KAFKA_VERSION
from infra.deploy.local_kafka import describes_itself
from infra.deploy.local_redis import answers_ping
from infra.deploy.process import ServerError, free_port

KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}@sha256:77e3df9054047a88b520d0cc46e16696d3b22022e1d580aeccd2632df6532837"
REDIS_IMAGE = "redis:8.10.1@sha256:298e5b3bc566bade82f46ad5511777a4a07a294097ce16ada2f6a42be5239df5"
_READY_TIMEOUT_S = 90.0
_PULL_TIMEOUT_S = 900.0
_ENGINE_TIMEOUT_S = 3.0


def engine_runs() -> bool:
    """Return whether a Docker engine answers; an installed client alone is not enough."""
    if shutil.which("docker") is None:
        return False
    try:
        result = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            timeout=_ENGINE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0 and bool(result.stdout.strip())


def pull(say: Callable[[str], None]) -> None:
    """Download both images. Raises ServerError with Docker's message."""
    for image in (KAFKA_IMAGE, REDIS_IMAGE):
        say(f"docker: pulling {image}")
        _docker("pull", "-q", image, timeout_s=_PULL_TIMEOUT_S)


class Container:
    """One container that is removed when it stops."""

    def __init__(self, address: str, run: list[str], ready: Callable[[], bool]) -> None:
        self.address = address
        self._run, self._ready = run, ready
        self._id: str | None = None

    def start(self) -> None:
        """Run it and return when it answers. Raises ServerError with the end of its log."""
        container = _docker("run", "-d", "--rm", *self._run, timeout_s=_PULL_TIMEOUT_S)
        self._id = container
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not self._ready():
            if time.monotonic() > deadline:
                log = _docker("logs", "--tail", "20", container)
                self.close()
                raise ServerError(f"{self._run[-1]} not ready in {_READY_TIMEOUT_S:.0f} s:\n{log}")
            time.sleep(0.2)

    def close(self) -> None:
        """Stop and remove it. Safe to call twice."""
        if self._id is not None:
            _docker("rm", "-f", self._id)
            self._id = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def kafka() -> Container:
    """A single broker that is its own controller, published on loopback."""
    port = free_port()
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }
    environment = [word for name, value in settings.items() for word in ("-e", f"KAFKA_{name}={value}")]
    address = f"127.0.0.1:{port}"
    return Container(address, ["-p", f"{address}:{port}", *environment, KAFKA_IMAGE], lambda: describes_itself(address))


def redis() -> Container:
    """A server that writes each command to disk before it answers, published on loopback."""
    port = free_port()
    server = ["redis-server", "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    return Container(
        f"redis://127.0.0.1:{port}/0",
        ["-p", f"127.0.0.1:{port}:6379", REDIS_IMAGE, *server],
        lambda: answers_ping(port),
    )


def _docker(*arguments: str, timeout_s: float = 60.0) -> str:
    try:
        result = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"`docker {arguments[0]}` did not finish in {timeout_s:.0f} s") from error
    if result.returncode:
        raise ServerError(f"`docker {arguments[0]}` failed:\n{result.stderr[-1000:]}")
    return result.stdout.strip()
