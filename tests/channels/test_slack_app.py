"""slack-bolt between Slack and the log: what it dispatches is appended before it answers, and nothing goes past it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from connectors.channel_services import ChannelServices
from connectors.registry import open_channel
from connectors.slack.client import build_web_client
from connectors.slack.settings import SlackAccount
from gateway.config.settings import Config
from gateway.http.app import build_app, run_server
from gateway.wiring.compose import open_services
from schemas import topics
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable
from schemas.messages import InboundMessage
from schemas.ports import RawRequest
from tests.channels import fixture_translation
from tests.channels.fixture_cases import ROOT
from tests.channels.signing import sign_request
from tests.channels.webhook_intake import take_webhook
from tests.harness.channel_tools import NOW, no_files
from tests.simulators.slack.http_delivery import signature
from tests.simulators.slack.server import SlackVendor

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass
class Edge:
    """An edge with two accounts of Slack. While ``refusal`` is set, nothing is appended."""

    slack: SlackVendor
    http: aiohttp.ClientSession
    base: str = ""
    log: list[Envelope] = field(default_factory=list)
    refusal: Exception | None = None

    async def post(
        self, body: bytes, kind: str = JSON, *, account: str = "main", secret: str = "", **more: str
    ) -> aiohttp.ClientResponse:
        """Signed by the account, unless ``secret`` is another's."""
        stamp = str(int(time.time()))
        signed = signature(secret or SECRETS[account], stamp, body)
        headers = {"Content-Type": kind, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed, **more}
        response = await self.http.post(f"{self.base}/v1/webhooks/slack/shop/{account}", data=body, headers=headers)
        await response.read()
        return response

    def heard(self) -> list[str]:
        return [each.payload(InboundMessage).text for each in self.log if each.type == topics.MESSAGE_RECEIVED]


SECRETS = {"main": "the first app's secret", "second": "the second app's secret"}


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    async with AsyncExitStack() as stack:
        slack = SlackVendor(pace=0.0002)
        await stack.enter_async_context(slack.serving())
        accounts = {name: {**slack.settings(), "signing_secret": secret} for name, secret in SECRETS.items()}
        settings = {
            "data_dir": str(tmp_path),
            "secret_key": "a-secret-of-the-tests",
            "admin_token": "the-admin-token",
            "partitions": 3,
            "tenants": {"shop": {"name": "Shop", "channels": {"slack": accounts}}},
        }
        services, healer = await stack.enter_async_context(
            open_services(Config.model_validate(settings), searches=False)
        )
        healer.available.set()
        port = await stack.enter_async_context(run_server(build_app(services), "127.0.0.1", 0))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        edge = Edge(slack, http, f"http://127.0.0.1:{port}")
        append = services.bus.append

        async def recorded(envelopes: list[Envelope], **more: Any) -> Any:
            if edge.refusal is not None:
                raise edge.refusal
            positions = await append(envelopes, **more)
            edge.log += envelopes
            return positions

        services.bus.append = recorded  # type: ignore[assignment, method-assign]
        yield edge


def message(text: str, ts: str = "1777886998.000100", **more: Any) -> bytes:
    event = {"type": "message", "user": "U0ANNE001", "text": text, "ts": ts, "channel": "D0ANNE001", **more}
    wrapper = {"type": "event_callback", "team_id": "T0PLANTS1", "event": {"channel_type": "im", **event}}
    return json.dumps(wrapper).encode()


def command(text: str) -> bytes:
    fields = {"command": "/ask", "text": text, "team_id": "T0PLANTS1", "user_id": "U0ANNE001", "trigger_id": "13.37.a"}
    return urlencode(fields).encode()


async def test_an_event_is_appended_before_it_is_answered(edge: Edge) -> None:
    response = await edge.post(message("hello"))
    assert (response.status, await response.read(), edge.heard()) == (200, b"", ["hello"])


async def test_a_refused_append_is_a_503_that_says_when_to_come_again(edge: Edge) -> None:
    """Slack then repeats events. For a command it shows an error, which is right: the question was not taken."""
    edge.refusal = BusUnavailable("down", retry_after_ms=2500)
    for body, kind in ((message("hello"), JSON), (command("hello?"), FORM)):
        response = await edge.post(body, kind)
        assert (response.status, response.headers["Retry-After"]) == (503, "3")
    edge.refusal = None
    assert (await edge.post(message("hello"))).status == 200
    assert edge.heard() == ["hello"]


async def test_a_defect_of_ours_is_never_acknowledged(edge: Edge) -> None:
    edge.refusal = TypeError("a defect")
    assert (await edge.post(message("hello"))).status == 500
    assert edge.heard() == []


async def test_each_account_has_its_own_secret(edge: Edge) -> None:
    for account, other in (("main", "second"), ("second", "main")):
        assert (await edge.post(message("forged"), account=account, secret=SECRETS[other])).status == 401
        assert (await edge.post(message(account), account=account)).status == 200
    assert (await edge.post(message("x"), account="third", secret=SECRETS["main"])).status == 404
    assert edge.heard() == ["main", "second"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", JSON, 400),
        (b"[1]", JSON, 400),
        (b'{"a": "\xff"}', JSON, 401),  # Slack signs text, so this cannot be its signature
        (b"payload=%5B1%5D", FORM, 400),
        (b"text=x", FORM, 400),
        (b"command=/ask&command=/other", FORM, 400),
        (b'{"command": "/ask"}', FORM, 400),
        (b"<x/>", "text/xml", 415),
    ],
)
async def test_a_malformed_body_is_refused(edge: Edge, body: bytes, kind: str, status: int) -> None:
    """Signed or not: who did not sign learns nothing about the rest."""
    stamp = str(int(time.time()))
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(SECRETS["main"], stamp, body)}
    url = f"{edge.base}/v1/webhooks/slack/shop/main"
    async with edge.http.post(url, data=body, headers={**headers, "Content-Type": kind}) as response:
        assert response.status == status
    async with edge.http.post(url, data=body, headers={"Content-Type": kind}) as response:
        assert response.status == (415 if status == 415 else 401)


async def test_a_challenge_comes_back_as_slack_bolt_answers_it(edge: Edge) -> None:
    response = await edge.post(b'{"type": "url_verification", "challenge": "abc"}')
    assert (response.status, response.content_type, await response.json()) == (200, JSON, {"challenge": "abc"})


async def test_a_command_may_speak_of_a_payload(edge: Edge) -> None:
    """slack-bolt 1.30 takes the word for the field of an interaction."""
    assert (await edge.post(command("What is the payload of this drone?"), FORM)).status == 200
    assert edge.heard() == ["What is the payload of this drone?"]


async def test_headers_that_nobody_signed_change_nothing(edge: Edge) -> None:
    """With these slack-bolt would answer 200 and run no listener."""
    lazy = {"X-Slack-Bolt-Lazy-Only": "1", "X-Slack-Bolt-Lazy-Function-Name": "take_event"}
    assert (await edge.post(message("hello"), **lazy)).status == 200
    assert edge.heard() == ["hello"]


async def test_half_an_emoji_loses_no_message(edge: Edge) -> None:
    assert (await edge.post(message("a \ud83d b"))).status == 200
    assert edge.heard() == ["a \ufffd b"]


@pytest.mark.parametrize(
    "odd",
    [
        {"event": 7},
        {"event": {"type": ["message"]}},
        {"type": "block_actions", "user": {"id": "U0ANNE001"}, "actions": {"x": 1}},
        {"type": "view_submission", "user": {"id": "U0ANNE001"}, "view": {}},
        {"type": "grew_leaves"},
    ],
)
async def test_an_event_that_slack_bolt_cannot_place_is_accepted_and_dropped(edge: Edge, odd: dict[str, Any]) -> None:
    """Slack would send it again, and stop sending events after a while."""
    assert (await edge.post(json.dumps({"type": "event_callback", **odd}).encode())).status == 200
    assert edge.log == []


async def test_nothing_is_asked_of_slack_to_take_an_event(edge: Edge) -> None:
    """No token is checked for each request, as slack-bolt does for one that it is given."""
    await edge.post(message("hello"))
    await edge.post(command("hello?"), FORM)
    assert edge.slack.ledger.requests == []


async def test_without_slack_bolts_dispatch_nothing_is_heard(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it cannot become decoration beside a second way."""
    modes = []

    async def dispatch(_app: AsyncApp, request: AsyncBoltRequest) -> BoltResponse:
        modes.append(request.mode)
        return BoltResponse(status=200)

    monkeypatch.setattr(AsyncApp, "async_dispatch", dispatch)
    assert (await edge.post(message("hello"))).status == 200
    assert (modes, edge.heard()) == (["http"], [])


async def test_the_environment_of_other_bolt_apps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """slack-bolt reads these by itself. With the last two it would look for installations in files."""
    for name in ("BOT_TOKEN", "SIGNING_SECRET", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"SLACK_{name}", "another app's")
    nothing: Any = None
    services = ChannelServices(transcript=nothing, signals=nothing, clock=lambda: NOW, read_file=no_files)
    account = fixture_translation.account("slack")
    bare = RawRequest("POST", "", {"content-type": JSON}, {}, message("hello"))
    request = sign_request(bare, account, at=NOW.timestamp())
    (event,) = take_webhook(open_channel("slack", services), request, account).events
    assert event.payload["text"] == "hello"


def test_the_app_calls_slack_where_the_account_says_and_once() -> None:
    account = SlackAccount.model_validate({"bot_token": "xoxb-1", "signing_secret": "s", "api_base": "http://x/api/"})
    client = build_web_client(account, account.bot_token)
    assert isinstance(client, AsyncWebClient)
    assert (client.base_url, client.retry_handlers, client.proxy) == ("http://x/api/", [], None)


async def test_only_slacks_own_channel_imports_its_framework() -> None:
    """A process without Slack does not pay for it."""
    loaded = "import sys, connectors.slack.channel; sys.exit('slack_bolt' in sys.modules)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", loaded, cwd=ROOT)
    assert await child.wait() == 0
