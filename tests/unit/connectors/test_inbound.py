"""The way in for channels that have a vendor; the web's part is tested through its own door."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from connectors.inbound import caches
from connectors.inbound.pipeline import AT_ONCE, InboundPipeline
from schemas import ids, topics
from schemas.conversation import Contact
from schemas.conversation_activity import MessageDeleted, MessageEdited, ReactionChanged
from schemas.errors import BusUnavailable, InvalidRequest, StateUnavailable, Unavailable
from schemas.messages import (
    Address,
    Author,
    Citation,
    InboundMessage,
    Quote,
    Receipt,
    RemoteFile,
    SharedContact,
    TranscriptMessage,
)
from schemas.ports import Account, ChannelEvent, ContactUpdate
from schemas.privacy.harmless_numbers import compile_own_numbers
from schemas.privacy.key_service import ContactKeyService
from tests.unit.connectors.conftest import ACCOUNT, TENANT, ConnectorEnvironment

VENDOR = Account(TENANT, "slack", ACCOUNT, None)
WEB = Account(TENANT, "web", ACCOUNT, None)


@pytest.fixture
async def inbound(world: ConnectorEnvironment) -> InboundPipeline:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    return inbound_of(world)


def inbound_of(world: ConnectorEnvironment, **more: Any) -> InboundPipeline:
    state = world.state
    return InboundPipeline(
        bus=world.bus,
        contacts=state.contacts,
        conversations=state.conversations,
        transcript=state.transcript,
        signals=state.signals,
        metrics=world.metrics,
        clock=world.clock,
        deliveries=state.deliveries,
        transcript_channels=frozenset({"web"}),
        **more,
    )


def build_event(
    kind: str = topics.MESSAGE_RECEIVED, external_id: str = "1", revision: str = "", **payload: Any
) -> ChannelEvent:
    addresses = [Address(channel="slack", value="U1", assurance="channel")]
    return ChannelEvent(kind, "T:C:1", external_id, payload, addresses, revision)


def message_of(who: str, text: str) -> ChannelEvent:
    """A message by somebody in a place of their own."""
    address = Address(channel="slack", value=who, assurance="channel")
    return ChannelEvent(topics.MESSAGE_RECEIVED, f"T:C:{who}", f"{who}/{text}", {"text": text}, [address])


async def test_a_redelivered_message_has_the_same_id_and_is_appended_again(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    first = await inbound.accept(VENDOR, [build_event(text="hi")])
    again = await inbound.accept(VENDOR, [build_event(text="hi")])
    assert first == again
    assert first[0].seq == 0
    assert len(await world.logged(topics.inbound("slack"))) == 2


async def test_an_edit_and_a_deletion_name_the_message_they_change(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    (message,) = await inbound.accept(VENDOR, [build_event(text="hi")])
    edit = build_event(topics.MESSAGE_EDITED, revision="17", text="hello", edited_at=world.clock())
    later = build_event(topics.MESSAGE_EDITED, revision="18", text="hello!", edited_at=world.clock())
    gone = build_event(topics.MESSAGE_DELETED, revision="19", deleted_at=world.clock())
    accepted = await inbound.accept(VENDOR, [edit, later, gone])
    assert len({message.event_id, *(one.event_id for one in accepted)}) == 4
    events = (await world.logged(topics.inbound("slack")))[1:]
    changed = [
        events[0].payload(MessageEdited).message_id,
        events[1].payload(MessageEdited).message_id,
        events[2].payload(MessageDeleted).message_id,
    ]
    assert changed == [message.event_id] * 3


@pytest.mark.parametrize("year", [1, 1969, 5138, 9999])
async def test_a_time_that_cannot_be_true_is_the_time_of_receipt(
    world: ConnectorEnvironment, inbound: InboundPipeline, year: int
) -> None:
    wrong = world.clock().replace(year=year)
    sent = build_event(text="hi", sent_at=wrong)
    edit = build_event(topics.MESSAGE_EDITED, revision="17", text="hello", edited_at=wrong.isoformat())
    gone = build_event(topics.MESSAGE_DELETED, revision="19", deleted_at=wrong)
    await inbound.accept(VENDOR, [sent, edit, gone])
    first, second, third = await world.logged(topics.inbound("slack"))
    times = [
        first.payload(InboundMessage).sent_at,
        second.payload(MessageEdited).edited_at,
        third.payload(MessageDeleted).deleted_at,
    ]
    assert times == [world.clock()] * 3


async def test_an_old_message_and_one_from_a_fast_clock_keep_their_times(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    times = [world.clock().replace(year=2001), world.clock() + timedelta(hours=23)]
    await inbound.accept(
        VENDOR, [build_event(external_id=str(number), text="hi", sent_at=at) for number, at in enumerate(times)]
    )
    logged = await world.logged(topics.inbound("slack"))
    assert [event.payload(InboundMessage).sent_at for event in logged] == times


async def test_an_opt_out_from_the_far_future_does_not_outlast_a_later_opt_in(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    far = world.clock().replace(year=5138)
    await inbound.accept(VENDOR, [build_event(topics.CONTACT_CHANGED, revision="STOP", opted_out=True, at=far)])
    world.clock.now += timedelta(minutes=1)
    later = build_event(topics.CONTACT_CHANGED, revision="START", opted_out=False, at=world.clock())
    await inbound.accept(VENDOR, [later])
    contact = await world.state.contacts.get(TENANT, ids.contact_id(TENANT, "slack", "U1"))
    assert contact is not None
    assert not contact.opted_out


async def test_the_contacts_of_one_webhook_are_created_at_the_same_time_and_their_messages_keep_their_order(
    world: ConnectorEnvironment, inbound: InboundPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [f"U{number}" for number in range(70)]
    all_here, resolve = asyncio.Barrier(AT_ONCE), world.state.contacts.resolve

    async def resolve_together(*arguments: Any, **options: Any) -> Any:
        if arguments[4][0].value in people[:AT_ONCE]:
            await all_here.wait()
        return await resolve(*arguments, **options)

    monkeypatch.setattr(world.state.contacts, "resolve", resolve_together)
    events = [message_of(who, f"{who} {number}") for number in range(2) for who in people]
    async with asyncio.timeout(30):
        accepted = await inbound.accept(VENDOR, events)
    logged = {one.id: one.payload(InboundMessage).text for one in await world.logged(topics.inbound("slack"))}
    assert [logged[one.event_id] for one in accepted] == [event.payload["text"] for event in events]
    assert len({one.conversation for one in accepted}) == len(people)


async def test_the_error_of_one_contact_of_a_webhook_is_raised_as_it_is(
    world: ConnectorEnvironment, inbound: InboundPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = world.state.contacts.resolve

    async def fail_for_one(*arguments: Any, **options: Any) -> Any:
        if arguments[4][0].value == "U2":
            raise StateUnavailable("the store does not answer")
        return await resolve(*arguments, **options)

    monkeypatch.setattr(world.state.contacts, "resolve", fail_for_one)
    events = [message_of(who, "hi") for who in ("U2", "U3")]
    with pytest.raises(StateUnavailable, match="does not answer"):
        await inbound.accept(VENDOR, events)
    assert await world.logged(topics.inbound("slack")) == []


async def test_a_receipt_keeps_the_vendors_id_of_the_message(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    payload = {"state": "read", "at": world.clock(), "external_id": "wamid"}
    receipt = ChannelEvent(topics.RECEIPT_RECORDED, "T:C:1", "wamid:read", payload, build_event().addresses)
    await inbound.accept(VENDOR, [receipt])
    (logged,) = await world.logged(topics.inbound("slack"))
    assert logged.payload(Receipt).external_id == "wamid"


async def test_a_payload_that_does_not_fit_is_refused_and_the_whole_batch_with_it(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    with pytest.raises(InvalidRequest, match="text"):
        await inbound.accept(VENDOR, [build_event(text="good"), build_event(external_id="2", text="\x00")])
    assert await world.logged(topics.inbound("slack")) == []


async def test_nothing_is_shown_before_it_is_in_the_log(
    world: ConnectorEnvironment, inbound: InboundPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise BusUnavailable("the log cannot be reached")

    monkeypatch.setattr(world.bus, "append", away, raising=False)
    with pytest.raises(BusUnavailable):
        await inbound.accept(WEB, [build_event(text="hi")])
    conversation = ids.conversation_id(TENANT, "web", ACCOUNT, "T:C:1")
    assert await world.state.transcript.read(conversation) == []


CONVERSATION = ids.conversation_id(TENANT, "slack", ACCOUNT, "T:C:1")


@pytest.fixture
def opened(world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every conversation the state was asked to open, in order; the real store opens them."""
    asked: list[str] = []
    open_ = world.state.conversations.open

    async def counted(conversation: str, *args: Any, **kwargs: Any) -> None:
        asked.append(conversation)
        await open_(conversation, *args, **kwargs)

    monkeypatch.setattr(world.state.conversations, "open", counted)
    return asked


async def test_a_conversation_exists_once_its_first_message_is_accepted(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    (accepted,) = await inbound.accept(VENDOR, [build_event(text="hi")])
    made = await world.state.conversations.get(accepted.conversation)
    assert made is not None
    (logged,) = await world.logged(topics.inbound("slack"))
    message = logged.payload(InboundMessage)
    said = made.origin
    assert (said.tenant, said.channel, said.account) == (TENANT, "slack", ACCOUNT)
    assert (said.place, said.contact_id) == (message.place, message.contact_id)
    assert (made.owner, made.epoch, made.version, made.created_at) == ("agent", 0, 0, world.clock())


async def test_an_edit_or_a_receipt_makes_no_conversation(
    world: ConnectorEnvironment, inbound: InboundPipeline, opened: list[str]
) -> None:
    at = world.clock()
    edit = build_event(topics.MESSAGE_EDITED, revision="17", text="hello", edited_at=at)
    receipt = ChannelEvent(topics.RECEIPT_RECORDED, "T:C:1", "x", {"state": "read", "at": at}, build_event().addresses)
    await inbound.accept(VENDOR, [edit, receipt])
    assert opened == []
    assert await world.state.conversations.get(CONVERSATION) is None


async def test_a_conversation_is_opened_once_a_minute_however_much_is_said(
    world: ConnectorEnvironment, inbound: InboundPipeline, opened: list[str]
) -> None:
    await inbound.accept(VENDOR, [build_event(external_id=str(n), text="hi") for n in range(3)])
    world.clock.now += timedelta(seconds=59)
    await inbound.accept(VENDOR, [build_event(external_id="4", text="hi")])
    assert opened == [CONVERSATION]
    world.clock.now += timedelta(seconds=1)
    await inbound.accept(VENDOR, [build_event(external_id="5", text="hi")])
    assert opened == [CONVERSATION] * 2


async def test_only_so_many_opened_conversations_are_remembered(
    inbound: InboundPipeline, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "MAX_ENTRIES", 2)
    for place in ("a", "b", "a", "c", "a", "b"):
        addresses = build_event().addresses
        await inbound.accept(VENDOR, [ChannelEvent(topics.MESSAGE_RECEIVED, place, place, {"text": "hi"}, addresses)])
    # "b" was used longest ago when "c" came, so that it alone is opened again.
    assert opened == [ids.conversation_id(TENANT, "slack", ACCOUNT, place) for place in ("a", "b", "c", "b")]


async def test_a_message_is_not_accepted_while_its_conversation_cannot_be_opened(
    world: ConnectorEnvironment, inbound: InboundPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StateUnavailable("the state cannot be reached")

    with monkeypatch.context() as broken:
        broken.setattr(world.state.conversations, "open", away)
        with pytest.raises(StateUnavailable):
            await inbound.accept(WEB, [build_event(text="hi")])
    conversation = ids.conversation_id(TENANT, "web", ACCOUNT, "T:C:1")
    assert await world.state.transcript.read(conversation) == []
    (accepted,) = await inbound.accept(WEB, [build_event(text="hi")])
    assert accepted.seq == 1
    assert await world.state.conversations.get(accepted.conversation) is not None


async def test_the_line_of_a_message_is_what_the_worker_would_add(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    (accepted,) = await inbound.accept(WEB, [build_event(text="hi", locale="de")])
    (logged,) = await world.logged(topics.inbound("web"))
    line = TranscriptMessage.of_inbound(logged.payload(InboundMessage))
    # The worker adds the same line: one message, the same number.
    assert await world.state.transcript.add(accepted.conversation, line) == accepted.seq == 1


def build_echo(external_id: str) -> ChannelEvent:
    said = build_event(external_id=external_id, text="I am Ben.", author={"kind": "person"})
    said.echo = True
    return said


async def test_an_echo_of_what_we_sent_is_left_out_and_a_persons_is_a_message(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    (first,) = await inbound.accept(VENDOR, [build_event(text="hi")])
    await world.state.deliveries.bind(TENANT, "slack", ACCOUNT, "x-1", first.conversation, "r1")
    accepted = await inbound.accept(
        VENDOR, [build_echo("x-1"), build_echo("x-2"), build_event(external_id="2", text="thanks")]
    )
    assert len(accepted) == 2
    told = [each.payload(InboundMessage) for each in await world.logged(topics.inbound("slack"))]
    assert [(each.external_id, each.author.kind) for each in told] == [
        ("1", "contact"),
        ("x-2", "person"),
        ("2", "contact"),
    ]


async def test_an_echo_is_refused_for_now_while_it_may_be_what_is_being_sent(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    (first,) = await inbound.accept(VENDOR, [build_event(text="hi")])
    sent = world.message("r1")
    begun = await world.state.deliveries.begin_send(first.conversation, sent, deadline=60, now=world.clock())
    assert begun == "go"
    with pytest.raises(Unavailable):
        await inbound.accept(VENDOR, [build_echo("x-1")])
    world.clock.now += timedelta(minutes=12)
    assert len(await inbound.accept(VENDOR, [build_echo("x-1")])) == 1


async def known_as_sent(world: ConnectorEnvironment, external_id: str, conversation: str, message_id: str) -> None:
    await world.state.deliveries.bind(TENANT, "slack", ACCOUNT, external_id, conversation, message_id)


async def test_a_reaction_belongs_where_its_message_is_whatever_place_the_vendor_names(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    (asked,) = await inbound.accept(VENDOR, [build_event(text="hi")])
    await known_as_sent(world, "77.7", asked.conversation, "r1")
    payload = {"emoji": "👍", "at": world.clock()}
    reaction = ChannelEvent(topics.REACTION_CHANGED, "T:C:77.7", "77.7", payload, build_event().addresses)
    (accepted,) = await inbound.accept(VENDOR, [reaction])
    assert accepted.conversation == asked.conversation
    logged = (await world.logged(topics.inbound("slack")))[-1].payload(ReactionChanged)
    assert (logged.place, logged.external_id) == ("T:C:1", "77.7")


async def test_a_reply_refers_to_our_message_id_when_it_is_known(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    (asked,) = await inbound.accept(VENDOR, [build_event(text="hi")])
    await known_as_sent(world, "77.7", asked.conversation, "r1")
    await known_as_sent(world, "99.9", "somebody else's", "r2")
    line = TranscriptMessage(id=asked.event_id, author=Author(kind="contact"), text="hi", created_at=world.clock())
    await world.state.transcript.add(asked.conversation, line)
    said = [
        build_event(external_id=f"2{n}", text="so?", answers=of) for n, of in enumerate(["77.7", "1", "88.8", "99.9"])
    ]
    await inbound.accept(VENDOR, said)
    logged = [one.payload(InboundMessage) for one in (await world.logged(topics.inbound("slack")))[1:]]
    assert {one.answers: one.in_reply_to for one in logged} == {
        "77.7": "r1",
        "1": asked.event_id,
        "88.8": "",
        "99.9": "",
    }


async def test_of_a_quote_the_words_are_looked_up_where_the_vendor_gives_an_id_alone(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    (asked,) = await inbound.accept(VENDOR, [build_event(text="hi")])
    cited = Citation(n=1, document="d", title="t", quote="Yes.")
    for name, state in (("r1", "sent"), ("r2", "deleted")):
        line = TranscriptMessage(
            id=name, author=Author(kind="agent"), text="Yes. [1]", citations=[cited], created_at=world.clock()
        )
        await world.state.transcript.add(asked.conversation, line)
        await world.state.transcript.mark(asked.conversation, [name], state)  # type: ignore[arg-type]
        await known_as_sent(world, f"vendor-{name}", asked.conversation, name)
    said = [
        build_event(external_id=f"2{n}", text="so?", answers=of, quote=Quote(text=told))
        for n, (of, told) in enumerate([("vendor-r1", ""), ("vendor-r2", ""), ("vendor-r1", "Told."), ("other", "")])
    ]
    await inbound.accept(VENDOR, said)
    logged = [one.payload(InboundMessage).quote for one in (await world.logged(topics.inbound("slack")))[1:]]
    assert logged == [Quote(id="r1", text="Yes."), Quote(id="r2"), Quote(id="r1", text="Told."), Quote()]


async def test_an_opt_out_is_recorded_in_the_state_and_on_the_log(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    await inbound.accept(VENDOR, [build_event(text="hi")])
    for n, opted_out in enumerate((True, False)):
        payload: dict[str, Any] = {"opted_out": opted_out, "at": world.clock() + timedelta(seconds=n)}
        await inbound.accept(VENDOR, [build_event(topics.CONTACT_CHANGED, f"stop{n}", **payload)])
        snapshot = (await world.logged(topics.STATE))[-1].payload(Contact)
        assert snapshot.opted_out == opted_out
        assert await world.state.contacts.get(TENANT, snapshot.id) == snapshot


async def test_a_number_that_was_left_is_no_longer_the_movers_in_this_process_either(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    def of(*values: str, kind: str = topics.MESSAGE_RECEIVED, **payload: Any) -> ChannelEvent:
        addresses = [Address(channel="slack", value=value, assurance="channel") for value in values]
        return ChannelEvent(kind, values[0], f"{kind}{values}", payload, addresses)

    (before,) = await inbound.accept(VENDOR, [of("111", text="hi")])
    left = [Address(channel="slack", value="111", assurance="channel")]
    news = of("111", "222", kind=topics.CONTACT_CHANGED, left=left, at=world.clock() + timedelta(seconds=1))
    _, stranger, mover = await inbound.accept(VENDOR, [news, of("111", text="who?"), of("222", text="me")])
    assert mover.conversation == before.conversation
    assert stranger.conversation != before.conversation


@pytest.mark.parametrize("first", ["number", "user"])
async def test_a_message_that_is_told_with_an_address_more_is_still_one_message(
    world: ConnectorEnvironment, inbound: InboundPipeline, first: str
) -> None:
    """As a list that knows only numbers tells what a webhook tells with the user's id too."""
    number, user = (Address(channel="slack", value=value, assurance="channel") for value in ("4915", "DE.13"))
    by = {
        "number": ChannelEvent(topics.MESSAGE_RECEIVED, "4915", "m1", {"text": "hi"}, [number]),
        "user": ChannelEvent(topics.MESSAGE_RECEIVED, "DE.13", "m1", {"text": "hi"}, [user, number]),
    }
    second = "user" if first == "number" else "number"
    accepted = [*await inbound.accept(VENDOR, [by[first]]), *await inbound.accept(VENDOR, [by[second]])]
    assert len({(each.event_id, each.conversation) for each in accepted}) == 1


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def build_named_event(
    name: str,
    external_id: str = "1",
    *,
    kind: str = "contact",
    ago: float = 0,
    world: ConnectorEnvironment,
    **more: Any,
) -> ChannelEvent:
    at = world.clock() - timedelta(seconds=ago)
    return build_event(external_id=external_id, text="hi", author={"kind": kind, "name": name}, sent_at=at, **more)


async def logged_names(world: ConnectorEnvironment) -> list[str]:
    logged = await world.logged(topics.inbound("slack"))
    return [each.payload(InboundMessage).author.name for each in logged]


async def load_contact(world: ConnectorEnvironment) -> Contact:
    contact, _ = await world.state.contacts.resolve(
        TENANT, "slack", ACCOUNT, "T:C:1", build_event().addresses, now=world.clock()
    )
    return contact


async def test_the_name_in_a_message_becomes_the_contacts_also_on_the_log(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    await inbound.accept(VENDOR, [build_event(text="hi")])
    await inbound.accept(VENDOR, [build_named_event("Ann", "2", world=world, locale="en-US")])
    contact = await load_contact(world)
    assert (contact.name, contact.locale) == ("Ann", "en-US")
    assert (await world.logged(topics.STATE))[-1].payload(Contact) == contact


async def test_a_newer_name_replaces_an_older_and_a_late_redelivery_brings_no_old_one_back(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    first = build_named_event("Ann", world=world)
    await inbound.accept(VENDOR, [first])
    world.clock.now += timedelta(seconds=5)
    await inbound.accept(VENDOR, [build_named_event("Ann Bloom", "2", world=world)])
    await inbound.accept(VENDOR, [first])
    assert (await load_contact(world)).name == "Ann Bloom"
    assert await logged_names(world) == ["Ann", "Ann Bloom", "Ann"]


async def test_a_message_without_a_name_is_signed_with_the_contacts(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    await inbound.accept(VENDOR, [build_named_event("Ann", world=world)])
    await inbound.accept(VENDOR, [build_event(external_id="2", text="hi"), build_named_event("", "3", world=world)])
    assert await logged_names(world) == ["Ann", "Ann", "Ann"]


async def test_the_name_of_another_author_is_not_the_contacts_name(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    await inbound.accept(
        VENDOR, [build_named_event("Ann", world=world), build_named_event("Mo", "2", kind="person", world=world)]
    )
    assert (await load_contact(world)).name == "Ann"
    assert await logged_names(world) == ["Ann", "Mo"]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("  Ann \n\t Bloom\r\n", "Ann Bloom"),
        ("\x07Ann\x1b[31m", "Ann[31m"),
        ("Ann \u202egnp.exe", "Ann gnp.exe"),
        ("\ud800Ann", "\ufffdAnn"),
        ("x" * 5000, "x" * 100),
        ("\u200b\u2060", ""),
        ("👩‍👩‍👧 Ann", "👩‍👩‍👧 Ann"),
    ],
)
async def test_a_name_is_one_short_line_that_turns_nothing_around(
    world: ConnectorEnvironment, inbound: InboundPipeline, told: str, shown: str
) -> None:
    await inbound.accept(VENDOR, [build_named_event(told, world=world)])
    assert await logged_names(world) == [shown]
    assert (await load_contact(world)).name == shown


async def test_a_name_of_the_future_can_be_replaced(world: ConnectorEnvironment, inbound: InboundPipeline) -> None:
    await inbound.accept(VENDOR, [build_named_event("Ann", ago=-86_400 * 365, world=world)])
    world.clock.now += timedelta(seconds=1)
    await inbound.accept(VENDOR, [build_named_event("Ann Bloom", "2", world=world)])
    assert (await load_contact(world)).name == "Ann Bloom"


async def test_a_name_that_is_known_costs_no_call_of_the_store(
    world: ConnectorEnvironment, inbound: InboundPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inbound.accept(VENDOR, [build_named_event("Ann", world=world)])

    async def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(world.state.contacts, "resolve", asked)
    world.clock.now += timedelta(seconds=30)
    await inbound.accept(VENDOR, [build_named_event("Ann", "2", world=world)])
    assert await logged_names(world) == ["Ann", "Ann"]


async def test_a_message_after_a_name_lookup_carries_the_name(world: ConnectorEnvironment) -> None:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    at_work = inbound_of(world, profiled_channels=frozenset({"slack"}))
    await at_work.accept(VENDOR, [build_event(text="hi")])
    change = ContactUpdate(at=world.clock(), name="Ann")
    await world.state.contacts.resolve(
        TENANT, "slack", ACCOUNT, "T:C:1", build_event().addresses, now=world.clock(), change=change
    )
    world.clock.now += timedelta(seconds=4)
    await at_work.accept(VENDOR, [build_event(external_id="2", text="hi")])
    assert await logged_names(world) == ["", "Ann"]


CARD = "4111 1111 1111 1111"


async def test_a_card_is_masked_in_every_field_that_somebody_wrote(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    said = build_event(
        text=f"pay with {CARD}",
        author={"kind": "contact", "name": CARD},
        files=[RemoteFile(ref=CARD, name=f"{CARD}.png")],
        location={"latitude": 1, "longitude": 2, "name": CARD, "address": CARD},
        shared_contacts=[SharedContact(name=CARD, phones=[CARD])],
        referral={"source": "ad", "ref": CARD, "body": CARD},
    )
    await inbound.accept(VENDOR, [said])
    await inbound.accept(VENDOR, [build_event(topics.MESSAGE_EDITED, revision="2", text=CARD, edited_at=world.clock())])
    await inbound.accept(VENDOR, [build_event(topics.CONTACT_CHANGED, revision="3", name=CARD, at=world.clock())])
    logged = await world.logged(topics.inbound("slack")) + await world.logged(topics.STATE)
    held = [each.data.decode().replace(f'"ref":"{CARD}","name":"[card', "") for each in logged if each.data]
    assert [data for data in held if CARD in data] == [], "the vendor's own word for a file leads to it"
    message = logged[0].payload(InboundMessage)
    assert message.text == "pay with [card ····1111]"
    assert message.author.name == message.files[0].name.removesuffix(".png") == "[card ····1111]"


async def test_a_number_that_the_tenant_gives_out_is_left_alone(world: ConnectorEnvironment) -> None:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    inbound = inbound_of(world, own_numbers={TENANT: compile_own_numbers(["411-#############"])})
    await inbound.accept(VENDOR, [build_event(text="it is 411-1111111111111")])
    (logged,) = await world.logged(topics.inbound("slack"))
    assert logged.payload(InboundMessage).text == "it is 411-1111111111111"


async def test_a_redelivery_for_somebody_who_was_erased_brings_nothing_back(world: ConnectorEnvironment) -> None:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    state, before = world.state, world.clock()
    keys = ContactKeyService(
        bus=world.bus, keys=state.contact_keys, derive_secrets=lambda: [b"1" * 32], clock=world.clock
    )
    contact = ids.contact_id(TENANT, "slack", "U1")
    world.clock.now += timedelta(minutes=1)
    await keys.erase(TENANT, contact)
    inbound = inbound_of(world, contact_keys=state.contact_keys, key_service=keys)
    old = build_event(text="hi", sent_at=before)
    receipt = ChannelEvent(topics.RECEIPT_RECORDED, "T:C:1", "r", {"state": "read", "at": before}, old.addresses)
    for event in (old, receipt, build_event(text="hi", sent_at=before.isoformat())):
        assert await inbound.accept(VENDOR, [event]) == []
    assert await state.contacts.get(TENANT, contact) is None
    assert await world.logged(topics.inbound("slack")) == []
    world.clock.now += timedelta(minutes=1)
    assert len(await inbound.accept(VENDOR, [build_event(external_id="2", text="I am back")])) == 1
    assert await state.contacts.get(TENANT, contact) is not None
    again = await keys.get(TENANT, contact)
    assert again is not None
    assert not again.is_erased, "the next generation has begun, so that the contact can be sealed"
    world.clock.now += timedelta(minutes=2)
    assert await inbound.accept(VENDOR, [old]) == [], "also once they have written again"
