"""The two servers of the edge row, each a process of its own.

python -m tests.bench.edge_server PORT bare
python -m tests.bench.edge_server PORT edge CONFIG
"""

from __future__ import annotations

import asyncio
import hmac
import sys
from dataclasses import replace
from pathlib import Path

import orjson
from aiohttp import web
from pydantic import ValidationError

from tests.bench.signed_channel import HEADER, NAME, PATH, Body, SignedChannel, signature
from tests.simulators.slack.http_delivery import signature as slack_signature

MODULE = "tests.bench.edge_server"
SLACK_SECRET = "slack-signs-its-requests-with-this"


async def _bare(request: web.Request) -> web.Response:
    body = await request.read()
    if not hmac.compare_digest(request.headers.get(HEADER, ""), signature(body)):
        return web.Response(status=401)
    try:
        Body.model_validate_json(body)
    except ValidationError:
        return web.Response(status=400)
    return web.Response()


async def _bare_slack(request: web.Request) -> web.Response:
    body = await request.read()
    expected = slack_signature(SLACK_SECRET, request.headers.get("X-Slack-Request-Timestamp", ""), body)
    if not hmac.compare_digest(request.headers.get("X-Slack-Signature", ""), expected):
        return web.Response(status=401)
    return web.Response(status=200 if isinstance(orjson.loads(body), dict) else 400)


async def serve_bare(port: int) -> None:
    app = web.Application()
    app.router.add_post(PATH, _bare)
    app.router.add_post("/v1/webhooks/slack/plantstore/main", _bare_slack)
    app.router.add_get("/readyz", lambda _: asyncio.sleep(0, web.Response()))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


async def serve_edge(port: int, config_path: Path) -> None:
    """The front door alone, as ``parley run edge`` builds it, with one channel more."""
    from gateway.config.loader import load
    from gateway.wiring import compose
    from schemas.ports import Account
    from schemas.topics import topic_specs

    config = load(config_path).model_copy(update={"listen": f"127.0.0.1:{port}"})
    ours = Account(tenant="plantstore", channel=NAME, name="main", settings=None)
    async with compose.run_process(config, "edge") as (services, supervisor):
        await services.bus.create_topics(topic_specs([NAME], partitions=config.partitions, small=3))
        known = services.accounts
        services = replace(
            services,
            channels={**services.channels, NAME: SignedChannel()},
            accounts=lambda tenant, channel, name: ours if channel == NAME else known(tenant, channel, name),
        )
        await compose.serve_edge(config, services, supervisor, None)


if __name__ == "__main__":
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    port, kind = int(sys.argv[1]), sys.argv[2]
    asyncio.run(serve_bare(port) if kind == "bare" else serve_edge(port, Path(sys.argv[3])))
