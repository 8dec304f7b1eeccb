"""Events that the simulated Slack signs and sends are parsed by the channel."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.channel_services import ChannelServices
from connectors.registry import load_settings_model, open_channel
from connectors.slack.channel import SlackChannel
from schemas import ids, topics
from schemas.errors import Unauthorized
from schemas.messages import Author, Choice, OutboundMessage
from schemas.ports import Account, ChannelEvent, RawRequest, RenderContext, WebhookAnswer, WebhookHandshake
from tests.channels.webhook_intake import WebhookResult, take_webhook
from tests.harness.channel_tools import no_files
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import File
from tests.simulators.webhook_receiver import ReceivedRequest, Receiver


class Edge:
    """Reads what the receiver got."""

    def __init__(self, slack: SlackVendor, receiver: Receiver) -> None:
        nothing: Any = None
        tools = ChannelServices(
            transcript=nothing, signals=nothing, clock=lambda: datetime.now(UTC), read_file=no_files
        )
        channel = open_channel("slack", tools)
        assert isinstance(channel, SlackChannel)
        self.slack = slack
        self.receiver = receiver
        self.channel = channel
        self.account = Account("shop", "slack", "main", load_settings_model("slack").model_validate(slack.settings()))

    @property
    def raw(self) -> list[RawRequest]:
        return [_raw(received) for received in self.receiver.requests]

    async def events(self, kind: str = "") -> list[ChannelEvent]:
        """Everything that came so far, in order."""
        await self.slack.settled()
        found: list[ChannelEvent] = []
        for request in self.raw:
            taken = self.take(request)
            assert taken.answer is None
            found += taken.events
        return [event for event in found if kind in ("", event.type)]

    def take(self, request: RawRequest) -> WebhookResult:
        return take_webhook(self.channel, request, self.account)

    def id_of(self, event: ChannelEvent) -> str:
        return ids.event_id("shop", "slack", "main", event.place, event.external_id, event.type, event.revision)

    async def ask(self, *choices: str) -> str:
        """A question of ours, in Ann's direct message; its id."""
        now = datetime.now(UTC)
        place = f"{self.slack.workspace.team}:{self.slack.place('Ann')}"
        message = OutboundMessage(
            id="question-1",
            author=Author(kind="agent"),
            text="Which?",
            choices=[Choice(id=f"id-{label}", label=label) for label in choices],
            place=place,
            contact_id="c",
            created_at=now,
            expires_at=now,
        )
        connection = self.channel.connect(self.account)
        for call in self.channel.render(message, RenderContext("c", self.account)):
            self.channel.parse_response(call, await connection.perform(call, message.id))
        await connection.close()
        return message.id


def _raw(received: ReceivedRequest) -> RawRequest:
    headers = {name.lower(): value for name, value in received.headers.items()}
    return RawRequest(received.method, received.url, headers, {}, received.body)


@pytest.fixture
async def slack() -> AsyncIterator[SlackVendor]:
    vendor = SlackVendor(pace=0.0002)
    async with vendor.serving():
        yield vendor


@pytest.fixture
async def edge(slack: SlackVendor) -> AsyncIterator[Edge]:
    receiver = Receiver()
    async with receiver.serving():
        slack.call(receiver.url)
        yield Edge(slack, receiver)


async def test_messages_with_escaped_and_unusual_characters_are_read_unchanged(slack: SlackVendor, edge: Edge) -> None:
    """The bytes have everything escaped that is not ASCII, and slashes too."""
    text = "Grüße 👩‍🌾 <b> & https://example.com/a?b=1&c=2 שלום"
    ts = await slack.say("Ann", text)
    (event,) = await edge.events()
    assert (event.external_id, event.payload["text"]) == (ts, text)
    assert event.place == f"{slack.workspace.team}:{slack.place('Ann')}"
    assert event.payload["sent_at"].timestamp() == pytest.approx(float(ts))


async def test_forty_thousand_characters_are_read_whole(slack: SlackVendor, edge: Edge) -> None:
    text = "äb 👩‍🌾" * 6700
    await slack.say("Ann", text)
    assert (await edge.events())[0].payload["text"] == text


async def test_a_message_is_one_however_often_and_under_whatever_ids_it_comes(slack: SlackVendor, edge: Edge) -> None:
    """Repeats of Slack's, eleven event ids, a mention beside the message."""
    room = slack.channel("support")
    ts = slack.people.say("Ann", f"@{slack.bot.name} hello", room).ts
    await slack.settled()
    slack.redeliver(ts, times=3, at_once=True)
    slack.redeliver(ts, times=10, other_event_ids=True)
    found = await edge.events()
    assert len(found) == 15
    assert len({edge.id_of(event) for event in found}) == 1
    assert {event.payload["text"] for event in found} == {"hello"}


async def test_a_thread_is_one_place_and_all_who_write_there_are_contacts(slack: SlackVendor, edge: Edge) -> None:
    room = slack.channel("support")
    root = slack.people.say("Ann", "It is broken", room).ts
    slack.people.say("Ben", "Mine too", room, thread=root)
    slack.people.say("Ann", "Still", room, thread=root, broadcast=True)
    slack.people.say("Ben", "Another thing", room)
    found = await edge.events()
    place = f"{slack.workspace.team}:{room.id}:{root}"
    assert [event.place == place for event in found] == [True, True, True, False]
    assert len({event.addresses[0].value for event in found}) == 2


async def test_edits_deletions_and_unfurls_are_told_apart(slack: SlackVendor, edge: Edge) -> None:
    ts = await slack.say("Ann", "https://example.com/a")
    slack.people.unfurl(ts, "A page")
    await slack.edit("Ann", ts, "two")
    await slack.edit("Ann", ts, "three")
    slack.people.unfurl(ts, "A page")
    await slack.delete("Ann", ts)
    said, first, second, gone = await edge.events()
    assert [said.type, first.type, second.type, gone.type] == [
        topics.MESSAGE_RECEIVED,
        topics.MESSAGE_EDITED,
        topics.MESSAGE_EDITED,
        topics.MESSAGE_DELETED,
    ]
    assert {each.external_id for each in (said, first, second, gone)} == {ts}
    assert (first.payload["text"], second.payload["text"]) == ("two", "three")
    assert first.revision != second.revision


async def test_a_message_with_a_thread_below_it_can_be_deleted(slack: SlackVendor, edge: Edge) -> None:
    """Slack leaves a tombstone, and tells of that as of a change."""
    room = slack.channel("support")
    root = slack.people.say("Ann", "It is broken", room).ts
    slack.people.say("Ben", "Mine too", room, thread=root)
    await slack.delete("Ann", root)
    (gone,) = await edge.events(topics.MESSAGE_DELETED)
    assert (gone.external_id, gone.place) == (root, f"{slack.workspace.team}:{room.id}:{root}")


async def test_a_reaction_and_its_removal_are_two_events_about_one_message(slack: SlackVendor, edge: Edge) -> None:
    await edge.ask()
    (shown,) = slack.ledger.at(slack.place("Ann"))
    await slack.react("Ann", shown.id, "👍")
    await slack.react("Ann", shown.id, "👍", take_back=True)
    given, taken = await edge.events()
    assert {given.payload["external_id"], taken.payload["external_id"]} == {shown.id}
    assert (given.payload["emoji"], given.payload["taken_back"], taken.payload["taken_back"]) == ("👍", False, True)
    assert edge.id_of(given) != edge.id_of(taken)


@pytest.mark.parametrize("labels", [("Yes", "No"), tuple(f"Country {number}" for number in range(40))])
async def test_a_choice_comes_back_with_its_id_and_ours(
    slack: SlackVendor, edge: Edge, labels: tuple[str, ...]
) -> None:
    message = await edge.ask(*labels)
    (shown,) = slack.ledger.at(slack.place("Ann"))
    pressed = await slack.choose("Ann", shown, labels[1])
    (event,) = await edge.events()
    assert (event.payload["choice"].in_reply_to, event.payload["choice"].id) == (message, f"id-{labels[1]}")
    assert (event.external_id, event.payload["text"]) == (pressed, labels[1])
    assert event.place == f"{slack.workspace.team}:{slack.place('Ann')}"


async def test_a_command_leads_to_the_conversation_in_the_direct_message(slack: SlackVendor, edge: Edge) -> None:
    """The place is the person, and so is an address of their direct message's contact."""
    await slack.say("Ann", "hello")
    await slack.interactions.command("Ann", slack.channel("support"), "/ask", "Do you deliver?")
    said, asked = await edge.events()
    assert asked.payload["text"] == "Do you deliver?"
    assert asked.place in [address.value for address in said.addresses]
    assert said.place in [address.value for address in said.addresses]


async def test_a_command_without_a_question_is_told_how_to_ask(slack: SlackVendor, edge: Edge) -> None:
    await slack.interactions.command("Ann", slack.channel("support"), "/ask", " ")
    answer = edge.take(edge.raw[0]).answer
    assert answer is not None
    assert "/ask" in answer.text


async def test_files_come_as_references(slack: SlackVendor, edge: Edge) -> None:
    files = [File("leaf.png", "image/png", b"1"), File("note.txt", "text/plain", b"22")]
    await slack.say("Ann", "", files=files)
    (event,) = await edge.events()
    assert [(file.name, file.kind, file.size) for file in event.payload["files"]] == [
        ("leaf.png", "image", 1),
        ("note.txt", "file", 2),
    ]


async def test_events_that_are_no_contacts_message_make_no_event(slack: SlackVendor, edge: Edge) -> None:
    """Our own words, other bots, joins, topics, an opened home or assistant, a token that is gone."""
    await edge.ask()
    room = slack.channel("support")
    slack.people.person("Deploys", "bot")
    slack.people.say("Deploys", "Deployed", room)
    slack.people.join(room, "Ben")
    slack.people.notice(room, "Ben", "channel_topic", "plants")
    slack.people.leave(room, "Ben")
    slack.people.open_home("Ann")
    root = slack.people.open_assistant("Ann", room.id)
    slack.people.view_beside("Ann", root, room.id)
    slack.lose_token("account_inactive")
    assert await edge.events() == []
    assert len(edge.receiver.requests) > 8


async def test_words_in_an_assistants_thread_name_it(slack: SlackVendor, edge: Edge) -> None:
    root = slack.people.open_assistant("Ann")
    ts = slack.people.say("Ann", "How often?", thread=root).ts
    (event,) = await edge.events()
    assert event.external_id == f"{root}/{ts}"
    assert event.place == f"{slack.workspace.team}:{slack.place('Ann')}"


async def test_somebody_of_another_workspace_is_a_contact_of_ours(slack: SlackVendor, edge: Edge) -> None:
    room = slack.channel("partners", shared=True)
    slack.people.join(room, "Eve", "outsider")
    slack.people.say("Eve", "Our leaf", room, files=[File("leaf.png", "image/png", b"1")])
    (event,) = await edge.events()
    assert event.place.startswith(f"{slack.workspace.team}:{room.id}:")
    assert [file.ref for file in event.payload["files"]] == list(slack.storage.kept)


async def test_slack_finds_that_the_address_is_ours(slack: SlackVendor, edge: Edge) -> None:
    """The challenge comes back as it was; the check of the certificate gets an empty answer."""
    assert isinstance(edge.channel, WebhookHandshake)
    await slack.verify_url()
    await slack.check_ssl()
    asked, checked = edge.raw
    challenge = edge.receiver.requests[0].json["challenge"]
    assert edge.take(asked).answer == WebhookAnswer(json.dumps({"challenge": challenge}), "application/json")
    assert edge.take(checked).answer == WebhookAnswer("")
    by_get = RawRequest("GET", "", {}, {"ssl_check": "1"}, b"")
    assert edge.channel.answer_handshake(by_get, edge.account) == ""
    assert edge.channel.answer_handshake(RawRequest("GET", "", {}, {}, b""), edge.account) is None


async def test_a_forged_signature_is_refused(slack: SlackVendor, edge: Edge) -> None:
    slack.hooks.secret = "somebody else's"
    await slack.say("Ann", "hello")
    await slack.settled()
    with pytest.raises(Unauthorized):
        edge.channel.verify(edge.raw[0], edge.account)
