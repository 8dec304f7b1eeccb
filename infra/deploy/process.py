"""Run one server as a child process: start, stop, kill, pause, and never leave it behind."""

from __future__ import annotations

import atexit
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
# Linux delivers the parent-death signal when the *thread* that forked ends. So one thread that lives as long as this
# process starts every server, whichever thread a test calls from.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-spawner")
# Below the kernel's ephemeral range: a client that keeps dialling the port of a stopped server could otherwise be
# given that very port as its own and connect to itself.
_PORTS = range(15_000, 32_000)
_POLL_S = 0.05
_TAIL_LINES = 20
# Ports that were given out and may not be listened on yet: groups of servers choose a dozen before the first starts.
_GIVEN: deque[int] = deque(maxlen=1_000)


class ServerError(RuntimeError):
    """A server could not be found, installed or started; the message says what to do."""


def free_port() -> int:
    """A loopback TCP port that nobody listens on now. Raises ServerError after 200 busy ones."""
    for candidate in random.sample(_PORTS, 200):
        if candidate in _GIVEN:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        _GIVEN.append(candidate)
        return candidate
    raise ServerError(f"no free TCP port on 127.0.0.1 among 200 tried in {_PORTS.start}-{_PORTS.stop}")


def answers(port: int, timeout_s: float = 0.5) -> bool:
    """Return whether something accepts TCP connections on this loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def _die_with(parent: int) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    libc = _LIBC

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def _spawn(command: list[str], cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        # A session of its own keeps Ctrl-C in the terminal from reaching the server before the tests' teardown.
        return subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),
        )


class LocalServer(ABC):
    """A server with a directory of its own. All calls block; from a coroutine use `asyncio.to_thread`."""

    name: str
    ready_timeout_s: float = 30.0

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix=f"parley-{self.name}-"))
        self.log = self.home / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        _LIVE.add(self)

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _is_ready(self) -> bool: ...

    @property
    def pid(self) -> int | None:
        """The process id, or None while the server is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start on the same port and data as before, and return when it answers. No-op while it runs.

        Raises ServerError with the end of the server's log when it exits or is not ready in `ready_timeout_s`.
        """
        if self.pid is not None:
            return
        self._process = _SPAWNER.submit(_spawn, self._command(), self.home, self.log).result()
        deadline = time.monotonic() + self.ready_timeout_s
        while not self._is_ready():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                self.kill()
                problem = f"exited with {code}" if code is not None else f"not ready in {self.ready_timeout_s:.0f} s"
                raise ServerError(f"{self.name} {problem}; the end of its log:\n{self._log_tail()}")
            time.sleep(_POLL_S)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask it to end (SIGTERM), and kill it after `timeout_s`. Data and port are kept for `start`."""
        if self._process is None:
            return
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would. Data and port are kept for `start`."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers. Returns once all its threads stand still."""
        self._signal(signal.SIGSTOP)
        if self._process is not None and self._process.poll() is None and hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it and delete its directory. Safe to call twice."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        _LIVE.discard(self)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]) if self.log.exists() else ""


_LIVE: weakref.WeakSet[LocalServer] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for server in list(_LIVE):
        server.close()
