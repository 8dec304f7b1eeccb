"""Discord's gateway, on discord.py, against the simulated Discord: nothing is counted as heard before it is
appended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.discord.gateway import interaction_responses, sessions, shard_client, stream
from connectors.discord.gateway.sessions import Session, SessionStore
from connectors.discord.rest import RestClient
from tests.channels.stream_account import TIMES, StreamProcesses, hall_of, wait_until
from tests.simulators.discord import Discord
from tests.simulators.vendor import Fault

ASK = {
    "name": "ask",
    "description": "Ask the shop",
    "options": [{"name": "question", "description": "What?", "type": 3, "required": True}],
}


@pytest.fixture
async def server() -> AsyncIterator[Discord]:
    async with Discord(pace=0).serving() as discord:
        yield discord


@pytest.fixture
async def stream_processes(
    server: Discord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamProcesses]:
    """Pauses that Discord asks for are short here."""
    monkeypatch.setattr(stream, "INVALID_PAUSE", (0.01, 0.02))
    monkeypatch.setattr(sessions, "MIN_SPACING", timedelta(0))
    async with hall_of(server, tmp_path) as stream_processes:
        yield stream_processes


def count_requests(server: Discord, operation: str) -> int:
    return sum(each.operation == operation for each in server.ledger.requests)


def has_said(lines: Sequence[MutableMapping[str, Any]], event: str) -> bool:
    return any(line["event"] == event for line in lines)


async def wait_until_connected(server: Discord, count: int = 1) -> None:
    """Until so many sessions have been told everything."""
    await wait_until(lambda: sum(each.connection is not None for each in server.gateway.sessions.values()) == count)
    await server.settled()


async def test_messages_of_all_places_are_appended(server: Discord, stream_processes: StreamProcesses) -> None:
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "in a direct message")
        server.move("leo", server.world.home)
        await server.say("leo", f"{server.mention} in the server")
        await stream_processes.until("in a direct message", "in the server")
    assert server.gateway.closes == [shard_client.CLOSE_CODE]


async def heard_until(stream_processes: StreamProcesses) -> datetime:
    """Until when, by the note for the next holder, the account was heard."""
    note = await stream_processes.state.leases.read_note("account:shop:discord:main")
    return datetime.fromisoformat(json.loads(note)["heard"])


async def test_events_that_cannot_be_appended_are_not_counted_as_received_and_keep_their_order(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    """A process that is killed meanwhile leaves behind that they are missing."""
    server.gateway.beat_seconds = 0.05
    async with stream_processes.process():
        await wait_until_connected(server)
        stream_processes.narrow.is_closed = True
        for number in range(3):
            await server.say("mia", str(number))
        await wait_until(lambda: stream_processes.narrow.refused >= 2)
        refused = datetime.now(UTC)
        await asyncio.sleep(3 * TIMES.renew)  # the note is written with every renewal
        assert await heard_until(stream_processes) < refused
        (session,) = server.gateway.sessions.values()
        assert session.heard < session.seq
        stream_processes.narrow.is_closed = False
        await stream_processes.until("0", "1", "2")
        assert await stream_processes.heard() == ["0", "1", "2"]
        await server.settled()


async def test_a_process_goes_on_with_the_session_of_the_one_before(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    """Also with what it had heard and not appended."""
    server.gateway.beat_seconds = 0.05
    server.move("leo", server.world.home)
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "before")
        await stream_processes.until("before")
        await server.settled()
        stream_processes.narrow.is_closed = True
        await server.say("mia", "heard, not appended")
        await wait_until(lambda: stream_processes.narrow.refused)
    stream_processes.narrow.is_closed = False
    await server.say("mia", "meanwhile")
    await server.say("leo", f"{server.mention} a stranger in the server")
    async with stream_processes.process():
        said = ["before", "heard, not appended", "meanwhile", "a stranger in the server"]
        await stream_processes.until(*said)
        assert await stream_processes.heard() == said
    assert (count_requests(server, "Identify"), count_requests(server, "Resume")) == (1, 1)


async def test_when_too_much_waits_the_connection_is_given_up_and_nothing_is_lost(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_WAITING", 5)
    monkeypatch.setattr(stream, "DRAIN_SECONDS", 0.05)
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "before")
        await stream_processes.until("before")
        stream_processes.narrow.is_closed = True
        said = [str(number) for number in range(20)]
        for each in said:
            await server.say("mia", each)
        await wait_until(lambda: count_requests(server, "Resume") >= 1)
        stream_processes.narrow.is_closed = False
        await stream_processes.until("before", *said)
        assert count_requests(server, "Identify") == 1
        assert await stream_processes.heard() == ["before", *said]


@pytest.mark.parametrize("how", ["cut", "reconnect", "resumable", "4000"])
async def test_after_a_loss_that_is_none_the_session_is_resumed(
    server: Discord, stream_processes: StreamProcesses, how: str
) -> None:
    async with stream_processes.process():
        await wait_until_connected(server)
        if how == "reconnect":
            server.gateway.ask_reconnect()
        elif how == "resumable":
            server.gateway.invalidate(resumable=True)
        else:
            server.gateway.hang_up(None if how == "cut" else 4000)
        await server.say("mia", "meanwhile")
        await stream_processes.until("meanwhile")
        await wait_until(lambda: count_requests(server, "Resume") == 1)
        assert count_requests(server, "Identify") == 1


@pytest.mark.parametrize("how", ["invalid", "4007", "4009"])
async def test_a_session_that_is_gone_is_begun_anew_and_the_gap_is_read_from_the_history(
    server: Discord, stream_processes: StreamProcesses, how: str
) -> None:
    async with stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "before")
        await stream_processes.until("before")
        await server.settled()
        server.gateway.hold()
        await server.say("mia", "in the gap")
        server.gateway.lose()
        if how == "invalid":
            server.gateway.invalidate()
        else:
            server.gateway.hang_up(int(how))
        await wait_until(lambda: count_requests(server, "Identify") == 2)
        await server.say("mia", "after")
        await stream_processes.until("before", "in the gap", "after")
    assert count_requests(server, "Resume") == 0


async def test_messages_from_before_the_first_recorded_session_are_read_from_the_history(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    server.gateway.faults.always = lambda request: Fault("drop") if request.operation == "Identify" else None
    server.move("leo", server.world.home)
    async with stream_processes.process():
        await wait_until(lambda: len(server.gateway.closes) > 0)
        await server.say("leo", f"{server.mention} in the server")
        server.gateway.faults.always = lambda request: None
        await stream_processes.until("in the server")


async def test_a_connection_without_a_sign_of_life_is_given_up_and_resumed(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_client, "HEARTBEAT_TIMEOUT", 0.8)
    server.gateway.beat_seconds = 0.2
    async with stream_processes.process():
        await wait_until_connected(server)
        server.gateway.faults.always = lambda request: Fault("lose") if request.operation == "Heartbeat" else None
        await wait_until(lambda: count_requests(server, "Resume") >= 1 and 4000 in server.gateway.closes)
        server.gateway.faults.always = lambda request: None
        await server.say("mia", "still there?")
        await stream_processes.until("still there?")


@pytest.mark.parametrize(
    ("code", "said"), [(4004, "credentials_revoked"), (4013, "setup"), (4014, "message content intent")]
)
async def test_an_error_that_only_an_operator_can_fix_pauses_the_account_and_names_the_fix(
    server: Discord, stream_processes: StreamProcesses, code: int, said: str
) -> None:
    server.gateway.faults.next(Fault("refuse", "Identify", status=code))
    with capture_logs() as lines:
        async with stream_processes.process():
            await wait_until(partial(has_said, lines, "account_paused"))
            await asyncio.sleep(0.3)  # fifteen times the pause after a failure
    assert count_requests(server, "Identify") == 1
    (paused,) = [line for line in lines if line["event"] == "account_paused"]
    assert said in f"{paused['code']}: {paused['fix']}"


async def test_a_wrong_token_is_found_out_without_an_identification(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    server.world.token = "another"
    async with stream_processes.process():
        await wait_until(lambda: count_requests(server, "Get Gateway Bot") == 1)
        await asyncio.sleep(0.3)  # fifteen times the pause after a failure
        assert (count_requests(server, "Get Gateway Bot"), count_requests(server, "Identify")) == (1, 0)


async def test_the_budget_of_identifications_outlives_the_processes_that_spend_it(
    server: Discord, stream_processes: StreamProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three are allowed, and no session ever lasts."""
    monkeypatch.setattr(sessions, "MAX_BURST", 3)
    server.gateway.faults.next(*[Fault("refuse", "Identify", status=4009) for _ in range(20)])
    for _ in range(4):
        with capture_logs() as lines:
            async with stream_processes.process():
                await wait_until(partial(has_said, lines, "identify_delayed"))
    assert count_requests(server, "Identify") == 3


async def test_the_last_identifications_of_a_day_are_left_to_people(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    server.gateway.identify_budget = stream.RESERVED_IDENTIFIES
    async with stream_processes.process():
        await wait_until(lambda: count_requests(server, "Get Gateway Bot") == 1)
        await asyncio.sleep(0.3)  # fifteen times the pause after a failure
        assert (count_requests(server, "Get Gateway Bot"), count_requests(server, "Identify")) == (1, 0)


async def test_of_three_processes_one_has_the_session(server: Discord, stream_processes: StreamProcesses) -> None:
    async with stream_processes.process(), stream_processes.process(), stream_processes.process():
        await wait_until_connected(server)
        await server.say("mia", "hello")
        await stream_processes.until("hello")
        assert len(server.gateway.connections) == 1
        await asyncio.sleep(10 * TIMES.poll)  # each of the others has looked whether it may have the account
        assert (len(server.gateway.connections), count_requests(server, "Identify")) == (1, 1)


async def test_commands_and_buttons_are_answered_in_time(server: Discord, stream_processes: StreamProcesses) -> None:
    """A command is shown as its question; one that is not ours says so to its author alone."""
    rest = RestClient(stream_processes.account)
    async with stream_processes.process():
        await wait_until_connected(server)
        for command in (ASK, {"name": "sing", "description": "Sing"}):
            made = await rest.request("POST", f"/applications/{server.world.application}/commands", json=command)
            assert made.status == 201
        ask = server.command("mia", "ask", "do you ship?")
        other = server.command("mia", "sing")
        await stream_processes.until("do you ship?")
        await server.ledger.until(lambda: ask.answered and other.answered)
    assert ask.original is not None
    assert ask.original.data["content"] == "> do you ship?"
    assert other.original is not None
    assert other.original.ephemeral
    await rest.close()


async def test_a_press_on_what_is_not_ours_changes_nothing_and_shows_no_failure(
    server: Discord, stream_processes: StreamProcesses
) -> None:
    rest = RestClient(stream_processes.account)
    button = {"type": 2, "style": 1, "label": "Refund", "custom_id": "refund"}
    body = {"content": "Pick", "components": [{"type": 1, "components": [button]}]}
    async with stream_processes.process():
        await wait_until_connected(server)
        await rest.request("POST", f"/channels/{server.place('mia')}/messages", json=body)
        id_ = await server.choose("mia", server.ledger.shown[0], "Refund")
        await server.ledger.until(lambda: server.interactions.made[id_].answered)
    assert server.interactions.made[id_].answered == interaction_responses.DEFERRED_UPDATE
    assert await stream_processes.heard() == []
    await rest.close()


@pytest.mark.parametrize(("shards", "at_once"), [(1, 20), (6, 20), (10, 30)])
def test_a_budget_fills_up_again(shards: int, at_once: int) -> None:
    at = datetime(2026, 5, 4, tzinfo=UTC)
    budget = sessions.SessionBudget()
    for _ in range(at_once):
        assert budget.get_wait(at, shards, 1) == timedelta(0)
        budget = budget.spend(at)
    assert budget.get_spacing(at) == sessions.MIN_SPACING
    assert timedelta(0) < budget.get_wait(at, shards, 1) <= sessions.REFILL_INTERVAL
    assert budget.get_wait(at + sessions.REFILL_INTERVAL, shards, 1) == timedelta(0)
    assert budget.spend(at + timedelta(days=1)).left == sessions.MAX_BURST - 1


def test_a_note_of_an_earlier_version_is_kept_and_another_note_is_none() -> None:
    at = datetime(2026, 5, 4, tzinfo=UTC)
    note = {"budget": {"left": 3.0, "at": at.isoformat()}, "sessions": [{"id": "x", "seq": 7, "url": "wss://x"}]}
    store = SessionStore.from_note(note)
    assert (store.budget.left, store.budget.at) == (3.0, at)
    assert store.sessions == [Session(id="x", seq=7, url="wss://x")]
    assert SessionStore.from_note(store.build_note()) == store
    assert SessionStore.from_note({"budget": note["budget"]}).budget == store.budget
    for other in ({}, {"budget": None}, {"budget": {"left": "many"}}):
        assert SessionStore.from_note(other) == SessionStore()
