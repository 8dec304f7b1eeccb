"""A real Redis server as a child process, for tests and for trying scaled mode on a laptop."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from infra.deploy.process import LocalServer, ServerError, free_port

_INSTALL_HINT = "on Debian: apt-get install -y redis-server; elsewhere see https://redis.io/docs/latest/operate/"
_INSTALL_TIMEOUT_S = 600.0


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

    def _ready(self) -> bool:
        return pongs(self.port)


def pongs(port: int) -> bool:
    """Tell whether a Redis server answers PING on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def can_install() -> bool:
    """Tell whether `fetch` may install the server itself: root on a Debian-like machine."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def fetch(say: Callable[[str], None] = lambda _line: None) -> str:
    """Return the path of `redis-server`, installing it when allowed. Raises ServerError with what to do."""
    found = shutil.which("redis-server")
    if found is None and can_install():
        say("redis: installing with apt-get")
        _install()
        found = shutil.which("redis-server")
    if found is None:
        raise ServerError(f"`redis-server` is not on PATH ({_INSTALL_HINT})")
    say(f"redis: ready as {found}")
    return found


def _install() -> None:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "redis-server"]):
        result = subprocess.run(
            ["apt-get", *arguments], env=quiet, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False
        )
        if result.returncode:
            raise ServerError(f"apt-get {arguments[0]} failed ({_INSTALL_HINT}):\n{result.stderr[-1000:]}")
