"""Socket Mode when Slack tells nothing twice: what may have been sent in vain is read from histories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from connectors.slack.socket_mode import stream
from tests.channels.stream_account import StreamProcesses, hall_of, wait_until
from tests.simulators.slack import event_delivery
from tests.simulators.slack.server import SlackVendor


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlackVendor]:
    """Each event is tried once. As soon as nobody may want it any more it is lost."""
    monkeypatch.setattr(event_delivery, "RETRIES", ())
    vendor = SlackVendor(mode="socket", ack_seconds=5.0)
    async with vendor.serving():
        yield vendor


@pytest.fixture
async def stream_processes(
    slack: SlackVendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamProcesses]:
    monkeypatch.setattr(stream, "MIN_LIFETIME", 0.0)
    async with hall_of(slack, tmp_path) as stream_processes:
        yield stream_processes


@asynccontextmanager
async def run_listening_process(stream_processes: StreamProcesses, slack: SlackVendor) -> AsyncIterator[None]:
    """A process that has heard something, so that it is not the account's first."""
    async with stream_processes.process():
        await slack.say("Ann", "before")
        await stream_processes.until("before")
        await slack.settled()
        yield


async def in_vain(slack: SlackVendor, text: str, person: str = "Ann") -> None:
    slack.event_delivery.losing = True
    await slack.say(person, text)
    slack.event_delivery.losing = False


async def two_sockets(slack: SlackVendor) -> None:
    """The first one is the old one."""
    await slack.sockets.disconnect("warning")
    await wait_until(lambda: len(slack.sockets.links) == 2)


async def test_messages_between_two_processes_are_received_however_soon_the_second_starts(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with run_listening_process(stream_processes, slack):
        pass
    await in_vain(slack, "meanwhile")
    async with stream_processes.process():
        await stream_processes.until("before", "meanwhile")


async def test_events_of_a_process_that_died_before_appending_are_received_by_the_next(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with run_listening_process(stream_processes, slack):
        stream_processes.narrow.is_closed = True
        await slack.say("Ann", "in its hands")
        await wait_until(lambda: stream_processes.narrow.refused)
    await wait_until(lambda: slack.event_delivery.lost)
    stream_processes.narrow.is_closed = False
    async with stream_processes.process():
        await stream_processes.until("before", "in its hands")


async def test_messages_written_while_a_broken_socket_is_replaced_are_received(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with run_listening_process(stream_processes, slack):
        slack.sockets.cut()
        await in_vain(slack, "meanwhile")
        await stream_processes.until("before", "meanwhile")


async def test_events_sent_over_an_old_socket_that_breaks_are_received(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with run_listening_process(stream_processes, slack):
        await two_sockets(slack)
        await in_vain(slack, "over the old one")
        slack.sockets.links[0].transport.abort()
        await stream_processes.until("before", "over the old one")


async def test_a_socket_that_slack_closes_in_order_after_the_new_one_is_there_costs_no_history(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    async with run_listening_process(stream_processes, slack):
        await two_sockets(slack)
        slack.sockets.links[0].leaving = True
        await slack.say("Ann", "meanwhile")  # over the new one, which is in use from here on
        await stream_processes.until("before", "meanwhile")
        await slack.sockets.links[0].socket.close()
        await wait_until(lambda: len(slack.sockets.links) == 1)
        await slack.say("Ann", "after")
        await stream_processes.until("before", "meanwhile", "after")
    assert [each.operation for each in slack.ledger.requests].count("conversations.history") == 0


async def test_events_refused_for_lack_of_room_are_received_later(
    slack: SlackVendor, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "INBOX_SIZE", 1)
    async with run_listening_process(stream_processes, slack):
        stream_processes.narrow.is_closed = True
        people = [f"person {number}" for number in range(4)]
        for each in people:
            await slack.say(each, f"from {each}")
        await wait_until(lambda: len(slack.event_delivery.lost) == len(people))
        stream_processes.narrow.is_closed = False
        await stream_processes.until("before", *[f"from {each}" for each in people])


async def test_a_command_that_could_not_be_appended_at_once_is_not_lost(
    slack: SlackVendor, stream_processes: StreamProcesses
) -> None:
    """It stands in no history, and Slack tells it once."""
    async with run_listening_process(stream_processes, slack):
        stream_processes.narrow.is_closed = True
        room = slack.workspace.direct(slack.person("Ann"))
        with pytest.raises(event_delivery.Undelivered):
            await slack.interactions.command("Ann", room, "/ask", "do you ship?")
        stream_processes.narrow.is_closed = False
        await stream_processes.until("before", "do you ship?")


async def test_events_sent_to_a_hanging_holder_are_received_after_a_while(
    slack: SlackVendor, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else reads a history here: it is the first that listens to the account."""
    monkeypatch.setattr(stream, "STALE_SOCKET_SECONDS", 0.2)
    async with aiohttp.ClientSession() as http, http.ws_connect(slack.sockets.ticket()):
        await slack.sockets.opened()
        await in_vain(slack, "to the one that hangs")
        async with stream_processes.process():
            await stream_processes.until("to the one that hangs")
