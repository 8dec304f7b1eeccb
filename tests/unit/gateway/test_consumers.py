"""Consumers under their supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.consumers import Consumer, Consumers
from gateway.supervisor import Supervisor


async def test_what_a_consumer_holds_open_is_closed_once_nothing_is_handled_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []
    supervisor, nothing = Supervisor(), Any

    def part(self: Consumers, consumer: Consumer) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await supervisor.stopping.wait()
            order.append(f"{consumer.group} ended")

        return run

    async def close() -> None:
        order.append("closed")

    monkeypatch.setattr(Consumers, "_part", part)
    consumers = Consumers(nothing, supervisor)  # type: ignore[arg-type]
    consumers.start([Consumer("t", group, "web", nothing, nothing, close) for group in ("a", "b")])  # type: ignore[arg-type]
    await asyncio.sleep(0)  # the parts begin
    supervisor.stopping.set()
    await supervisor.finish(5)
    assert sorted(order[:2]) == ["a ended", "b ended"]
    assert order[2:] == ["closed", "closed"]
