"""Acts at the desk and the places of its posts survive the loss of the state store; the same on SQLite and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.rebuild import RebuildReport, rebuild
from schemas import ids, topics
from schemas.conversation import DeliveryOutcome
from schemas.conversation_activity import MessageDeleted, MessageEdited
from schemas.desk import DeskCommand, DeskUpdate, DraftGenerated
from schemas.envelope import Envelope
from schemas.ports import Bus, State
from tests.contracts.bus.recording_consumer import open_consumer, wait_until
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.recorded_history import build_envelope, record_conversation
from tests.contracts.state.samples import NOW

CHANNELS = ("web", "slack")
DESK, KEEPERS = topics.outbound("slack"), topics.desk_group("slack")


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    database = Database.open(tmp_path / "log.db")
    bus = SqliteBus(database, clock=lambda: NOW)
    await bus.start()
    await bus.create_topics(topics.topic_specs(CHANNELS, partitions=3, small=3))
    yield bus
    await bus.close()
    await database.close()


async def rebuild_again(state: State, bus: Bus) -> RebuildReport:
    return await rebuild(bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=NOW)


async def commit_everything(bus: Bus) -> None:
    count = len([record async for record in await bus.read(DESK)])
    async with open_consumer(bus, KEEPERS, topics=[DESK]) as member:
        await wait_until(lambda: len(member.records) >= count, "all is read")
        await member.commit_what_is_ours()


def build_command(id_: str) -> DeskCommand:
    return DeskCommand(id=id_, kind="reply", by="slack:U1", account="main", place="C1:1.0", at=NOW)


def build_outcome_envelope(outcome: DeliveryOutcome, conversation: str) -> Envelope:
    """By the desk's own account."""
    made = build_envelope(topics.DELIVERY_RECORDED, outcome, conversation, f"told-{outcome.message_id}")
    return replace(made, channel="slack", account="support")


async def test_acts_drafts_and_one_look_that_nobody_finished_are_parked_again(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    draft = DraftGenerated(id="draft", text="We do.", at=NOW)
    records = [
        (topics.DESK_UPDATE, DeskUpdate(at=NOW), "touch-1"),
        (topics.DESK_COMMAND, build_command("done"), "done"),
        (topics.DESK_COMMAND, build_command("open"), "open"),
        (topics.DRAFT_GENERATED, draft, "made"),
        (topics.DESK_UPDATE, DeskUpdate(at=NOW), "touch-2"),
    ]
    await bus.append([build_envelope(kind, payload, life.conversation, id_) for kind, payload, id_ in records])
    finished = DeliveryOutcome(message_id=ids.derived_id("done", "done"), state="sent", at=NOW)
    await bus.append([build_outcome_envelope(finished, life.conversation)])
    await commit_everything(bus)
    for _ in range(2):
        assert (await rebuild_again(state, bus)).parked == 3
        parked = await state.parking.read(KEEPERS, life.conversation, limit=9)
        assert [record.headers["ce_id"] for record in parked] == ["touch-1", "open", "made"]
        assert await state.parking.read(topics.sender_group("slack"), life.conversation, limit=9) == []


async def test_records_that_the_log_will_deliver_again_are_not_parked(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    await bus.append([build_envelope(topics.DESK_COMMAND, build_command("open"), life.conversation, "open")])
    assert (await rebuild_again(state, bus)).parked == 0


async def test_a_post_of_the_desk_is_bound_to_the_desks_account_again(state: State, bus: Bus) -> None:
    life = await record_conversation(state, bus, "visitor")
    shown = DeliveryOutcome(message_id="root", state="sent", external_id="C1/1.0", at=NOW)
    await bus.append([build_outcome_envelope(shown, life.conversation)])
    await rebuild_again(state, bus)
    where = ("plantstore", "slack", "support", "C1/1.0")
    assert await state.deliveries.by_external_id(*where) == (life.conversation, "root")
    assert await state.deliveries.by_external_id("plantstore", "web", "main", "C1/1.0") is None
    assert await state.deliveries.outcome(life.conversation, "root") == shown


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ([("revise", "We did.", "sent")], ("We did.", "sent")),
        ([("revise", "We did.", "failed")], ("We do.", "sent")),
        ([("revise", "We did.", "")], ("We do.", "sent")),
        ([("revise", "We did.", "sent"), ("revise", "We will.", "failed")], ("We did.", "sent")),
        ([("revise", "We did.", "failed"), ("revise", "We will.", "sent")], ("We will.", "sent")),
        ([("retract", "", "failed")], ("We do.", "sent")),
        ([("retract", "", "sent")], ("", "deleted")),
        ([("revise", "We did.", "sent"), ("retract", "", "failed")], ("We did.", "sent")),
    ],
)
async def test_a_change_of_what_was_sent_is_there_again_if_the_vendor_made_it(
    state: State, bus: Bus, changes: list[tuple[str, str, str]], shown: tuple[str, str]
) -> None:
    """The transcript says what the contact sees, and one that was refused they have never seen."""
    life = await record_conversation(state, bus, "visitor")
    reply = await life.answer([await life.hear("Do you deliver?")], "We do.")
    await life.deliver(reply)
    for number, (kind, text, state_) in enumerate(changes, 1):
        change, topic = build_change(kind, reply, text, number)
        await bus.append([build_envelope(topic, change, life.conversation, f"change-{number}")])
        if state_:
            outcome = {"message_id": f"change-{number}", "part_of": reply, "state": state_, "at": NOW}
            await bus.append([build_outcome_envelope(DeliveryOutcome.model_validate(outcome), life.conversation)])
    await rebuild_again(state, bus)
    line = await state.transcript.find(life.conversation, reply)
    assert line is not None
    assert (line.text, line.state) == shown


def build_change(kind: str, reply: str, text: str, number: int) -> tuple[MessageEdited | MessageDeleted, str]:
    about: dict[str, Any] = {"message_id": reply, "place": "visitor", "contact_id": "c"}
    if kind == "revise":
        return MessageEdited(**about, text=text, edited_at=NOW, revision=number), topics.MESSAGE_REVISE
    return MessageDeleted(**about, deleted_at=NOW), topics.MESSAGE_RETRACT
