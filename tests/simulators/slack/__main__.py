"""python -m tests.simulators.slack --port 9101 --webhook http://127.0.0.1:8080/v1/webhooks/slack/plantstore/main"""

from __future__ import annotations

import argparse
import asyncio

from tests.simulators.prompt import snippet
from tests.simulators.slack.prompt import Prompt
from tests.simulators.slack.server import SlackVendor

WEBHOOK = "http://127.0.0.1:8080/v1/webhooks/slack/plantstore/main"


async def serve(slack: SlackVendor, port: int, person: str) -> None:
    async with slack.serving(port):
        print(snippet(slack, "main"), flush=True)
        await Prompt(slack, person).run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=9101)
    parser.add_argument("--webhook", default=WEBHOOK, help="where events and interactions go, unless in socket mode")
    parser.add_argument("--mode", choices=("http", "socket"), default="http")
    parser.add_argument("--pace", type=float, default=1.0, help="scales the waits before retries")
    parser.add_argument("--seed", type=int, default=1, help="of tokens and ids")
    parser.add_argument("--as", dest="person", default="Ann", help="who writes")
    given = parser.parse_args()
    slack = SlackVendor(mode=given.mode, pace=given.pace, seed=given.seed)
    slack.call(given.webhook)
    try:
        asyncio.run(serve(slack, given.port, given.person))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
