"""Conversations over the admin API: seen by their tenant, passed on by one winner, answered by people."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from schemas import ids, topics
from schemas.conversation import CitedPassage, Origin, Turn
from schemas.messages import Address, Author, TranscriptMessage
from schemas.ports import ContactUpdate
from tests.unit.gateway.conftest import Instance


def line(id_: str, text: str, instance: Instance) -> TranscriptMessage:
    return TranscriptMessage(id=id_, author=Author(kind="contact"), text=text, created_at=instance.clock())


def message_body(text: str = "Hello from a person", client_msg_id: str = "m1", **more: Any) -> dict[str, Any]:
    return {"client_msg_id": client_msg_id, "text": text} | more


async def test_conversations_are_listed_by_owner_and_channel_in_pages(instance: Instance) -> None:
    made = []
    for number in range(5):
        instance.clock.tick(1)
        made.append((await instance.conversation(f"visitor-{number}")).id)
    await instance.admin("POST", f"/conversations/{made[2]}/owner", {"to": "queue", "epoch": 0})
    queue = (await instance.admin("GET", "/conversations?state=queue&channel=web")).body
    assert [item["id"] for item in queue["items"]] == [made[2]]
    seen: list[str] = []
    after = ""
    while True:
        page = (await instance.admin("GET", f"/conversations?limit=2&after={after}")).body
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
        if not after:
            break
    assert sorted(seen) == sorted(made)
    assert (await instance.admin("GET", "/conversations?channel=slack")).body["items"] == []


@pytest.mark.parametrize("query", ["state=nobody", "channel=fax", "after=nonsense"])
async def test_a_wrong_filter_is_refused(instance: Instance, query: str) -> None:
    assert (await instance.admin("GET", f"/conversations?{query}")).code == "invalid_request"


async def test_a_conversation_shows_its_transcript_owner_and_turns(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    await instance.services.state.transcript.add(conversation, line("in-1", "Is it <alive>?", instance))
    turn = Turn(
        id="turn-1",
        handled=["in-1"],
        route="answer",
        confidence=0.9,
        stages={"retrieve": 3.5},
        passages=[CitedPassage(document="d", heading="h", score=0.8, cited=True)],
        at=instance.clock(),
    )
    await instance.services.state.turns.add(conversation, turn)
    body = (await instance.admin("GET", f"/conversations/{conversation}")).body
    assert (body["owner"], body["epoch"], body["channel"]) == ("agent", 0, "web")
    assert [(item["seq"], item["text"], item["html"]) for item in body["transcript"]] == [
        (1, "Is it <alive>?", "<p>Is it &lt;alive&gt;?</p>")
    ]
    assert body["turns"] == [turn.model_dump(mode="json")]
    assert {"id", "handled", "route", "reasons", "confidence", "model", "tokens", "cost"} <= body["turns"][0].keys()
    assert {"stages", "passages", "actions", "replies"} <= body["turns"][0].keys()


async def test_a_long_transcript_is_read_in_pieces(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    for number in range(205):
        await instance.services.state.transcript.add(conversation, line(f"in-{number}", f"text {number}", instance))
    newest = (await instance.admin("GET", f"/conversations/{conversation}")).body["transcript"]
    first = (await instance.admin("GET", f"/conversations/{conversation}?after=0")).body["transcript"]
    assert [newest[0]["seq"], newest[-1]["seq"]] == [6, 205]
    assert [first[0]["seq"], first[-1]["seq"]] == [1, 200]
    assert (await instance.admin("GET", f"/conversations/{conversation}?after=x")).code == "invalid_request"


async def test_a_conversation_of_another_tenant_does_not_exist(instance: Instance) -> None:
    theirs = (await instance.conversation(tenant="other")).id
    claim = {"to": "person", "epoch": 0}
    assert (await instance.admin("GET", f"/conversations/{theirs}")).status == 404
    assert (await instance.admin("POST", f"/conversations/{theirs}/owner", claim)).status == 404
    assert (await instance.admin("POST", f"/conversations/{theirs}/messages", message_body())).status == 404
    assert await instance.logged("parley.inbound.web") == []


async def test_of_many_claims_at_one_epoch_exactly_one_wins(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    claim = {"to": "person", "epoch": 0}
    answers = await asyncio.gather(
        *(instance.admin("POST", f"/conversations/{conversation}/owner", claim) for _ in range(20))
    )
    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    for answer in answers:
        assert (answer.body["owner"], answer.body["epoch"]) == ("person", 1)
        if answer.status == 409:
            assert answer.code == "stale_epoch"
            assert (answer.body["error"]["owner"], answer.body["error"]["epoch"]) == ("person", 1)


async def test_a_claim_is_in_the_log_before_it_is_decided(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    await instance.admin("POST", f"/conversations/{conversation}/owner", {"to": "queue", "epoch": 0})
    ((event, payload),) = await instance.logged("parley.inbound.web")
    assert (event.type, event.conversation, event.tenant) == (topics.OWNER_REQUESTED, conversation, "shop")
    assert (payload.to, payload.expected_epoch, payload.by) == ("queue", 0, "admin")
    # The worker decides the same request again: the answer stays.
    again = await instance.services.state.conversations.own(
        conversation, "queue", expected_epoch=0, request_id=payload.id, by="admin", now=instance.clock()
    )
    assert (again.won, again.epoch) == (True, 1)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"to": "nobody", "epoch": 0},
        {"to": "person", "epoch": -1},
        {"to": "person", "epoch": "0"},
        {"to": "person", "epoch": 0, "force": True},
        [],
    ],
)
async def test_a_wrong_claim_is_refused(instance: Instance, body: Any) -> None:
    conversation = (await instance.conversation()).id
    answer = await instance.admin("POST", f"/conversations/{conversation}/owner", body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert await instance.logged("parley.inbound.web") == []


async def test_a_persons_message_takes_the_conversation_and_goes_the_way_of_all_messages(instance: Instance) -> None:
    conversation = await instance.conversation()
    answer = await instance.admin(
        "POST", f"/conversations/{conversation.id}/messages", message_body("I will look into it")
    )
    assert answer.status == 202
    claim, message = await instance.logged("parley.inbound.web")
    assert (claim[0].type, claim[1].to) == (topics.OWNER_REQUESTED, "person")
    assert message[0].type == topics.MESSAGE_RECEIVED
    assert message[0].conversation == conversation.id
    assert (message[1].author.kind, message[1].text) == ("person", "I will look into it")
    assert (message[1].place, message[1].contact_id) == (conversation.origin.place, conversation.origin.contact_id)
    assert answer.body["message_id"] == ids.derived_id(message[0].id, "outbound")
    now = await instance.services.state.conversations.get(conversation.id)
    assert now is not None
    assert (now.owner, now.epoch, now.agent_floor) == ("person", 1, 1)


async def test_a_second_message_of_the_person_claims_nothing_again(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    await instance.admin("POST", f"/conversations/{conversation}/messages", message_body(client_msg_id="1"))
    await instance.admin("POST", f"/conversations/{conversation}/messages", message_body(client_msg_id="2"))
    kinds = [event.type for event, _ in await instance.logged("parley.inbound.web")]
    assert kinds == [topics.OWNER_REQUESTED, topics.MESSAGE_RECEIVED, topics.MESSAGE_RECEIVED]


async def test_a_repeat_is_the_same_message(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    first = await instance.admin("POST", f"/conversations/{conversation}/messages", message_body())
    again = await instance.admin("POST", f"/conversations/{conversation}/messages", message_body())
    assert (again.status, again.body) == (202, first.body)
    events = [
        event.id for event, _ in await instance.logged("parley.inbound.web") if event.type.endswith("received.v1")
    ]
    assert len(set(events)) == 1


async def test_a_repeat_after_a_handback_does_not_take_the_conversation_again(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    first = await instance.admin("POST", f"/conversations/{conversation}/messages", message_body())
    shown = TranscriptMessage(
        id=first.body["message_id"],
        author=Author(kind="person"),
        text="Hello from a person",
        created_at=instance.clock(),
        state="sent",
    )
    await instance.services.state.transcript.add(conversation, shown)
    await instance.admin("POST", f"/conversations/{conversation}/owner", {"to": "agent", "epoch": 1})
    again = await instance.admin("POST", f"/conversations/{conversation}/messages", message_body())
    assert (again.status, again.body) == (202, first.body)
    now = await instance.services.state.conversations.get(conversation)
    assert now is not None
    assert now.owner == "agent"


async def test_the_same_client_id_with_another_body_is_refused(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    await instance.admin("POST", f"/conversations/{conversation}/messages", message_body("one"))
    answer = await instance.admin("POST", f"/conversations/{conversation}/messages", message_body("two"))
    assert (answer.status, answer.code) == (409, "id_reused")


async def test_a_visitor_cannot_use_up_the_id_of_a_persons_message(instance: Instance) -> None:
    conversation = await instance.conversation()
    origin = conversation.origin
    await instance.admin("POST", f"/conversations/{conversation.id}/messages", message_body(client_msg_id="same"))
    event = (await instance.logged("parley.inbound.web"))[-1][0]
    theirs = ids.event_id("shop", "web", "main", origin.place, "same", "message.received")
    assert event.id != theirs


async def test_a_persons_answer_names_files_that_were_uploaded_for_its_conversation(instance: Instance) -> None:
    """By the contact or by people; all others are unknown, and each in the same words."""
    conversation = await instance.conversation()
    elsewhere = await instance.conversation("elsewhere")
    path, blobs = f"/conversations/{conversation.id}/messages", instance.services.blobs
    form = aiohttp.FormData()
    form.add_field("file", b"text", filename="a.txt")
    uploaded = await instance.admin("POST", f"/conversations/{conversation.id}/attachments", data=form)
    assert (uploaded.status, uploaded.body["name"], uploaded.body["size"]) == (201, "a.txt", 4)
    theirs = await blobs.put("shop", "b.txt", "", b"text", conversation=conversation.id, uploader="c", claimed=False)
    wanted = [uploaded.body["attachment_id"], theirs.id]
    good = await instance.admin("POST", path, message_body(client_msg_id="1", attachments=wanted))
    assert good.status == 202
    logged = (await instance.logged("parley.inbound.web"))[-1][1].attachments
    assert [file.id for file in logged] == wanted
    instance.clock.tick(25 * 3600)
    assert [each.claimed async for each in blobs.uploads(before=instance.clock())] == [True, True]
    unbound = await blobs.put("shop", "c.txt", "", b"text")
    foreign = await blobs.put("shop", "d.txt", "", b"text", conversation=elsewhere.id, claimed=False)
    others = await blobs.put("other", "e.txt", "", b"text", conversation=conversation.id, claimed=False)
    refused = [
        await instance.admin("POST", path, message_body(client_msg_id="2", attachments=[wrong]))
        for wrong in (unbound.id, foreign.id, others.id, "nope", "0" * 64)
    ]
    assert [(answer.status, answer.body) for answer in refused] == [(400, refused[0].body)] * 5


async def test_a_file_is_uploaded_only_for_a_conversation_that_there_is(instance: Instance) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"text", filename="a.txt")
    answer = await instance.admin("POST", "/conversations/nobodys/attachments", data=form)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"text": "x"},
        message_body(text=""),
        message_body(text="   "),
        message_body(text="x" * 8001),
        message_body(text="a\x00b"),
        message_body(client_msg_id=""),
        message_body(client_msg_id="x" * 65),
        message_body(author="me"),
    ],
)
async def test_a_wrong_message_is_refused(instance: Instance, body: dict[str, Any]) -> None:
    conversation = (await instance.conversation()).id
    answer = await instance.admin("POST", f"/conversations/{conversation}/messages", body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert await instance.logged("parley.inbound.web") == []


async def test_an_unknown_conversation_is_not_found(instance: Instance) -> None:
    assert (await instance.admin("GET", f"/conversations/{uuid4()}")).code == "not_found"


async def add_named_contact(instance: Instance, place: str, name: str, *others: str) -> str:
    """The contact at this place (and at others) under a name; their id."""
    addresses = [Address(channel="web", value=each) for each in (place, *others)]
    change = ContactUpdate(at=instance.clock(), name=name)
    contact, _ = await instance.services.state.contacts.resolve(
        "shop", "web", "main", place, addresses, now=instance.clock(), change=change
    )
    return contact.id


async def test_a_conversation_names_its_contact_also_one_that_was_merged_since(instance: Instance) -> None:
    first, second, third = [await instance.conversation(f"visitor-{number}") for number in range(3)]
    await add_named_contact(instance, "visitor-0", "Ann Bloom", "visitor-1")
    items = {each["id"]: each for each in (await instance.admin("GET", "/conversations")).body["items"]}
    assert {id_: item["contact_name"] for id_, item in items.items()} == {
        first.id: "Ann Bloom",
        second.id: "Ann Bloom",
        third.id: "",
    }
    found = (await instance.admin("GET", f"/conversations/{second.id}")).body
    assert (found["contact_name"], found["contact_id"]) == ("Ann Bloom", second.origin.contact_id)


async def test_lines_from_before_the_name_was_known_are_signed_with_it(instance: Instance) -> None:
    conversation = (await instance.conversation()).id
    transcript = instance.services.state.transcript
    await transcript.add(conversation, line("in-1", "Hello", instance))
    early = line("in-2", "It is me", instance)
    await transcript.add(conversation, early.model_copy(update={"author": Author(kind="contact", name="Annie")}))
    answer = line("out-1", "Hello!", instance).model_copy(update={"author": Author(kind="agent")})
    await transcript.add(conversation, answer)
    await add_named_contact(instance, "visitor-1", "Ann Bloom")
    lines = (await instance.admin("GET", f"/conversations/{conversation}")).body["transcript"]
    assert [each["author"]["name"] for each in lines] == ["Ann Bloom", "Annie", ""]


async def test_in_a_room_nobody_is_given_the_name_of_who_wrote_first(instance: Instance) -> None:
    """A line does not say which contact's it is."""
    state, now = instance.services.state, instance.clock()
    addresses = [Address(channel="web", value="ann")]
    change = ContactUpdate(at=now, name="Ann Bloom")
    contact, id_ = await state.contacts.resolve("shop", "web", "main", "room", addresses, now=now, change=change)
    origin = Origin(tenant="shop", channel="web", account="main", place="room", contact_id=contact.id)
    await state.conversations.begin(id_, origin, ["event-room"], now=now)
    await state.transcript.add(id_, line("in-1", "Hello", instance))
    found = (await instance.admin("GET", f"/conversations/{id_}")).body
    assert (found["contact_name"], found["transcript"][0]["author"]["name"]) == ("Ann Bloom", "")
