"""Consumers under their supervisor."""

from __future__ import annotations

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
        state=None,
        metrics=None,
        clock=None,
        accounts=None,
    )
    supervisor = Supervisor()
    connector_consumers(parts, ["web", "slack"], supervisor)
    assert closed == []
    await supervisor.finish(1)
    assert len(set(closed)) == 2
