"""Socket Mode, heard through Slack's SDK as it comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack.event_delivery import Undelivered
from tests.simulators.slack.server import SlackVendor
from tests.simulators.slack.sockets import Reason


@pytest.fixture
async def slack() -> AsyncIterator[SlackVendor]:
    """A workspace whose app listens at sockets."""
    vendor = SlackVendor(mode="socket", pace=0.0002, ack_seconds=0.4)
    async with vendor.serving():
        yield vendor


class App:
    """Answers every envelope, unless told to be silent so many times."""

    def __init__(self, client: SocketModeClient) -> None:
        self.client = client
        self.heard: list[SocketModeRequest] = []
        self.silent = 0
        self.answer: dict[str, Any] | None = None
        client.socket_mode_request_listeners.append(self._hear)

    async def _hear(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.heard.append(request)
        if self.silent:
            self.silent -= 1
            return
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, self.answer))


@asynccontextmanager
async def connect_app(slack: SlackVendor) -> AsyncIterator[App]:
    web = AsyncWebClient(slack.bot_token, base_url=slack.api_base)
    client = SocketModeClient(slack.app_token, web_client=web, ping_interval=0.5)
    app = App(client)
    try:
        await client.connect()  # type: ignore[no-untyped-call]
        await slack.sockets.opened()
        yield app
    finally:
        await client.close()  # type: ignore[no-untyped-call]


async def test_an_event_comes_in_an_envelope(slack: SlackVendor) -> None:
    """Once it is answered it does not come again."""
    async with connect_app(slack) as app:
        ts = await slack.say("Ann", "hello")
        await slack.settled()
    (request,) = app.heard
    assert (request.type, request.retry_attempt) == ("events_api", 0)
    assert request.payload["event"]["ts"] == ts
    assert [envelope for envelope, _ in slack.sockets.acks] == [request.envelope_id]


async def test_unanswered_envelopes_come_again(slack: SlackVendor) -> None:
    """In another envelope, with the number of the attempt and the same event id."""
    async with connect_app(slack) as app:
        app.silent = 2
        await slack.say("Ann", "hello")
        await slack.settled()
    assert [(request.retry_attempt, request.retry_reason) for request in app.heard] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
    ]
    assert len({request.payload["event_id"] for request in app.heard}) == 1
    assert len({request.envelope_id for request in app.heard}) == 3


@pytest.mark.parametrize("reason", ["refresh_requested", "link_disabled"])
async def test_after_a_goodbye_the_sdk_comes_back(slack: SlackVendor, reason: Reason) -> None:
    """On a new ticket; what was said meanwhile arrives there."""
    async with connect_app(slack) as app:
        await slack.sockets.disconnect(reason)
        await slack.say("Ann", "still there?")
        await slack.settled()
        opened = [each for each in slack.ledger.requests if each.operation == "apps.connections.open"]
        assert len(opened) == 2
    assert app.heard[-1].payload["event"]["text"] == "still there?"


async def test_a_socket_that_breaks_loses_nothing(slack: SlackVendor) -> None:
    """What was on it and not answered comes on the next one."""
    slack.sockets.ack_seconds = 15
    async with connect_app(slack) as app:
        app.silent = 1
        await slack.say("Ann", "hello")
        await slack.ledger.until(lambda: app.heard)
        slack.sockets.cut()
        await slack.settled()
    assert [request.payload["event"]["text"] for request in app.heard] == ["hello", "hello"]
    assert (app.heard[1].retry_attempt, app.heard[1].retry_reason) == (1, "connection_failed")


async def test_any_of_several_sockets_gets_an_event(slack: SlackVendor) -> None:
    """Each event goes to one of them."""
    async with connect_app(slack) as one, connect_app(slack) as other:
        await slack.sockets.opened(2)
        for number in range(12):
            await slack.say("Ann", str(number))
        await slack.settled()
    heard = [request.payload["event"]["text"] for request in (*one.heard, *other.heard)]
    assert sorted(heard, key=int) == [str(number) for number in range(12)]
    assert one.heard
    assert other.heard


async def test_nobody_is_connected(slack: SlackVendor) -> None:
    """Then events are tried as long as over HTTP, and lost."""
    slack.sockets.ack_seconds = 0.01
    await slack.say("Ann", "hello")
    with pytest.raises(Undelivered):
        await slack.settled()


async def test_a_ticket_is_used_once_and_ten_sockets_are_open_at_most(slack: SlackVendor) -> None:
    """The eleventh is told so and closed."""
    async with aiohttp.ClientSession() as session:
        sockets = []
        url = slack.sockets.ticket()
        for number in range(10):
            sockets.append(await session.ws_connect(url if not number else slack.sockets.ticket()))
            hello = json.loads(await sockets[-1].receive_str())
            assert (hello["type"], hello["num_connections"]) == ("hello", number + 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        extra = await session.ws_connect(slack.sockets.ticket())
        goodbye = json.loads(await extra.receive_str())
        assert (goodbye["type"], goodbye["reason"]) == ("disconnect", "too_many_websockets")
        assert (await extra.receive()).type == aiohttp.WSMsgType.CLOSE
        await sockets[0].send_str("no json")
        await sockets[0].send_str('{"envelope_id": "unknown"}')
        for socket in (*sockets, extra):
            await socket.close()


async def test_a_warning_closes_nothing(slack: SlackVendor) -> None:
    """Events keep coming on a socket that was only warned."""
    async with aiohttp.ClientSession() as session, session.ws_connect(slack.sockets.ticket()) as socket:
        await socket.receive_str()
        await slack.sockets.disconnect("warning")
        assert json.loads(await socket.receive_str())["reason"] == "warning"
        await slack.say("Ann", "hello")
        envelope = json.loads(await socket.receive_str())
        await socket.send_json({"envelope_id": envelope["envelope_id"]})
        await slack.settled()


async def test_a_command_is_answered_in_its_ack(slack: SlackVendor) -> None:
    """The person who typed it sees the answer, nobody else."""
    room = slack.channel("support")
    ann = slack.people.join(room, "Ann")
    async with connect_app(slack) as app:
        await slack.settled()
        app.answer = {"text": "3 conversations wait"}
        assert await slack.interactions.command("Ann", room, "/queue") == app.answer
        request = app.heard[-1]
    assert (request.type, request.accepts_response_payload) == ("slash_commands", True)
    assert (request.payload["command"], request.payload["user_id"]) == ("/queue", ann.id)
    assert [shown.text for shown in slack.ledger.at(f"{room.id}@{ann.id}")] == ["3 conversations wait"]


async def test_bolt_listens(slack: SlackVendor) -> None:
    """Slack's own framework hears a message and answers it."""
    web = AsyncWebClient(slack.bot_token, base_url=slack.api_base)
    app = AsyncApp(client=web, signing_secret="unused")

    @app.event("message")
    async def answer(event: dict[str, Any], client: AsyncWebClient) -> None:
        await client.chat_postMessage(channel=event["channel"], text=f"You said {event['text']}")

    handler = AsyncSocketModeHandler(app, slack.app_token, web_client=web, ping_interval=0.5)
    try:
        await handler.connect_async()  # type: ignore[no-untyped-call]
        await slack.sockets.opened()
        await slack.say("Ann", "hello")
        await slack.ledger.until(lambda: slack.ledger.at(slack.place("Ann")))
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]
    assert slack.ledger.at(slack.place("Ann"))[0].text == "You said hello"
