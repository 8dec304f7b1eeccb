"""The echo job as users of slack-bolt write it: nothing durable, no state.

python -m tests.bench.echo_bot PORT API_BASE TOKEN SECRET
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiohttp import web
from slack_bolt.async_app import AsyncApp, AsyncSay
from slack_sdk.web.async_client import AsyncWebClient

MODULE = "tests.bench.echo_bot"
PATH = "/slack/events"
ANSWER = "Yes, we do."


async def answer(event: dict[str, Any], say: AsyncSay) -> None:
    if not event.get("bot_id"):
        await say(ANSWER)


def build(port: int, api_base: str, token: str, secret: str) -> web.Application:
    app = AsyncApp(signing_secret=secret, client=AsyncWebClient(token=token, base_url=api_base))
    app.event("message")(answer)
    served = app.server(port, path=PATH, host="127.0.0.1").web_app
    served.router.add_get("/readyz", lambda _: asyncio.sleep(0, web.Response()))
    return served


if __name__ == "__main__":
    port, api_base, token, secret = sys.argv[1:]
    web.run_app(
        build(int(port), api_base, token, secret), host="127.0.0.1", port=int(port), print=None, access_log=None
    )
