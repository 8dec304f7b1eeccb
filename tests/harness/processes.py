"""Parley's processes as a test sees them: started, watched, killed, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.harness.shared_parent import SHARED

ROOT = Path(__file__).resolve().parents[2]
BIRTH_S = 120
"""Time for the first process, which waits until the parent has imported everything."""
FORKED_COMMAND = Path(__file__).with_name("forked_command.py")


@dataclass
class Process:
    """One running Parley process. ``status`` is its exit code, negative for a signal."""

    name: str
    pid: int
    log: Path
    port: int
    exited: asyncio.Future[int] = field(repr=False)

    @property
    def alive(self) -> bool:
        return not self.exited.done()

    async def kill(self) -> int:
        """SIGKILL; returns once it is gone."""
        return await self.stop(signal.SIGKILL)

    async def stop(self, number: int = signal.SIGTERM, timeout: float = 40) -> int:
        if self.alive:
            # It may have ended just now, and its status is on the way.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
        return await asyncio.wait_for(asyncio.shield(self.exited), timeout)

    async def ready(self, timeout: float = 90) -> None:
        """Until /readyz says 200. Fails at once, with the end of the log, when the process ends first."""
        pause = 0.02
        async with aiohttp.ClientSession() as http, asyncio.timeout(timeout):
            while True:
                if not self.alive:
                    raise AssertionError(f"{self.name} ended with {self.exited.result()}:\n{self.tail()}")
                try:
                    async with http.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(pause)
                pause = min(1.2 * pause, 0.1)  # whoever joins groups at Kafka needs its processor itself

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


class ForkParent:
    """The warmed parent (tests/harness/fork_server.py), which ends with this process at the latest. In its folder are
    the socket for connections and ``programs``, with a `parley` and a `python -P -m MODULE` that it runs."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="parley-fork-")
        self.folder = Path(self._folder.name)
        address = self.folder / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            listener.listen(128)
            command = [sys.executable, "-m", "tests.harness.fork_server", str(listener.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, stdin=-1, pass_fds=[listener.fileno()])
        (programs := self.folder / "programs").mkdir()
        for name in ("parley", "python"):
            command = [sys.executable, "-IS", str(FORKED_COMMAND), str(address), name]
            # What is no module starts as usual, such as `python -c`.
            usual = f'[ "$1 $2" = "-P -m" ] || exec {shlex.quote(sys.executable)} "$@"\n' if name == "python" else ""
            (program := programs / name).write_text(f'#!/bin/sh\n{usual}exec {shlex.join(command)} "$@"\n')
            program.chmod(0o755)

    def close(self) -> None:
        """End it, and all that it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


class ForkServer:
    """A connection to the warmed parent, and the children that it asked for. The parent is shared if the environment
    names one. ``programs`` is a folder with a `parley` that starts as quickly."""

    def __init__(self) -> None:
        self._children: dict[int, Process] = {}
        self._births: dict[str, asyncio.Future[int]] = {}
        self._early: dict[int, int] = {}
        self._count = 0
        self._environment = dict(os.environ)
        self._own: ForkParent | None = None

    async def start(self) -> None:
        if shared := os.environ.get(SHARED):
            folder = Path(shared)
        else:
            self._own = ForkParent()
            folder = self._own.folder
        self.programs = folder / "programs"
        lines, self._writer = await asyncio.open_unix_connection(str(folder / "socket"))
        self._reader = asyncio.create_task(self._read(lines))

    async def close(self) -> None:
        for child in list(self._children.values()):
            if child.alive:
                await child.kill()
        self._writer.close()
        await self._reader
        if self._own is not None:
            await asyncio.to_thread(self._own.close)

    async def spawn(
        self, name: str, args: list[str], *, port: int, log: Path, env: dict[str, str], program: str = "parley"
    ) -> Process:
        """``program`` may also be `python`, with `-P -m MODULE …` as ``args``."""
        self._count += 1
        tag = f"{name}-{self._count}"
        self._births[tag] = asyncio.get_running_loop().create_future()
        whole = {**self._environment, "PARLEY_PORT": str(port), **env}
        request = {"tag": tag, "program": program, "args": args, "env": whole, "log": str(log)}
        self._writer.write(json.dumps(request).encode() + b"\n")
        pid = await asyncio.wait_for(self._births[tag], BIRTH_S)
        child = Process(name, pid, log, port, asyncio.get_running_loop().create_future())
        self._children[pid] = child
        if pid in self._early:
            self._gone(pid, self._early.pop(pid))
        return child

    async def _read(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            news = json.loads(line)
            if "tag" in news:
                self._births[news["tag"]].set_result(news["pid"])
            else:
                self._gone(news["pid"], news["status"])

    def _gone(self, pid: int, status: int) -> None:
        child = self._children.pop(pid, None)
        if child is None:
            self._early[pid] = status
        elif not child.exited.done():
            child.exited.set_result(status)
