"""A question and its answer over a channel, through a whole installation on SQLite.

python -m tests.channels.conversation CHANNEL

Nothing here knows any channel: the webhook is the fixture ``inbound/text``, and the vendor is a server that takes
whatever comes to ``api_base`` and answers as ``outbound/text/reply.json`` says. The installation's clock starts at the
fixture's moment, so that nothing is too old to be answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import structlog
import yaml
from aiohttp import web
from yarl import URL

from gateway.config.loader import load
from gateway.wiring import compose
from infra.deploy.process import free_port
from tests.channels import fixture_cases, fixture_translation
from tests.harness.installation import ADMIN_TOKEN, DOCUMENTS

TENANT = fixture_translation.TENANT
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
PATIENCE = 30.0


class Vendor:
    """Takes every request and answers the same. ``taken``: path and body of each."""

    def __init__(self, channel: str) -> None:
        self._says = fixture_cases.read(fixture_cases.fixtures(channel) / "outbound" / "text" / "reply.json")
        self.taken: list[tuple[str, Any]] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.taken.append((request.path, await (request.json() if "json" in request.content_type else request.text())))
        return web.json_response(self._says["body"], status=self._says["status"])


def write_configuration(folder: Path, channel: str, vendor: str) -> Path:
    """The fixtures' first account, at this vendor."""
    name, settings = next(iter(fixture_cases.read(fixture_cases.fixtures(channel) / "account.json").items()))
    tenant = {
        "name": "Plant store",
        "fold": {"others": 0.05},
        "channels": {channel: {name: settings | {"api_base": vendor}}},
    }
    called = URL(fixture_translation.request(_question(channel))[0].url)
    whole = {"admin_token": ADMIN_TOKEN, "encoder": "light", "partitions": 3, "tenants": {TENANT: tenant}}
    path = folder / "parley.yaml"
    path.write_text(yaml.safe_dump(whole | {"listen": f"127.0.0.1:{free_port()}", "public_url": str(called.origin())}))
    return path


def _question(channel: str) -> Path:
    return fixture_cases.fixtures(channel) / "inbound" / "text"


@asynccontextmanager
async def installation(config: Path, moment: datetime) -> AsyncIterator[str]:
    """All of Parley in this process, whose clock shows ``moment`` now; its address."""
    begun, ready = time.monotonic(), asyncio.Event()
    compose.utc_now = lambda: moment + timedelta(seconds=time.monotonic() - begun)
    loaded = load(config)
    serving = asyncio.ensure_future(compose.serve_dev(loaded, on_ready=ready.set))
    waiting = asyncio.ensure_future(ready.wait())
    try:
        await asyncio.wait({serving, waiting}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        assert ready.is_set(), "the installation did not start"
        yield loaded.local_url
    finally:
        waiting.cancel()
        if not serving.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await serving


async def put_documents(http: aiohttp.ClientSession, base: str) -> None:
    for name, text in DOCUMENTS.items():
        url, document = f"{base}/v1/admin/{TENANT}/knowledge/{name}", {"title": name.title(), "body": text}
        async with http.put(url, json=document, headers=ADMIN) as answer:
            assert answer.status == 200, await answer.text()


async def hold_conversation(channel: str) -> dict[str, Any]:
    """The conversation: what was asked, what was answered and in which state, and what the vendor was sent."""
    raw, told = fixture_translation.request(_question(channel))
    moment = datetime.fromisoformat(told["now"]) if "now" in told else datetime.now(UTC)
    vendor = Vendor(channel)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            vendor.serving() as at,
            aiohttp.ClientSession() as http,
            installation(write_configuration(Path(folder), channel, at), moment) as base,
        ):
            await put_documents(http, base)
            url = URL(base + URL(raw.url).raw_path_qs, encoded=True)
            async with http.post(url, data=raw.body, headers=dict(raw.headers)) as accepted:
                assert accepted.status == 200, await accepted.text()
            lines = await asyncio.wait_for(_answered(http, base, channel), PATIENCE)
    said = [{"author": line["author"]["kind"], "text": line["text"], "state": line["state"]} for line in lines]
    return {"transcript": said, "vendor": [{"path": path, "body": body} for path, body in vendor.taken]}


async def _answered(http: aiohttp.ClientSession, base: str, channel: str) -> list[dict[str, Any]]:
    """The transcript, once an answer of the agent was sent."""
    while True:
        lines = await _transcript(http, base, channel)
        if any(line["author"]["kind"] == "agent" and line["state"] == "sent" for line in lines):
            return lines
        await asyncio.sleep(0.05)


async def _transcript(http: aiohttp.ClientSession, base: str, channel: str) -> list[dict[str, Any]]:
    admin = f"{base}/v1/admin/{TENANT}/conversations"
    async with http.get(admin, params={"channel": channel}, headers=ADMIN) as answer:
        items = (await answer.json())["items"]
    if not items:
        return []
    async with http.get(f"{admin}/{items[0]['id']}", headers=ADMIN) as answer:
        return list((await answer.json())["transcript"])


def main(channel: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    print(json.dumps(asyncio.run(hold_conversation(channel)), ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
