"""python -m tests.simulators.discord --port 9103 [--person mia] [--guild]"""

from __future__ import annotations

import argparse
import asyncio

from tests.simulators.discord.prompt import Prompt
from tests.simulators.discord.vendor import Discord


async def serve(port: int, person: str, guild: bool) -> None:
    server = Discord()
    async with server.serving(port):
        if guild:
            server.move(person, server.world.home)
        await Prompt(server, person).run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.discord", description=__doc__)
    parser.add_argument("--port", type=int, default=9103)
    parser.add_argument("--person", default="mia", help="who writes")
    parser.add_argument("--guild", action="store_true", help="write in the server's channel, not in direct messages")
    parser.add_argument("--webhook", help="taken for the sake of the other vendors; Discord pushes over its gateway")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.port, given.person, given.guild))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
