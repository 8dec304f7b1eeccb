"""python -m tests.canaries --engine embedded|scaled [--people N] [--erased N] [--kill-every SECONDS] [--seed N]

Prints a report in JSON; exit status 1 if a byte of somebody who was erased is left, or something of the others is
gone."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

from tests.canaries.run import CanaryRun, Options, Report, open_installation
from tests.harness.processes import ForkServer


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def run(options: Options, folder: Path) -> Report:
    async with AsyncExitStack() as stack:
        fork_server = ForkServer()
        await fork_server.start()
        stack.push_async_callback(fork_server.close)
        opened = open_installation(fork_server, options.engine, folder, options.seed)
        return await CanaryRun(await stack.enter_async_context(opened), options, say).run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.canaries", description="Erasures at full size.")
    parser.add_argument("--engine", choices=("embedded", "scaled"), required=True)
    parser.add_argument("--people", type=int, default=500, help="with ten canaries each (default 500)")
    parser.add_argument("--erased", type=int, default=250, help="of the people (default 250)")
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds (default 20); 0: no kills")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--deadline", type=float, default=1800.0, help="seconds for each step (default 1800)")
    parser.add_argument("--keep", type=Path, help="folder for logs and data")
    given = parser.parse_args()
    options = Options(given.engine, given.people, given.erased, given.kill_every, given.seed, deadline=given.deadline)
    with tempfile.TemporaryDirectory(prefix="parley-canaries-") as own:
        folder = given.keep or Path(own)
        folder.mkdir(parents=True, exist_ok=True)
        report = asyncio.run(run(options, folder))
    print(json.dumps(asdict(report), indent=1))
    return int(not report.is_good)


if __name__ == "__main__":
    sys.exit(main())
