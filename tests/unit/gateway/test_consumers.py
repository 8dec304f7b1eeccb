"""The supervisor and its consumers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.outbound.pipeline import OutboundPipeline
from gateway.wiring.consumers import connector_consumers
from gateway.wiring.supervisor import Supervisor
from schemas.ports import Capabilities, DeliveryPolicy


async def test_the_connections_of_every_sender_are_closed_once_everything_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[OutboundPipeline] = []

    async def close(self: OutboundPipeline) -> None:
        closed.append(self)

    monkeypatch.setattr(OutboundPipeline, "close", close)
    channel = SimpleNamespace(policy=DeliveryPolicy(), capabilities=Capabilities(max_text=1000))
    parts: Any = SimpleNamespace(
        channels={"web": channel, "slack": channel},
        config=SimpleNamespace(tenants={}, desks={}),
        bus=None,
        state=SimpleNamespace(leases=None),
        metrics=None,
        clock=None,
        accounts=None,
    )
    supervisor = Supervisor()
    connector_consumers(parts, ["web", "slack"], supervisor)
    assert closed == []
    await supervisor.finish(1)
    assert len(set(closed)) == 2


@pytest.mark.parametrize("steps", range(5))
async def test_a_pause_that_is_cancelled_as_it_ends_stays_cancelled(steps: int) -> None:
    """Otherwise a part of the process would go on, and the process would not stop."""
    supervisor = Supervisor()
    went_on = False

    async def pause() -> None:
        nonlocal went_on
        await supervisor.pause(3600)
        went_on = True
        await asyncio.Event().wait()

    task = asyncio.create_task(pause())
    for _ in range(5):
        await asyncio.sleep(0)
    supervisor.stopping.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=30)
    assert task.cancelled(), f"the pause lost its cancellation, and went on: {went_on}"
