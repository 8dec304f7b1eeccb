"""The `parley` that is forked with everything imported (tests/harness/forked_command.py) behaves as one that starts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import aiohttp
import pytest

from infra.deploy.process import free_port
from tests.harness.contract_client import wait_for
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer


@pytest.mark.parametrize("arguments", [["--version"], ["nonsense"], ["knowledge", "list", "--json"]])
def test_a_command_prints_and_ends_as_one_that_starts(
    fork_server: ForkServer, tmp_path: Path, arguments: list[str]
) -> None:
    started, forked = (
        subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        for program in (Path(sys.executable).with_name("parley"), fork_server.programs / "parley")
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_ends_with_its_program(
    fork_server: ForkServer, embedded_alone: Installation, http: aiohttp.ClientSession, number: int
) -> None:
    port = free_port()
    program = await asyncio.create_subprocess_exec(
        fork_server.programs / "parley",
        *("dev", "--config", embedded_alone.config),
        env={**os.environ, "PARLEY_PORT": f"{port}"},
        stderr=DEVNULL,
        stdout=DEVNULL,
    )

    async def answers() -> bool:
        try:
            async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def is_gone() -> bool:
        return not await answers()

    await wait_for(answers)
    program.send_signal(number)
    await wait_for(is_gone)
    assert await program.wait() == (-number if number == signal.SIGKILL else 0)
