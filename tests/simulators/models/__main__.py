"""python -m tests.simulators.models --port 9100 [--pace 0.05] [--behaviour hang] [--status 529]"""

from __future__ import annotations

import argparse
import asyncio
from typing import get_args

from tests.simulators.models.server import Behaviour, ModelServer, Script


async def serve(port: int, script: Script) -> None:
    server = ModelServer()
    server.script = script
    async with server.serving(port):
        print(f"base_url: {server.base_url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.models", description=__doc__)
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--pace", type=float, default=0.05, help="seconds between two words")
    parser.add_argument("--behaviour", choices=get_args(Behaviour), default="answer")
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--sentences", type=int, default=0, help="before the cut")
    given = parser.parse_args()
    script = Script(given.behaviour, given.status, pace=given.pace, sentences=given.sentences)
    try:
        asyncio.run(serve(given.port, script))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
