"""Receipts: what the contact has seen."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors.receipts import Receipts
from schemas import topics
from schemas.errors import Parked
from schemas.messages import Author, Receipt, TranscriptMessage
from tests.unit.connectors.conftest import OneBatch, Scripted, World


async def add(world: World, n: int, kind: Any = "agent", state: Any = "sent") -> None:
    line = TranscriptMessage(
        id=f"l{n}", author=Author(kind=kind), text=f"line {n}", created_at=world.clock(), state=state
    )
    await world.state.transcript.add(world.conversation, line)


async def states(world: World) -> list[str]:
    found: list[str] = []
    while page := await world.state.transcript.read(world.conversation, after=len(found)):
        found += [line.state for line in page]
    return found


def receipts(world: World) -> Receipts:
    return Receipts(state=world.state, clock=world.clock)


def batch(world: World, *given: Receipt) -> OneBatch:
    return world.batch(*given, kind=topics.RECEIPT_RECORDED)


async def test_reading_up_to_a_number_marks_what_was_sent_and_nothing_else(world: World) -> None:
    kinds = [
        ("contact", "received"),
        ("agent", "sent"),
        ("person", "delivered"),
        ("system", "sent"),
        ("agent", "failed"),
        ("agent", "dropped"),
        ("agent", "sent"),
    ]
    for n, (kind, state) in enumerate(kinds):
        await add(world, n, kind, state)
    await receipts(world).handle(batch(world, Receipt(state="read", at=world.clock(), up_to_seq=6)))
    assert await states(world) == ["received", "read", "read", "read", "failed", "dropped", "sent"]


async def test_everything_unread_below_is_marked_however_much_it_is(world: World) -> None:
    for n in range(250):
        await add(world, n)
    await receipts(world).handle(batch(world, Receipt(state="read", at=world.clock(), up_to_seq=10_000)))
    assert await states(world) == ["read"] * 250


async def test_watchers_are_told_what_changed(world: World) -> None:
    await add(world, 0)
    signals = world.state.signals.subscribe(f"conversation:{world.conversation}")
    await receipts(world).handle(batch(world, Receipt(state="read", at=world.clock(), up_to_seq=1)))
    assert json.loads(await anext(signals)) == {"type": "receipt", "message_id": "l0", "state": "read"}


async def test_a_receipt_finds_its_message_by_either_id_and_never_lowers_a_state(world: World) -> None:
    await add(world, 0)
    await world.outbound(Scripted("x-1")).handle(world.batch(world.message("l0")))
    await receipts(world).handle(
        batch(
            world,
            Receipt(state="read", at=world.clock(), external_id="x-1"),
            Receipt(state="delivered", at=world.clock(), message_id="l0"),
        )
    )
    assert await states(world) == ["read"]


async def test_a_receipt_that_is_faster_than_its_message_waits_ten_minutes_at_most(world: World) -> None:
    early = batch(world, Receipt(state="delivered", at=world.clock(), external_id="unknown"))
    with pytest.raises(Parked):
        await receipts(world).handle(early)
    world.clock.now += timedelta(minutes=11)
    await receipts(world).handle(early)


async def test_other_events_and_broken_ones_are_left_to_others(world: World) -> None:
    await add(world, 0)
    given = batch(world, Receipt(state="read", at=world.clock(), up_to_seq=1))
    broken = world.record(Receipt(state="read", at=world.clock()), topics.RECEIPT_RECORDED, value=b"{")
    message = world.record(world.message())
    given.records[:0] = [broken, message]
    await receipts(world).handle(given)
    assert await states(world) == ["read"]
