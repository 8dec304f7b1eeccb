"""Messages that are lost when another process becomes the holder of a Discord account, with production intervals:
at once, and after each stranger has written again.

python -m tests.measure.discord_holders
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import structlog

from connectors.discord.gateway.sessions import MIN_SPACING
from connectors.streams import EventStreamTimings
from connectors.streams.account_lease import AccountLease
from tests.channels.stream_account import StreamProcesses, hall_of, wait_until
from tests.simulators.discord import Discord

PAUSE_S = 0.05
"""Between two rounds of messages."""


async def leave_lease(lease: AccountLease) -> None:
    """A killed process releases nothing."""


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for is_killed in (False, True):
        async with Discord(pace=0).serving() as server:
            with tempfile.TemporaryDirectory() as folder:
                async with hall_of(server, Path(folder)) as processes:
                    print("after a kill:" if is_killed else "after a stop:", await _take_over(processes, is_killed))


async def _take_over(processes: StreamProcesses, is_killed: bool) -> str:
    server = processes.vendor
    assert isinstance(server, Discord)
    server.move("leo", server.world.home)
    stops = [asyncio.Event(), asyncio.Event()]
    first = asyncio.create_task(processes.streams(EventStreamTimings()).run([processes.account], stops[0]))
    await wait_until(lambda: _is_connected(server))
    await server.say("mia", "before")
    await processes.until("before")
    second = asyncio.create_task(processes.streams(EventStreamTimings()).run([processes.account], stops[1]))
    await asyncio.sleep(MIN_SPACING.total_seconds())  # sooner, the other could not begin a session at once
    began = time.perf_counter()
    stops[0].set()
    with mock.patch.object(AccountLease, "release", leave_lease) if is_killed else nullcontext():
        await first
    rounds, gap = await _write_until_connected(server, began)
    await asyncio.sleep(4)
    lost = await _count_lost(server, processes, rounds)
    for number in range(rounds):
        await server.say(f"stranger{number}", f"again {number}")
    await asyncio.sleep(4)
    still_lost = await _count_lost(server, processes, rounds)
    stops[1].set()
    await second
    return f"{gap:.1f} s, {rounds} messages of each kind; lost: {lost}; after one more each: {still_lost}"


async def _count_lost(server: Discord, processes: StreamProcesses, rounds: int) -> dict[str, int]:
    heard = {text.removeprefix(f"{server.mention} ") for text in await processes.heard()}
    return {kind: sum(f"{kind} {number}" not in heard for number in range(rounds)) for kind in ("dm", "room", "known")}


def _is_connected(server: Discord) -> bool:
    return any(each.connection is not None for each in server.gateway.sessions.values())


async def _write_until_connected(server: Discord, began: float) -> tuple[int, float]:
    """A message of each kind every round, and for a second afterwards."""
    rounds, gap = 0, 0.0
    while not gap or time.perf_counter() < began + gap + 1:
        await server.say(f"stranger{rounds}", f"dm {rounds}")
        await server.say("leo", f"{server.mention} room {rounds}")
        await server.say("mia", f"known {rounds}")
        rounds += 1
        await asyncio.sleep(PAUSE_S)
        if not gap and _is_connected(server):
            gap = time.perf_counter() - began
    return rounds, gap


if __name__ == "__main__":
    asyncio.run(main())
