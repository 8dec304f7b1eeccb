"""A real Redis server as a child process, for tests and for trying scaled mode on a laptop."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from infra.deploy import apt
from infra.deploy.process import LocalServer, ServerError, free_port

_INSTALL_HINT = "on Debian: apt-get install -y redis-server; elsewhere see https://redis.io/docs/latest/operate/"


class LocalRedis(LocalServer):
    """One server on loopback that writes each command to disk before it answers (`appendfsync always`)."""

    name = "redis"
    ready_timeout_s = 15.0

    def __init__(self) -> None:
        self._binary = fetch()
        super().__init__()
        self.port = free_port()
        self.data_dir: Path = self.home / "data"
        self.data_dir.mkdir()

    @property
    def url(self) -> str:
        """The address for clients, `redis://host:port/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        # No configuration file is given, so nothing of the machine's own Redis set-up applies.
        return [
            self._binary, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.data_dir),
            "--daemonize", "no", "--appendonly", "yes", "--appendfsync", "always", "--save", "",
            "--maxmemory-policy", "noeviction",
        ]  # fmt: skip

    def _is_ready(self) -> bool:
        return answers_ping(self.port)


def answers_ping(port: int) -> bool:
    """Return whether a Redis server answers PING on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def fetch(say: Callable[[str], None] = lambda _line: None) -> str:
    """Return the path of `redis-server`, installing it when allowed. Raises ServerError with what to do."""
    path = shutil.which("redis-server")
    if path is None and apt.can_install():
        say("redis: installing with apt-get")
        apt.install(["redis-server"], _INSTALL_HINT)
        path = shutil.which("redis-server")
    if path is None:
        raise ServerError(f"`redis-server` is not on PATH ({_INSTALL_HINT})")
    say(f"redis: ready as {path}")
    return path
