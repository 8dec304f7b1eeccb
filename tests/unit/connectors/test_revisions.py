"""A person changes or takes back what the contact has: at the vendor first, then in the transcript."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from connectors import conversation_signals
from schemas import topics
from schemas.conversation_activity import MessageDeleted, MessageEdited
from schemas.errors import Parked, RetryLater, SendRefused
from schemas.messages import Author
from schemas.ports import Capabilities, Record, VendorCall, VendorResponse
from tests.unit.connectors.conftest import ConnectorEnvironment, OneBatch, ScriptedChannel


class EditingChannel(ScriptedChannel):
    """Also writes down what its calls say."""

    capabilities = Capabilities(max_text=1000, edits=True)

    def __init__(self, *script: Any, **more: Any) -> None:
        super().__init__(*script, **more)
        self.said: list[tuple[str, str, str]] = []

    def render_edit(self, call: VendorCall, shown: str) -> VendorCall | None:
        text = str(call.arguments["text"])
        return None if text == "impossible" else VendorCall("change", {"text": text, "shown": shown})

    def render_deletion(self, call: VendorCall, shown: str) -> VendorCall:
        return VendorCall("remove", {"text": "", "shown": shown})

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        reply = await super().perform(call, marker)
        if "shown" in call.arguments:
            self.said.append((call.operation, call.arguments["text"], call.arguments["shown"]))
            return replace(reply, body=call.arguments["shown"])
        return reply


def build_record(world: ConnectorEnvironment, kind: str, change: Any, name: str) -> Record:
    record = world.record(change, kind)
    return replace(record, headers={**record.headers, "ce_id": name})


def edit(world: ConnectorEnvironment, text: str, *, revision: int = 1) -> Record:
    change = MessageEdited(
        message_id="r1", place="p", contact_id=world.contact, text=text, edited_at=world.clock(), revision=revision
    )
    return build_record(world, topics.MESSAGE_REVISE, change, f"edit-{revision}")


def build_removal(world: ConnectorEnvironment) -> Record:
    change = MessageDeleted(message_id="r1", place="p", contact_id=world.contact, deleted_at=world.clock())
    return build_record(world, topics.MESSAGE_RETRACT, change, "removal")


async def sent(world: ConnectorEnvironment, channel: EditingChannel, text: str = "one") -> None:
    message = world.message("r1", text=text, author=Author(kind="person", name="Mo"))
    await world.outbound(channel).handle(world.batch(message))


async def change(world: ConnectorEnvironment, channel: EditingChannel, *records: Record) -> None:
    await world.outbound(channel).handle(OneBatch(world.conversation, list(records)))


async def line(world: ConnectorEnvironment) -> tuple[str, str]:
    found = await world.state.transcript.find(world.conversation, "r1")
    assert found is not None
    return found.text, found.state


async def test_an_edit_changes_what_was_shown_and_then_the_transcript(world: ConnectorEnvironment) -> None:
    channel = EditingChannel()
    await sent(world, channel)
    for _ in range(2):
        await change(world, channel, edit(world, "two"))
    assert channel.said == [("change", "two", "x-r1")]
    assert await line(world) == ("two", "sent")
    told = await world.outcome("edit-1")
    assert told is not None
    assert (told.state, told.part_of) == ("sent", "r1")
    # What the vendor says of it later is still the message's.
    assert await world.state.deliveries.by_external_id("shop", "web", "main", "x-r1") == (world.conversation, "r1")


async def test_a_deleted_reply_is_gone_at_the_vendor_and_loses_its_text(world: ConnectorEnvironment) -> None:
    channel = EditingChannel()
    await sent(world, channel, "one\nand more")
    await change(world, channel, build_removal(world))
    assert channel.said == [("remove", "", "x-r1.0"), ("remove", "", "x-r1")]
    assert await line(world) == ("", "deleted")


async def test_only_pieces_that_say_something_else_are_changed(world: ConnectorEnvironment) -> None:
    channel = EditingChannel()
    await sent(world, channel, "one\ntwo")
    await change(world, channel, edit(world, "one\nthree"))
    assert channel.said == [("change", "three", "x-r1")]


@pytest.mark.parametrize(
    ("before", "after"),
    [("one", "impossible"), ("one", "two\nthree"), ("one\ntwo", "three"), ("one\ntwo\nthree", "four\nfive")],
)
async def test_a_reply_that_cannot_be_edited_stays_unchanged_everywhere(
    world: ConnectorEnvironment, before: str, after: str
) -> None:
    channel = EditingChannel()
    await sent(world, channel, before)
    await change(world, channel, edit(world, after))
    assert channel.said == []
    assert await line(world) == (before, "sent")
    told = await world.outcome("edit-1")
    assert told is not None
    assert (told.state, told.reason) == ("failed", "cannot_be_changed")


async def test_a_refused_change_is_told_and_leaves_the_transcript(world: ConnectorEnvironment) -> None:
    channel = EditingChannel("x-r1", SendRefused("missing_permission"))
    await sent(world, channel)
    await change(world, channel, edit(world, "two"))
    assert await line(world) == ("one", "sent")
    assert ("edit-1", "failed") in await world.facts()


async def test_the_latest_of_several_edits_stays_whatever_their_order(world: ConnectorEnvironment) -> None:
    channel = EditingChannel()
    await sent(world, channel)
    await change(world, channel, edit(world, "three", revision=3), edit(world, "two", revision=2))
    assert await line(world) == ("three", "sent")


async def test_a_change_waits_for_a_vendor_that_is_away(world: ConnectorEnvironment) -> None:
    channel = EditingChannel("x-r1", RetryLater("away", retry_after_ms=60_000))
    await sent(world, channel)
    with pytest.raises(Parked):
        await change(world, channel, edit(world, "two"))
    assert await line(world) == ("one", "sent")
    await change(world, channel, edit(world, "two"))
    assert await line(world) == ("two", "sent")


async def test_a_channel_on_which_nothing_can_be_changed_says_so(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel()
    message = world.message("r1", text="one", author=Author(kind="person"))
    await world.outbound(channel).handle(world.batch(message))
    await world.outbound(channel).handle(OneBatch(world.conversation, [edit(world, "two")]))
    assert await line(world) == ("one", "sent")
    assert ("edit-1", "failed") in await world.facts()


async def test_on_the_web_the_contact_is_shown_the_new_words(world: ConnectorEnvironment) -> None:
    signals = world.state.signals.subscribe(conversation_signals.conversation_topic(world.conversation))
    first = anext(signals)
    channel = world.web()
    await world.outbound(channel).handle(world.batch(world.message("r1", author=Author(kind="person"))))
    assert orjson.loads(await first)["type"] == "message"
    await world.outbound(channel).handle(OneBatch(world.conversation, [edit(world, "two")]))
    assert await line(world) == ("two", "sent")
    kinds = [orjson.loads(await anext(signals)) for _ in range(2)]
    assert {"type": "changed", "message_id": "r1"} in kinds
