"""Receipts: what the contact has seen."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors.outbound.receipts import ReceiptHandler
from schemas import ids, topics
from schemas.conversation_activity import Feedback, ReactionChanged
from schemas.desk import DeskUpdate
from schemas.errors import Parked, SendUnknown
from schemas.messages import Author, Receipt, TranscriptMessage
from schemas.ports import DeliveryPolicy
from tests.unit.connectors.conftest import ConnectorEnvironment, OneBatch, ScriptedChannel


async def add(world: ConnectorEnvironment, n: int, kind: Any = "agent", state: Any = "sent") -> None:
    line = TranscriptMessage(
        id=f"l{n}", author=Author(kind=kind), text=f"line {n}", created_at=world.clock(), state=state
    )
    await world.state.transcript.add(world.conversation, line)


async def list_states(world: ConnectorEnvironment) -> list[str]:
    found: list[str] = []
    while page := await world.state.transcript.read(world.conversation, after=len(found)):
        found += [line.state for line in page]
    return found


def receipts(world: ConnectorEnvironment) -> ReceiptHandler:
    return ReceiptHandler(bus=world.bus, state=world.state, clock=world.clock)


def batch(world: ConnectorEnvironment, *given: Receipt) -> OneBatch:
    return world.batch(*given, kind=topics.RECEIPT_RECORDED)


async def test_reading_up_to_a_number_marks_what_was_sent_and_nothing_else(world: ConnectorEnvironment) -> None:
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
    assert await list_states(world) == ["received", "read", "read", "read", "failed", "dropped", "sent"]


async def test_everything_unread_below_is_marked_however_much_it_is(world: ConnectorEnvironment) -> None:
    for n in range(250):
        await add(world, n)
    await receipts(world).handle(batch(world, Receipt(state="read", at=world.clock(), up_to_seq=10_000)))
    assert await list_states(world) == ["read"] * 250


async def test_watchers_are_told_what_changed(world: ConnectorEnvironment) -> None:
    await add(world, 0)
    signals = world.state.signals.subscribe(f"conversation:{world.conversation}")
    await receipts(world).handle(batch(world, Receipt(state="read", at=world.clock(), up_to_seq=1)))
    assert json.loads(await anext(signals)) == {"type": "receipt", "message_id": "l0", "state": "read"}


async def test_a_receipt_finds_its_message_by_either_id_and_never_lowers_a_state(world: ConnectorEnvironment) -> None:
    await add(world, 0)
    await world.outbound(ScriptedChannel("x-1")).handle(world.batch(world.message("l0")))
    await receipts(world).handle(
        batch(
            world,
            Receipt(state="read", at=world.clock(), external_id="x-1"),
            Receipt(state="delivered", at=world.clock(), message_id="l0"),
        )
    )
    assert await list_states(world) == ["read"]


async def test_our_own_id_given_back_ends_the_doubt(world: ConnectorEnvironment) -> None:
    """The answer to our request never came, but the vendor's word on it does: it was sent, and is not sent again."""
    channel = ScriptedChannel(SendUnknown("cut"), policy=DeliveryPolicy(reconciliation="receipt"))
    sender = world.outbound(channel)
    await add(world, 0)
    with pytest.raises(Parked):
        await sender.handle(world.batch(world.message("l0")))
    told = Receipt(state="delivered", at=world.clock(), marker="l0", external_id="x-9")
    await receipts(world).handle(batch(world, told))
    await sender.handle(world.batch(world.message("l0")))
    outcome = await world.outcome("l0")
    assert outcome is not None
    assert (channel.sent, outcome.state, await list_states(world)) == (["l0"], "sent", ["delivered"])
    found = await world.state.deliveries.by_external_id("shop", "web", "main", "x-9")
    assert found == (world.conversation, "l0")


async def test_our_own_id_given_back_in_the_moment_in_which_the_sender_gives_up_is_what_counts(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as sent, its line is written, and what else the vendor says of it finds that."""
    channel = ScriptedChannel(SendUnknown("cut"), policy=DeliveryPolicy(reconciliation="receipt"))
    sender = world.outbound(channel)
    with pytest.raises(Parked):
        await sender.handle(world.batch(world.message("l0")))
    told = batch(world, Receipt(state="delivered", at=world.clock(), marker="l0", external_id="x-9"))
    doubtful_until = world.state.deliveries.intent_deadline

    async def told_meanwhile(conversation: str, message_id: str) -> Any:
        with pytest.raises(Parked):
            await receipts(world).handle(told)
        return await doubtful_until(conversation, message_id)

    monkeypatch.setattr(world.state.deliveries, "intent_deadline", told_meanwhile)
    await sender.handle(world.batch(world.message("l0")))
    await receipts(world).handle(told)
    assert (channel.sent, await world.facts(), await list_states(world)) == (["l0"], [("l0", "sent")], ["delivered"])


async def test_our_own_id_given_back_ends_the_doubt_behind_a_receipt_that_waits(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(SendUnknown("cut"), policy=DeliveryPolicy(reconciliation="receipt"))
    with pytest.raises(Parked):
        await world.outbound(channel).handle(world.batch(world.message("l0")))
    early = Receipt(state="delivered", at=world.clock(), external_id="of a message that nobody knows yet")
    ours = Receipt(state="delivered", at=world.clock(), marker="l0", external_id="x-9")
    with pytest.raises(Parked):
        await receipts(world).handle(batch(world, early, ours))
    await world.outbound(channel).handle(world.batch(world.message("l0")))
    assert (channel.sent, await world.facts()) == (["l0"], [("l0", "sent")])


async def test_a_receipt_that_overtakes_the_answer_marks_the_line_once_it_is_written(
    world: ConnectorEnvironment,
) -> None:
    told = batch(world, Receipt(state="read", at=world.clock(), marker="r1", external_id="x-9"))
    with pytest.raises(Parked):
        await receipts(world).handle(told)
    await world.outbound(ScriptedChannel()).handle(world.batch(world.message("r1")))
    await receipts(world).handle(told)
    assert await list_states(world) == ["read"]


async def test_a_receipt_of_a_known_message_waits_for_its_line_too(world: ConnectorEnvironment) -> None:
    await world.state.deliveries.bind("shop", "web", "main", "x-1", world.conversation, "l0")
    told = batch(world, Receipt(state="read", at=world.clock(), external_id="x-1"))
    with pytest.raises(Parked):
        await receipts(world).handle(told)
    await add(world, 0)
    await receipts(world).handle(told)
    assert await list_states(world) == ["read"]


async def test_a_piece_that_arrived_says_nothing_of_the_whole_and_one_that_failed_does(
    world: ConnectorEnvironment,
) -> None:
    for n in range(2):
        await add(world, n)
    arrived = Receipt(state="read", at=world.clock(), marker=ids.part_id("l0", 0, 2), external_id="x-1")
    failed = Receipt(state="failed", at=world.clock(), marker=ids.part_id("l1", 0, 2), reason="blocked")
    await receipts(world).handle(batch(world, arrived, failed))
    assert await list_states(world) == ["sent", "failed"]


async def test_a_receipt_that_is_faster_than_its_message_waits_ten_minutes_at_most(world: ConnectorEnvironment) -> None:
    early = batch(world, Receipt(state="delivered", at=world.clock(), external_id="unknown"))
    with pytest.raises(Parked):
        await receipts(world).handle(early)
    world.clock.now += timedelta(minutes=11)
    await receipts(world).handle(early)


async def test_other_events_and_broken_ones_are_left_to_others(world: ConnectorEnvironment) -> None:
    await add(world, 0)
    given = batch(world, Receipt(state="read", at=world.clock(), up_to_seq=1))
    broken = world.record(Receipt(state="read", at=world.clock()), topics.RECEIPT_RECORDED, value=b"{")
    message = world.record(world.message())
    given.records[:0] = [broken, message]
    await receipts(world).handle(given)
    assert await list_states(world) == ["read"]


async def apply_reaction(world: ConnectorEnvironment, emoji: str, *, on: str = "x1", **more: Any) -> None:
    reaction = ReactionChanged(
        external_id=on, place="p", contact_id=world.contact, emoji=emoji, at=world.clock(), **more
    )
    await receipts(world).handle(world.batch(reaction, kind=topics.REACTION_CHANGED))


async def feedback(world: ConnectorEnvironment) -> list[tuple[str, str, str]]:
    told = [event.payload(Feedback) for event in await world.logged() if event.type == topics.FEEDBACK_GIVEN]
    return [(each.message_id, each.contact_id, each.value) for each in told]


async def bind_message(world: ConnectorEnvironment, n: int, kind: Any = "agent") -> None:
    await add(world, n, kind)
    await world.state.deliveries.bind("shop", "web", "main", f"x{n}", world.conversation, f"l{n}")


async def test_a_thumb_on_an_answer_is_feedback_and_taking_it_back_undoes_it(world: ConnectorEnvironment) -> None:
    await bind_message(world, 1)
    for emoji, taken_back in (("👍🏽", False), ("👍", True), (":-1:", False), ("❤️", False), ("❤️", True)):
        await apply_reaction(world, emoji, taken_back=taken_back)
    assert await feedback(world) == [("l1", world.contact, value) for value in ("up", "none", "down")]


async def test_a_different_reaction_takes_the_thumb_back_where_only_one_is_allowed(world: ConnectorEnvironment) -> None:
    await bind_message(world, 1)
    for emoji, taken_back in (("👎️", False), ("😮", False), ("👍", False), ("", True)):
        await apply_reaction(world, emoji, taken_back=taken_back, only=True)
    assert [value for _, _, value in await feedback(world)] == ["down", "none", "up", "none"]


async def test_a_thumb_on_anything_but_an_answer_of_the_agent_is_no_feedback(world: ConnectorEnvironment) -> None:
    for n, kind in ((1, "person"), (2, "contact"), (3, "system")):
        await bind_message(world, n, kind)
        await apply_reaction(world, "👍", on=f"x{n}")
    await apply_reaction(world, "👍", on="unknown")
    await world.state.deliveries.bind("shop", "web", "main", "elsewhere", "another conversation", "l9")
    await apply_reaction(world, "👍", on="elsewhere")
    assert await feedback(world) == []


async def test_a_thumb_that_is_faster_than_the_line_of_its_answer_waits_for_it(world: ConnectorEnvironment) -> None:
    await world.state.deliveries.bind("shop", "web", "main", "x1", world.conversation, "l1")
    with pytest.raises(Parked):
        await apply_reaction(world, "👍")
    await add(world, 1)
    await apply_reaction(world, "👍")
    assert await feedback(world) == [("l1", world.contact, "up")]


async def list_desk_updates(world: ConnectorEnvironment) -> list[tuple[str, list[str]]]:
    events = await world.logged(topics.outbound("slack"))
    assert all(event.type == topics.DESK_UPDATE for event in events)
    return [(event.conversation, event.payload(DeskUpdate).changed) for event in events]


async def test_people_hear_how_far_their_own_words_have_come_and_of_no_others(world: ConnectorEnvironment) -> None:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    for n, kind in enumerate(("contact", "person", "agent")):
        await add(world, n, kind)
    seen = Receipt(state="read", at=world.clock(), up_to_seq=3)
    watching = ReceiptHandler(bus=world.bus, state=world.state, clock=world.clock, desk_tenants=frozenset({"shop"}))
    await receipts(world).handle(batch(world, Receipt(state="delivered", at=world.clock(), message_id="l1")))
    assert await list_desk_updates(world) == []
    await watching.handle(batch(world, seen))
    assert await list_desk_updates(world) == [(world.conversation, ["l1"])]
