"""Several crowds as one: their processes, spoken to in JSON lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.harness.processes import ROOT

DEADLINE = 300.0


class SocketClientProcesses:
    def __init__(self, children: list[asyncio.subprocess.Process]) -> None:
        self._children = children

    async def all(self, name: str, **arguments: Any) -> list[dict[str, Any]]:
        """The same command to every process at once; their answers."""
        return list(await asyncio.gather(*(self._one(child, name, arguments) for child in self._children)))

    async def each(self, name: str, arguments: list[dict[str, Any]]) -> list[dict[str, Any]]:
        pairs = zip(self._children, arguments, strict=True)
        return list(await asyncio.gather(*(self._one(child, name, given) for child, given in pairs)))

    @staticmethod
    async def _one(child: asyncio.subprocess.Process, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps([name, arguments]).encode() + b"\n")
        line = await asyncio.wait_for(child.stdout.readline(), DEADLINE)
        assert line, f"a client process ended in {name}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def crowds(port: int, processes: int, python: str) -> AsyncIterator[SocketClientProcesses]:
    children = [
        await asyncio.create_subprocess_exec(
            python, "-P", "-m", "tests.bench.socket_clients", str(port), cwd=ROOT, stdin=-1, stdout=-1
        )
        for _ in range(processes)
    ]
    try:
        yield SocketClientProcesses(children)
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()
            await child.wait()
