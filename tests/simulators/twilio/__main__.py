"""python -m tests.simulators.twilio --port 9105 --webhook http://127.0.0.1:8080/v1/webhooks/whatsapp/plantstore/main"""

from __future__ import annotations

import argparse
import asyncio

from tests.simulators.prompt import Prompt, read_lines
from tests.simulators.twilio import Twilio
from tests.simulators.vendor_clock import VendorClock

WEBHOOK = "http://127.0.0.1:8080/v1/webhooks/whatsapp/plantstore/main"


async def serve(vendor: Twilio, port: int, webhook: str) -> None:
    async with vendor.serving(port):
        vendor.call(webhook)
        account = webhook.partition("#")[0].rpartition("/")[2]
        await Prompt(vendor, vendor.webhooks.webhook_sender, vendor.pace).run(read_lines(), account)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.twilio", description="WhatsApp through Twilio")
    parser.add_argument("--port", type=int, default=9105)
    parser.add_argument("--webhook", default=WEBHOOK + "#rc=5&rp=all", help="with retries in its fragment")
    parser.add_argument("--public", help="the public_url of Parley, if it has one: what is signed")
    parser.add_argument("--pace", type=float, default=1.0, help="our seconds for one second between retries")
    parser.add_argument("--seed", type=int, default=1, help="of ids and secrets")
    given = parser.parse_args()
    vendor = Twilio(pace=VendorClock(scale=given.pace), seed=given.seed)
    if given.public:
        vendor.webhooks.public_url = (given.public.rstrip("/"), given.webhook.partition("/v1/")[0])
    try:
        asyncio.run(serve(vendor, given.port, given.webhook))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
