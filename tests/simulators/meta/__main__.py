"""python -m tests.simulators.meta --channel instagram --port 9104 --webhook URL"""

from __future__ import annotations

import argparse
import asyncio

from tests.simulators.meta import Graph, Instagram, WhatsApp
from tests.simulators.prompt import Prompt, read_lines
from tests.simulators.vendor_clock import VendorClock


async def serve(vendor: WhatsApp | Instagram, port: int, webhook: str) -> None:
    graph = vendor.graph
    async with vendor.serving(port):
        vendor.call(webhook)
        account = webhook.rpartition("/")[2]
        await Prompt(vendor, graph.webhooks.webhook_sender, graph.pace).run(read_lines(), account)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.meta", description="WhatsApp and Instagram")
    parser.add_argument("--channel", choices=["whatsapp", "instagram"], default="whatsapp")
    parser.add_argument("--port", type=int, default=9104)
    parser.add_argument("--webhook", help="default: the account main of plantstore, on this machine")
    parser.add_argument("--pace", type=float, default=0.1, help="our seconds for one second between retries")
    parser.add_argument("--seed", type=int, default=1, help="of ids and secrets")
    given = parser.parse_args()
    graph = Graph(pace=VendorClock(scale=given.pace), seed=given.seed)
    vendor = WhatsApp(graph) if given.channel == "whatsapp" else Instagram(graph)
    webhook = given.webhook or f"http://127.0.0.1:8080/v1/webhooks/{given.channel}/plantstore/main"
    try:
        asyncio.run(serve(vendor, given.port, webhook))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
