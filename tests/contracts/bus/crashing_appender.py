"""A process that appends until it is killed: ``python -m tests.contracts.bus.crashing_appender FILE PREFIX RUN``.

Writes one line ``KEY NUMBER`` to standard output for each append that has returned.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.contracts.bus.engines import TOPICS, open_sqlite
from tests.contracts.bus.recording_consumer import message


async def main(path: Path, prefix: str, run: str) -> None:
    async with open_sqlite(path, prefix)() as bus:
        await bus.create_topics(TOPICS)

        async def write(key: str) -> None:
            number = 0
            while True:
                await bus.append([message(key, number), message(key, number + 1)])
                os.write(1, f"{key} {number}\n{key} {number + 1}\n".encode())
                number += 2

        await asyncio.gather(*(write(f"run-{run}-{n}") for n in range(16)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
