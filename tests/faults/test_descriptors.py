"""More connections than a process may have open files."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from infra.deploy.process import free_port
from tests.harness.chat_client import Contact
from tests.harness.installation import Installation
from tests.harness.processes import ROOT, ForkServer, Process

SOFT, HARD, CONNECTIONS = 128, 256, 400


@asynccontextmanager
async def limited(installation: Installation) -> AsyncIterator[Process]:
    """The embedded process, started from a shell that allows it few open files."""
    port, log = free_port(), installation.folder / "dev.log"
    program = shlex.join([sys.executable, "-m", "gateway.cli", "dev", "--config", str(installation.config)])
    with log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            f"ulimit -Sn {SOFT} && ulimit -Hn {HARD} && exec {program}",
            cwd=ROOT,
            env={**os.environ, "PARLEY_PORT": str(port)},
            stdout=output,
            stderr=output,
        )
    exited = asyncio.ensure_future(child.wait())
    process = Process("dev", child.pid, log, port, exited)
    installation.ports["dev"] = port
    try:
        await process.ready()
        yield process
    finally:
        if process.alive:
            await process.stop(signal.SIGTERM)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


async def test_at_the_limit_accepting_pauses_and_what_is_connected_is_served(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    """The process raises its own limit as far as it may. Beyond it, one line of log says what to do, and when
    connections end, others are accepted."""
    installation = Installation.make(fork_server, tmp_path)
    async with limited(installation) as process:
        (line,) = [
            line for line in Path(f"/proc/{process.pid}/limits").read_text().splitlines() if "open files" in line
        ]
        assert line.split()[3:5] == [str(HARD), str(HARD)]
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1), timeout=timeout) as http:
            contact = Contact(installation.base, http, "ann")
            await contact.open()
            opened = [await asyncio.open_connection("127.0.0.1", process.port) for _ in range(CONNECTIONS)]
            async with asyncio.timeout(60):
                while "accepting_paused" not in process.log.read_text():  # noqa: ASYNC110  # told by the log alone
                    await asyncio.sleep(0.05)
            before = cpu_seconds(process.pid)
            for number in range(20):
                await contact.say(f"Hello {number}")
            assert open_files(process.pid) < HARD
            print(f"{open_files(process.pid)} of {HARD} files open, {cpu_seconds(process.pid) - before:.2f} s of CPU")
            for _, writer in opened:
                writer.close()
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{installation.base}/healthz") as answer:
            assert answer.status == 200
        lines = process.log.read_text().splitlines()
        assert sum("accepting_paused" in line for line in lines) == 1
        assert len(lines) < 60, lines[:100]
