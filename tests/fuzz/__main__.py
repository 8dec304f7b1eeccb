"""Mutated requests over real sockets, against every route of a running installation.

python -m tests.fuzz [--count 1000000] [--seed N] [--processes 2] [--seconds N]
python -m tests.fuzz payloads [--channel slack] [--count 100000] [--sockets 10000] [--seed N]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz import payloads
from tests.fuzz.campaign import campaign
from tests.harness.processes import ForkServer


async def run(count: int, seed: int, processes: int, seconds: float) -> int:
    fork_server = ForkServer()
    await fork_server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            outcome = await campaign(
                fork_server, Path(folder), count=count, seed=seed, processes=processes, seconds=seconds
            )
    finally:
        await fork_server.close()
    print(outcome)
    return 1 if outcome.faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz a running edge.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1e9, help="end after so long, whatever was sent by then")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    return asyncio.run(run(options.count, options.seed, options.processes, options.seconds))


if __name__ == "__main__":
    sys.exit(payloads.main(sys.argv[2:]) if sys.argv[1:2] == ["payloads"] else main())
