"""Redis with two replicas and three Sentinels, as child processes on loopback ports."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

from infra.deploy.local_redis import LocalRedis, answers_ping, fetch
from infra.deploy.process import LocalServer, free_port
from tests.harness.server_group import ServerGroup

NAME = "parley"
DOWN_AFTER_MS = 1_000
"""Milliseconds without an answer after which a Sentinel counts a server as down. Far more in production."""


class SentinelRedis(LocalRedis):
    """A server that keeps its role in a file, as Sentinel requires. ``primary``: the port it copies at first."""

    def __init__(self, primary: int | None = None) -> None:
        super().__init__()
        self._config = self.home / "redis.conf"
        copying = [f"replicaof 127.0.0.1 {primary}"] if primary else []
        # Without a delay, so that replicas follow at once, and with few processes: rewriting a file forks.
        lines = [*copying, "repl-diskless-sync-delay 0", "auto-aof-rewrite-percentage 0", "min-replicas-max-lag 5"]
        self._config.write_text("\n".join(lines) + "\n")

    def _command(self) -> list[str]:
        binary, *settings = super()._command()
        return [binary, str(self._config), *settings]

    def count_replicas(self) -> int:
        """Return the number of replicas that are up to date."""
        return self.read_replication().count("state=online")

    def read_replication(self) -> str:
        return ask(self.port, "INFO replication")

    def is_primary(self) -> bool:
        return "role:master" in self.read_replication()

    def is_synchronized(self) -> bool:
        return "master_link_status:up" in self.read_replication()


class LocalSentinel(LocalServer):
    name = "sentinel"

    def __init__(self, primary: int, quorum: int) -> None:
        self._binary = fetch()
        super().__init__()
        self.port, self.id = free_port(), uuid4().hex + "0" * 8
        self._config = self.home / "sentinel.conf"
        lines = (
            f"port {self.port}",
            f"sentinel myid {self.id}",
            "bind 127.0.0.1",
            f"dir {self.home}",
            f"sentinel monitor {NAME} 127.0.0.1 {primary} {quorum}",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 4000",
            f"sentinel parallel-syncs {NAME} 2",
        )
        self._config.write_text("\n".join(lines) + "\n")

    def introduce(self, replicas: Sequence[SentinelRedis], others: Sequence[LocalSentinel]) -> None:
        """Name all servers to it before it starts; else it finds each with one of the next greetings, seconds later."""
        lines = [f"sentinel known-replica {NAME} 127.0.0.1 {replica.port}" for replica in replicas]
        lines += [f"sentinel known-sentinel {NAME} 127.0.0.1 {other.port} {other.id}" for other in others]
        with self._config.open("a") as config:
            config.write("\n".join(lines) + "\n")

    def _command(self) -> list[str]:
        return [self._binary, str(self._config), "--sentinel"]

    def _is_ready(self) -> bool:
        return answers_ping(self.port)


class SentinelGroup(ServerGroup):
    """A primary, its replicas, and the Sentinels that watch them."""

    def __init__(self, replicas: int = 2, sentinels: int = 3) -> None:
        first = SentinelRedis()
        self.servers = [first, *(SentinelRedis(first.port) for _ in range(replicas))]
        self.sentinels = [LocalSentinel(first.port, sentinels // 2 + 1) for _ in range(sentinels)]
        for sentinel in self.sentinels:
            sentinel.introduce(self.servers[1:], [other for other in self.sentinels if other is not sentinel])
        super().__init__([*self.servers, *self.sentinels])

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{places}/{NAME}/0"

    def start(self) -> None:
        """Start all servers; return when replicas have copied the primary and the Sentinels know each other."""
        for server in (*self.servers, *self.sentinels):
            server.start()
        wait_for(lambda: self.servers[0].count_replicas() == len(self.servers) - 1, "replicas follow the primary", 90)
        wait_for(lambda: all(map(self._knows_all, self.sentinels)), "Sentinels know all servers", 90)

    def find_primary(self) -> SentinelRedis:
        """Return the server that most Sentinels call the primary."""
        named = [ask(sentinel.port, f"SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}") for sentinel in self._running()]
        ports = [int(answer.split("\r\n")[4]) for answer in named]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def wait_for_failover(self, before: SentinelRedis) -> SentinelRedis:
        """Return the new primary as soon as every Sentinel names the same one and it takes writes."""
        wait_for(lambda: self.find_primary() is not before and self.find_primary().is_primary(), "a failover")
        return self.find_primary()

    def start_failover(self) -> None:
        """Ask for a failover, as an operator does. A Sentinel refuses while an earlier one is recent."""
        wait_for(lambda: ask(self._running()[0].port, f"SENTINEL FAILOVER {NAME}").startswith("+OK"), "a failover")

    def wait_until_synchronized(self) -> None:
        """Return when every server but the primary follows it, and the Sentinels take all of them for good replicas."""
        primary = self.find_primary()
        wait_for(lambda: primary.count_replicas() == len(self.servers) - 1, "all replicas follow the primary", 40)
        wait_for(lambda: all(map(self._knows_all, self.sentinels)), "Sentinels know all servers", 40)

    def _running(self) -> list[LocalSentinel]:
        return [sentinel for sentinel in self.sentinels if sentinel.pid is not None]

    def _knows_all(self, sentinel: LocalSentinel) -> bool:
        answer = ask(sentinel.port, f"SENTINEL CKQUORUM {NAME}")
        known = ask(sentinel.port, f"SENTINEL REPLICAS {NAME}")
        usable = known.count("\r\nflags\r\n$5\r\nslave\r\n") == len(self.servers) - 1
        return answer.startswith(f"+OK {len(self.sentinels)} usable") and usable


def ask(port: int, command: str, timeout_s: float = 2.0) -> str:
    """Return the raw reply to an inline command; "" without one."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            connection.sendall(f"{command}\r\nPING\r\n".encode())
            reply = b""
            while not reply.endswith(b"+PONG\r\n"):
                received = connection.recv(65_536)
                if not received:
                    break
                reply += received
            return reply.removesuffix(b"+PONG\r\n").decode()
    except OSError:
        return ""


def wait_for(is_met: Callable[[], bool], description: str, timeout_s: float = 30.0) -> None:
    """Raises TimeoutError, naming what it waited for."""
    deadline = time.monotonic() + timeout_s
    while not is_met():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{description}: not within {timeout_s:.0f} s")
        time.sleep(0.05)
