"""Parley's processes as a test sees them: started, watched, killed, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parents[2]


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
                await asyncio.sleep(0.02)

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


class ForkServer:
    """The warmed parent (tests/harness/fork_server.py) and its children."""

    def __init__(self) -> None:
        self._children: dict[int, Process] = {}
        self._births: dict[str, asyncio.Future[int]] = {}
        self._early: dict[int, int] = {}
        self._count = 0

    async def start(self) -> None:
        self._parent = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.harness.fork_server", cwd=ROOT, stdin=-1, stdout=-1
        )
        assert self._parent.stdout is not None
        first = await asyncio.wait_for(self._parent.stdout.readline(), 120)
        assert json.loads(first) == {"ready": True}
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        for child in list(self._children.values()):
            if child.alive:
                await child.kill()
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        await self._parent.wait()
        await self._reader

    async def spawn(self, name: str, args: list[str], *, port: int, log: Path, env: dict[str, str]) -> Process:
        self._count += 1
        tag = f"{name}-{self._count}"
        self._births[tag] = asyncio.get_running_loop().create_future()
        request = {"tag": tag, "args": args, "env": {"PARLEY_PORT": str(port), **env}, "log": str(log)}
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(request).encode() + b"\n")
        pid = await asyncio.wait_for(self._births[tag], 60)
        child = Process(name, pid, log, port, asyncio.get_running_loop().create_future())
        self._children[pid] = child
        if pid in self._early:
            self._gone(pid, self._early.pop(pid))
        return child

    async def _read(self) -> None:
        assert self._parent.stdout is not None
        async for line in self._parent.stdout:
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
