"""Row ``slack``: a message from Slack until its 2xx, against a bare aiohttp handler that reads the same body.

The row ``edge`` has a channel that costs next to nothing; here slack-bolt verifies, parses and dispatches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from tests.bench.edge import CONTACTS, Runs, build_row
from tests.bench.edge_server import MODULE, SLACK_SECRET
from tests.bench.figures import Row
from tests.bench.load import post
from tests.bench.machine import fdatasync_ms
from tests.bench.setup import Stage, tenants
from tests.bench.signed_channel import WORDS
from tests.simulators.slack.http_delivery import signature

PATH = "/v1/webhooks/slack/plantstore/main"
APP = {"token": "verification", "team_id": "T0PLANTS1", "api_app_id": "A0PARLEY1", "type": "event_callback"}
AUTHORIZATIONS = [{"enterprise_id": None, "team_id": "T0PLANTS1", "user_id": "U0PARLEY1", "is_bot": True}]


def requests(count: int, contacts: int, tag: str) -> Iterator[bytes]:
    """Signed direct messages of about 1.5 KiB, each another one; ``tag`` keeps runs apart."""
    first = int(time.time()) - count
    run = sum(tag.encode())
    for number in range(count):
        person = f"{number % contacts:06}"
        ts = f"{first + number}.{run:06}"
        event = {
            "type": "message",
            "user": f"U{person}",
            "client_msg_id": f"7c1a3f0e-0000-4000-8000-{number:012}",
            "text": WORDS,
            "ts": ts,
            "event_ts": ts,
            "team": "T0PLANTS1",
            "channel": f"D{person}",
            "channel_type": "im",
        }
        about = {"event_id": f"Ev{number}", "event_time": first + number, "authorizations": AUTHORIZATIONS}
        body = json.dumps({**APP, **about, "is_ext_shared_channel": False, "event": event}).encode()
        stamp = str(int(time.time()))
        signed = signature(SLACK_SECRET, stamp, body)
        yield post(PATH, body, {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed})


async def measure(stage: Stage) -> list[Row]:
    account = {"bot_token": "xoxb-1", "signing_secret": SLACK_SECRET, "api_base": "http://127.0.0.1:1/api/"}
    channels = {"web": {"main": {}}, "slack": {"main": account}}
    installation = await stage.installation(False, tenants=tenants(channels=channels))
    bare = Runs("bare", await stage.program(MODULE, "bare"), requests)
    ours = Runs("slack", await stage.program(MODULE, "edge", str(installation.config)), requests)
    for one in (bare, ours):
        await one.server.ready(90)
        await one.round(stage.times(2 * CONTACTS, 20), warm=True)
    for _ in range(stage.times(7, 1)):
        for one in (bare, ours):
            await one.round(stage.times(3000, 40))
    sync, _ = fdatasync_ms(stage.folder)
    about = "message from Slack to durable append to 2xx on sqlite: processor time a request against a bare handler"
    return [build_row(bare, ours, sync, name="slack", about=about)]
