"""Slack's Socket Mode against the simulated Slack: acknowledged is only what was appended, and one process listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.response import BoltResponse
from structlog.testing import capture_logs

from connectors.slack.backfill import read_history
from connectors.slack.socket_mode import socket, stream
from schemas.messages import Address
from tests.channels.stream_account import StreamProcesses, hall_of, wait_until
from tests.simulators.slack.server import SlackVendor
from tests.simulators.slack.sockets import Reason
from tests.simulators.slack.workspace import Room


@pytest.fixture
async def slack() -> AsyncIterator[SlackVendor]:
    vendor = SlackVendor(mode="socket", pace=0.0002, ack_seconds=0.4)
    async with vendor.serving():
        yield vendor


@pytest.fixture
async def stream_processes(
    slack: SlackVendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamProcesses]:
    monkeypatch.setattr(stream, "MIN_LIFETIME", 0.0)
    async with hall_of(slack, tmp_path) as stream_processes:
        yield stream_processes


def open_direct_channel(slack: SlackVendor) -> Room:
    return slack.workspace.direct(slack.person("Ann"))


def count_opened_sockets(slack: SlackVendor) -> int:
    return sum(each.operation == "apps.connections.open" for each in slack.ledger.requests)


async def test_messages_choices_and_commands_are_appended_and_then_acknowledged(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        await slack.say("Ann", "hello")
        await slack.interactions.command("Ann", open_direct_channel(slack), "/ask", "do you ship?")
        await stream_processes.until("hello", "do you ship?")
        await slack.settled()
    assert len(slack.sockets.acks) == 2


async def test_a_command_without_a_question_is_told_how_to_ask(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        answer = await slack.interactions.command("Ann", open_direct_channel(slack), "/ask", " ")
    assert answer["text"].startswith("Write your question after the command: /ask")
    assert await stream_processes.heard() == []


async def test_events_that_cannot_be_appended_are_not_acknowledged_and_come_again(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    """In the end it is one message, whatever number of times it came."""
    async with stream_processes.process():
        await slack.sockets.opened()
        stream_processes.narrow.is_closed = True
        await slack.say("Ann", "hello")
        await wait_until(lambda: stream_processes.narrow.refused >= 2)
        assert slack.sockets.acks == []
        stream_processes.narrow.is_closed = False
        await stream_processes.until("hello")
        await slack.settled()
        assert len(slack.sockets.acks) >= 1


async def test_envelopes_that_come_at_once_are_appended_in_their_order(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    """slack_sdk starts a task for each, more than are appended together."""
    slack.sockets.ack_seconds = 30.0
    async with stream_processes.process():
        await slack.sockets.opened()
        texts = [str(number) for number in range(3 * stream.BATCH_SIZE)]
        slack.event_delivery.hold()
        for text in texts:
            await slack.say("Ann", text)
        slack.event_delivery.release()
        await stream_processes.until(*texts)
        await slack.settled()
    assert await stream_processes.heard() == texts


async def test_envelopes_beyond_the_inbox_are_not_acknowledged_and_read_from_the_history(
    slack: SlackVendor, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "INBOX_SIZE", 2)
    async with stream_processes.process():
        await slack.sockets.opened()
        stream_processes.narrow.is_closed = True
        with capture_logs() as lines:
            for number in range(8):
                await slack.say("Ann", str(number))
            await wait_until(lambda: "inbox_full" in [line["event"] for line in lines])
        assert slack.sockets.acks == []
        stream_processes.narrow.is_closed = False
        await stream_processes.until(*"01234567")
        slack.event_delivery.lost.clear()


async def test_a_holder_that_stops_acknowledges_nothing_that_it_did_not_append(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    """The listeners that wait end with it, and the next holder reads what it left."""
    async with stream_processes.process():
        await slack.sockets.opened()
        stream_processes.narrow.is_closed = True
        await slack.say("Ann", "hello")
        await wait_until(lambda: stream_processes.narrow.refused >= 1)
        before = asyncio.all_tasks()
    assert slack.sockets.acks == []
    left = [task for task in before if not task.done() and "run_message_listeners" in repr(task)]
    assert left == []
    stream_processes.narrow.is_closed = False
    async with stream_processes.process():
        await stream_processes.until("hello")
    slack.event_delivery.lost.clear()


async def test_without_slack_bolts_dispatch_nothing_is_heard(
    slack: SlackVendor, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it cannot become decoration beside a second way."""
    modes = []

    async def dispatch(_app: AsyncApp, request: AsyncBoltRequest) -> BoltResponse:
        modes.append(request.mode)
        return BoltResponse(status=200)

    monkeypatch.setattr(AsyncApp, "async_dispatch", dispatch)
    async with stream_processes.process():
        await slack.say("Ann", "hello")
        await slack.settled()
        assert (modes, await stream_processes.heard()) == (["socket_mode"], [])


async def test_events_that_slack_gave_up_during_an_outage_are_not_lost(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        await slack.say("Ann", "first")
        await stream_processes.until("first")
        stream_processes.narrow.is_closed = True
        await slack.say("Ann", "lost")
        await wait_until(lambda: slack.event_delivery.lost)
        stream_processes.narrow.is_closed = False
        await stream_processes.until("first", "lost")
        slack.event_delivery.lost.clear()


@pytest.mark.parametrize("reason", ["refresh_requested", "warning"])
async def test_a_new_socket_is_there_before_the_old_one_goes(
    slack: SlackVendor, stream_processes: StreamProcesses, reason: Reason
) -> None:
    async with stream_processes.process():
        await slack.sockets.opened()
        await slack.sockets.disconnect(reason, close=False)
        await wait_until(lambda: len(slack.sockets.links) == 2)
        await slack.say("Ann", "still there?")
        await stream_processes.until("still there?")
        await slack.settled()


async def test_a_socket_that_breaks_is_replaced_and_nothing_is_lost(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        await slack.sockets.opened()
        slack.sockets.cut()
        await slack.say("Ann", "hello")
        await stream_processes.until("hello")
        await slack.settled()


async def test_of_three_processes_one_has_a_socket_and_the_next_gets_it_at_once(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with stream_processes.process():
        await slack.sockets.opened()
        async with stream_processes.process(), stream_processes.process():
            for number in range(5):
                await slack.say("Ann", str(number))
            await stream_processes.until(*"01234")
            assert (len(slack.sockets.links), count_opened_sockets(slack)) == (1, 1)
        await slack.settled()
    async with stream_processes.process():
        await slack.sockets.opened()
        assert count_opened_sockets(slack) == 2


async def test_messages_written_while_nobody_listened_are_read_from_the_history_once(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    """In direct messages everything, in their threads too; in a channel what calls the app."""
    room = slack.channel("help")
    async with stream_processes.process():
        root = await slack.say("Ann", "before")
        await stream_processes.until("before")
        await slack.settled()
    slack.event_delivery.losing = True
    await slack.say("Ann", "meanwhile")
    await slack.say("Ann", "in the thread", reply_to=root)
    slack.people.say("Ann", f"@{slack.bot.name} in the channel", room)
    slack.people.say("Ann", "to my colleague", room)
    slack.event_delivery.losing = False
    async with stream_processes.process():
        await stream_processes.until("before", "meanwhile", "in the thread", "in the channel")


async def test_a_channel_of_which_slack_tells_everything_is_read_wholly(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    room = slack.channel("help")
    async with stream_processes.process():
        slack.people.say("Ann", "before", room)
        await stream_processes.until("before")
        await slack.settled()
    slack.event_delivery.losing = True
    slack.people.say("Ann", "meanwhile", room)
    slack.event_delivery.losing = False
    async with stream_processes.process():
        await stream_processes.until("before", "meanwhile")


async def test_a_missing_scope_leaves_out_its_part_and_the_rest_is_read(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    slack.scopes -= {"groups:read", "mpim:read", "channels:history"}
    slack.channel("help")
    async with stream_processes.process():
        await slack.say("Ann", "before")
        await stream_processes.until("before")
        await slack.settled()
    slack.event_delivery.losing = True
    await slack.say("Ann", "meanwhile")
    slack.event_delivery.losing = False
    with capture_logs() as lines:
        async with stream_processes.process():
            await stream_processes.until("before", "meanwhile")
            await wait_until(lambda: sum("not" in line["event"].split("_") for line in lines) == 3)
    found = [(line["event"], line["kind"]) for line in lines if "not" in line["event"].split("_")]
    assert found == [
        ("rooms_not_listed", "private_channel"),
        ("rooms_not_listed", "mpim"),
        ("room_not_read", "channel"),
    ]


@pytest.mark.parametrize("refusal", ["invalid_auth", "not_allowed_token_type"])
async def test_a_token_that_is_refused_is_not_tried_again_and_again(
    slack: SlackVendor, stream_processes: StreamProcesses, refusal: str
) -> None:
    stream_processes.account.settings.__dict__["app_token"] = type(stream_processes.account.settings.app_token)(
        "xapp-wrong" if refusal == "invalid_auth" else slack.bot_token
    )
    async with stream_processes.process():
        await wait_until(lambda: count_opened_sockets(slack) == 1)
        page = stream_processes.metrics.render().decode()
        await asyncio.sleep(0.3)  # fifteen times the pause after a failure
        assert count_opened_sockets(slack) == 1
        assert 'parley_accounts_heard{account="main",channel="slack",tenant="shop"} 1.0' not in page


async def test_an_address_that_does_not_open_is_given_up_and_another_is_asked_for(
    slack: SlackVendor, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """slack_sdk's client would try the same address forever, though it opens once."""
    monkeypatch.setattr(socket, "HELLO_TIMEOUT", 0.3)
    ticket, used = slack.sockets.ticket, []

    def spoilt() -> str:
        used.append(ticket())
        return used[-1].replace("ticket=", "ticket=" if len(used) > 2 else "ticket=no-")

    monkeypatch.setattr(slack.sockets, "ticket", spoilt)
    async with stream_processes.process():
        await slack.sockets.opened()
        await slack.say("Ann", "hello")
        await stream_processes.until("hello")
        await slack.settled()
    assert len(used) == 3


@dataclass(frozen=True)
class KnownContacts:
    """Of whom the account has heard before."""

    heard: Sequence[str]
    session: Mapping[str, Any] = field(default_factory=dict)

    async def places(self) -> Sequence[str]:
        return self.heard

    async def addresses(self, place: str, addresses: Sequence[Address]) -> Sequence[Address]:
        return addresses


@pytest.mark.parametrize("heard", ["Ann", "Ben"])
async def test_those_come_first_of_whom_nothing_was_heard_before(
    slack: SlackVendor, stream_processes: StreamProcesses, heard: str
) -> None:
    slack.event_delivery.losing = True
    for person in ("Ann", "Ben"):
        await slack.say(person, f"{person} writes")
    place = f"{slack.workspace.team}:{slack.workspace.direct(slack.person(heard)).id}"
    since = datetime.now(UTC) - timedelta(minutes=1)
    read = [
        event
        async for events in read_history(stream_processes.account, since, KnownContacts([place]))
        for event in events
    ]
    assert [event.payload["text"] for event in read][-1] == f"{heard} writes"
