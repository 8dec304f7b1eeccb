"""Readiness of a process: asked of its parts, at most every two seconds."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from gateway.wiring.gauges import Readiness
from schemas.errors import StateUnavailable


class Part:
    def __init__(self) -> None:
        self.asked = 0
        self.wrong = ""

    async def ready(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.wrong:
            raise StateUnavailable(self.wrong)


def readiness(part: Part, now: list[float]) -> tuple[Readiness, Any]:
    healer: Any = SimpleNamespace(available=asyncio.Event(), lost=asyncio.Event())
    healer.available.set()
    return Readiness({"state": part.ready}, healer, monotonic=lambda: now[0]), healer


async def test_probes_are_no_load() -> None:
    """A hundred at once ask the parts once, and again only two seconds later; when it is ill, half a second later."""
    part, now = Part(), [100.0]
    ready, _ = readiness(part, now)
    assert await asyncio.gather(*(ready() for _ in range(100))) == [{}] * 100
    now[0] += 1.9
    await ready()
    assert part.asked == 1
    part.wrong = "Redis has no memory left"
    now[0] += 0.2
    assert await ready() == {"state": "Redis has no memory left"}
    part.wrong = ""
    assert await ready() == {"state": "Redis has no memory left"}
    now[0] += 0.6
    assert await ready() == {}
    assert part.asked == 3


async def test_a_rebuild_shows_at_once() -> None:
    """It is known here, so it need not be asked for."""
    ready, healer = readiness(Part(), [100.0])
    assert await ready() == {}
    healer.available.clear()
    healer.lost.set()
    assert await ready() == {"state": "being rebuilt"}
    healer.lost.clear()
    assert await ready() == {"state": "being checked"}


async def test_a_cancelled_probe_does_not_end_it_for_the_others() -> None:
    part = Part()
    ready, _ = readiness(part, [100.0])
    first, second = asyncio.create_task(ready()), asyncio.create_task(ready())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == {}
    assert part.asked == 1
