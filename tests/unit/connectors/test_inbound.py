"""The way in for channels that have a vendor; the web's part is tested through its own door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors import conversations
from connectors.inbound import Inbound
from schemas import ids, topics
from schemas.errors import BusUnavailable, InvalidRequest, StateUnavailable, Unavailable
from schemas.messages import Address, InboundMessage, MessageDeleted, MessageEdited, Receipt, TranscriptMessage
from schemas.ports import Account, Event
from tests.unit.connectors.conftest import ACCOUNT, TENANT, World

VENDOR = Account(TENANT, "slack", ACCOUNT, None)
WEB = Account(TENANT, "web", ACCOUNT, None)


@pytest.fixture
async def inbound(world: World) -> Inbound:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    state = world.state
    return Inbound(
        bus=world.bus,
        contacts=state.contacts,
        conversations=state.conversations,
        transcript=state.transcript,
        signals=state.signals,
        metrics=world.metrics,
        clock=world.clock,
        deliveries=state.deliveries,
    )


def event(kind: str = topics.MESSAGE_RECEIVED, external_id: str = "1", revision: str = "", **payload: Any) -> Event:
    addresses = [Address(channel="slack", value="U1", assurance="channel")]
    return Event(kind, "T:C:1", external_id, payload, addresses, revision)


async def test_a_redelivered_message_has_the_same_id_and_is_appended_again(world: World, inbound: Inbound) -> None:
    first = await inbound.accept(VENDOR, [event(text="hi")])
    again = await inbound.accept(VENDOR, [event(text="hi")])
    assert first == again
    assert first[0].seq == 0
    assert len(await world.logged(topics.inbound("slack"))) == 2


async def test_an_edit_and_a_deletion_name_the_message_they_change(world: World, inbound: Inbound) -> None:
    (message,) = await inbound.accept(VENDOR, [event(text="hi")])
    edit = event(topics.MESSAGE_EDITED, revision="17", text="hello", edited_at=world.clock())
    later = event(topics.MESSAGE_EDITED, revision="18", text="hello!", edited_at=world.clock())
    gone = event(topics.MESSAGE_DELETED, revision="19", deleted_at=world.clock())
    accepted = await inbound.accept(VENDOR, [edit, later, gone])
    assert len({message.event_id, *(one.event_id for one in accepted)}) == 4
    events = (await world.logged(topics.inbound("slack")))[1:]
    changed = [
        events[0].payload(MessageEdited).message_id,
        events[1].payload(MessageEdited).message_id,
        events[2].payload(MessageDeleted).message_id,
    ]
    assert changed == [message.event_id] * 3


async def test_a_receipt_keeps_the_vendors_id_of_the_message(world: World, inbound: Inbound) -> None:
    payload = {"state": "read", "at": world.clock(), "external_id": "wamid"}
    receipt = Event(topics.RECEIPT_RECORDED, "T:C:1", "wamid:read", payload, event().addresses)
    await inbound.accept(VENDOR, [receipt])
    (logged,) = await world.logged(topics.inbound("slack"))
    assert logged.payload(Receipt).external_id == "wamid"


async def test_a_payload_that_does_not_fit_is_refused_and_the_whole_batch_with_it(
    world: World, inbound: Inbound
) -> None:
    with pytest.raises(InvalidRequest, match="text"):
        await inbound.accept(VENDOR, [event(text="good"), event(external_id="2", text="\x00")])
    assert await world.logged(topics.inbound("slack")) == []


async def test_nothing_is_shown_before_it_is_in_the_log(
    world: World, inbound: Inbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise BusUnavailable("the log cannot be reached")

    monkeypatch.setattr(world.bus, "append", away, raising=False)
    with pytest.raises(BusUnavailable):
        await inbound.accept(WEB, [event(text="hi")])
    conversation = ids.conversation_id(TENANT, "web", ACCOUNT, "T:C:1")
    assert await world.state.transcript.read(conversation) == []


CONVERSATION = ids.conversation_id(TENANT, "slack", ACCOUNT, "T:C:1")


@pytest.fixture
def opened(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every conversation the state was asked to open, in order; the real store opens them."""
    asked: list[str] = []
    open_ = world.state.conversations.open

    async def counted(conversation: str, *args: Any, **kwargs: Any) -> None:
        asked.append(conversation)
        await open_(conversation, *args, **kwargs)

    monkeypatch.setattr(world.state.conversations, "open", counted)
    return asked


async def test_a_conversation_exists_once_its_first_message_is_accepted(world: World, inbound: Inbound) -> None:
    (accepted,) = await inbound.accept(VENDOR, [event(text="hi")])
    made = await world.state.conversations.get(accepted.conversation)
    assert made is not None
    (logged,) = await world.logged(topics.inbound("slack"))
    message = logged.payload(InboundMessage)
    said = made.origin
    assert (said.tenant, said.channel, said.account) == (TENANT, "slack", ACCOUNT)
    assert (said.place, said.contact_id) == (message.place, message.contact_id)
    assert (made.owner, made.epoch, made.version, made.created_at) == ("agent", 0, 0, world.clock())


async def test_an_edit_or_a_receipt_makes_no_conversation(world: World, inbound: Inbound, opened: list[str]) -> None:
    at = world.clock()
    edit = event(topics.MESSAGE_EDITED, revision="17", text="hello", edited_at=at)
    receipt = Event(topics.RECEIPT_RECORDED, "T:C:1", "x", {"state": "read", "at": at}, event().addresses)
    await inbound.accept(VENDOR, [edit, receipt])
    assert opened == []
    assert await world.state.conversations.get(CONVERSATION) is None


async def test_a_conversation_is_opened_once_a_minute_however_much_is_said(
    world: World, inbound: Inbound, opened: list[str]
) -> None:
    await inbound.accept(VENDOR, [event(external_id=str(n), text="hi") for n in range(3)])
    world.clock.now += timedelta(seconds=59)
    await inbound.accept(VENDOR, [event(external_id="4", text="hi")])
    assert opened == [CONVERSATION]
    world.clock.now += timedelta(seconds=1)
    await inbound.accept(VENDOR, [event(external_id="5", text="hi")])
    assert opened == [CONVERSATION] * 2


async def test_only_so_many_opened_conversations_are_remembered(
    inbound: Inbound, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "REMEMBERED", 2)
    for place in ("a", "b", "a", "c", "a", "b"):
        addresses = event().addresses
        await inbound.accept(VENDOR, [Event(topics.MESSAGE_RECEIVED, place, place, {"text": "hi"}, addresses)])
    # "b" was used longest ago when "c" came, so that it alone is opened again.
    assert opened == [ids.conversation_id(TENANT, "slack", ACCOUNT, place) for place in ("a", "b", "c", "b")]


async def test_a_message_is_not_accepted_while_its_conversation_cannot_be_opened(
    world: World, inbound: Inbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StateUnavailable("the state cannot be reached")

    with monkeypatch.context() as broken:
        broken.setattr(world.state.conversations, "open", away)
        with pytest.raises(StateUnavailable):
            await inbound.accept(WEB, [event(text="hi")])
    conversation = ids.conversation_id(TENANT, "web", ACCOUNT, "T:C:1")
    assert await world.state.transcript.read(conversation) == []
    (accepted,) = await inbound.accept(WEB, [event(text="hi")])
    assert accepted.seq == 1
    assert await world.state.conversations.get(accepted.conversation) is not None


async def test_the_line_of_a_message_is_what_the_worker_would_add(world: World, inbound: Inbound) -> None:
    (accepted,) = await inbound.accept(WEB, [event(text="hi", locale="de")])
    (logged,) = await world.logged(topics.inbound("web"))
    line = TranscriptMessage.of_inbound(logged.payload(InboundMessage))
    # The worker adds the same line: one message, the same number.
    assert await world.state.transcript.add(accepted.conversation, line) == accepted.seq == 1


def echoed(external_id: str) -> Event:
    said = event(external_id=external_id, text="I am Ben.", author={"kind": "person"})
    said.echo = True
    return said


async def test_an_echo_of_what_we_sent_is_left_out_and_a_persons_is_a_message(world: World, inbound: Inbound) -> None:
    (first,) = await inbound.accept(VENDOR, [event(text="hi")])
    await world.state.deliveries.bind(TENANT, "slack", ACCOUNT, "x-1", first.conversation, "r1")
    accepted = await inbound.accept(VENDOR, [echoed("x-1"), echoed("x-2"), event(external_id="2", text="thanks")])
    assert len(accepted) == 2
    told = [each.payload(InboundMessage) for each in await world.logged(topics.inbound("slack"))]
    assert [(each.external_id, each.author.kind) for each in told] == [
        ("1", "contact"),
        ("x-2", "person"),
        ("2", "contact"),
    ]


async def test_an_echo_is_refused_for_now_while_it_may_be_what_is_being_sent(world: World, inbound: Inbound) -> None:
    (first,) = await inbound.accept(VENDOR, [event(text="hi")])
    sent = world.message("r1")
    begun = await world.state.deliveries.begin_send(first.conversation, sent, deadline=60, now=world.clock())
    assert begun == "go"
    with pytest.raises(Unavailable):
        await inbound.accept(VENDOR, [echoed("x-1")])
    world.clock.now += timedelta(minutes=12)
    assert len(await inbound.accept(VENDOR, [echoed("x-1")])) == 1
