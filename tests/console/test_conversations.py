"""Conversations at the console: listed, read, taken over by one winner, answered by whoever holds them."""

from __future__ import annotations

import asyncio
import io
import re
import uuid
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from gateway.config.desk import DeskSettings, DeskTimes
from gateway.config.settings import Tenant
from gateway.console.conversation_status import Wait, find_wait
from schemas import topics
from schemas.conversation import Conversation, Facts, Origin
from tests.console.conftest import Sit
from tests.console.form_client import FormClient, ShownPage, talk
from tests.console.sample_conversations import add_message, begin_conversation, fill_conversation, queue_conversation
from tests.unit.gateway.conftest import Instance

LIST = "/console/shop/conversations"


async def change_owner(seat: FormClient, conversation: str, to: str, epoch: int) -> ShownPage:
    return await seat.send(talk(conversation), talk(conversation, "owner"), {"to": to, "epoch": str(epoch)})


async def send_message(seat: FormClient, conversation: str, text: str, **more: Any) -> ShownPage:
    fields = {"text": text, "client_msg_id": uuid.uuid4().hex} | more
    return await seat.send(talk(conversation), talk(conversation, "messages"), fields)


async def read_owner(instance: Instance, conversation: str) -> tuple[str, int, str, str]:
    now = await instance.services.state.conversations.get(conversation)
    assert now is not None
    who = now.holder
    return now.owner, now.epoch, who.by if who else "", who.name if who else ""


async def messages(instance: Instance) -> list[Any]:
    logged = await instance.logged("parley.inbound.web")
    return [payload for event, payload in logged if event.type == topics.MESSAGE_RECEIVED]


async def test_the_list_shows_each_conversation_with_its_state_channel_contact_last_words_and_wait(
    instance: Instance, anna: FormClient
) -> None:
    await begin_conversation(instance, "v1", name="Ann")
    instance.clock.tick(60)
    second = await fill_conversation(instance, "v2", name="Bob")
    seen = await anna.get(LIST)
    assert seen.words.index(
        "Bob Waiting for a person web asked for a person · Colleague: A colleague here. waiting since"
    ) < seen.words.index("Ann Agent web")
    assert "1 waiting for a person" in seen.words
    instance.clock.tick(60)
    await change_owner(anna, second.id, "person", second.epoch)
    assert "Bob You web" in (await anna.get(LIST)).words
    assert "Nobody is waiting for a person" in (await anna.get(LIST)).words


async def test_waiting_conversations_top_the_list_by_age_and_are_counted_on_every_page(
    instance: Instance, anna: FormClient
) -> None:
    """However many newer conversations there are, and whichever part of the list is looked at."""
    for place in ("first", "second"):
        waiting = await begin_conversation(instance, place, name=f"Waits-{place}")
        await add_message(instance, waiting.id, f"in-{place}", f"My parcel is lost, says {place}")
        instance.clock.tick(60)
        await queue_conversation(instance, waiting.id)
    for number in range(55):
        instance.clock.tick(1)
        await begin_conversation(instance, f"v{number}", name=f"Name-{number:02}")
    seen = await anna.get(LIST)
    order = [seen.words.index(name) for name in ("Waits-first", "Waits-second", "Name-54")]
    assert order == sorted(order)
    assert seen.words.count("Waits-first") == 1
    assert "My parcel is lost, says first" in seen.words
    for query in ("", "?state=agent", "?state=person", "?state=mine", "?state=closed", "?channel=slack"):
        assert "2 waiting for a person" in (await anna.get(f"{LIST}{query}")).words, query


async def test_ones_own_conversations_are_found_behind_those_of_many_colleagues(
    instance: Instance, anna: FormClient
) -> None:
    mine = await begin_conversation(instance, "mine", name="Ann")
    await change_owner(anna, mine.id, "person", mine.epoch)
    for number in range(60):
        instance.clock.tick(1)
        other = await begin_conversation(instance, f"v{number}", name=f"Name-{number:02}")
        owned = instance.services.state.conversations.own
        await owned(other.id, "person", expected_epoch=0, request_id=f"r-{number}", by="ben", now=instance.clock())
    assert " Ann " in (await anna.get(f"{LIST}?state=mine")).words


async def test_an_operator_is_told_that_a_colleague_has_the_conversation_before_answering(
    instance: Instance, anna: FormClient, ben: FormClient
) -> None:
    found = await begin_conversation(instance, "v1", name="Ann")
    await change_owner(ben, found.id, "person", found.epoch)
    seen = await anna.get(talk(found.id))
    assert "is answering. To reply yourself, put the conversation back in the queue first." in seen.words
    assert "Sending takes over the conversation" not in seen.words
    assert "is answering" not in (await ben.get(talk(found.id))).words
    refused = await send_message(anna, found.id, "Hello from me too")
    assert refused.status == 409
    assert re.search(r'class="notice error" role="alert">Not sent: ', refused.text), "as a failure, not as good news"


async def test_the_list_can_be_narrowed_to_a_state_a_channel_and_ones_own(
    instance: Instance, anna: FormClient, ben: FormClient
) -> None:
    for number, name in enumerate(("Ann", "Bob", "Cyd", "Dee")):
        instance.clock.tick(1)
        await begin_conversation(instance, f"v{number}", name=name)
    ids = {each.contact: each.id for each in await list_conversations(instance)}
    await change_owner(anna, ids["Ann"], "person", 0)
    await change_owner(ben, ids["Bob"], "person", 0)
    await change_owner(ben, ids["Cyd"], "closed", 0)

    async def names(seat: FormClient, query: str) -> set[str]:
        words = (await seat.get(f"{LIST}?{query}")).words
        return {name for name in ids if f" {name} " in words}

    assert await names(anna, "state=mine") == {"Ann"}
    assert await names(ben, "state=mine") == {"Bob"}
    assert await names(anna, "state=person") == {"Ann", "Bob"}
    assert await names(anna, "state=closed") == {"Cyd"}
    assert await names(anna, "state=agent&channel=web") == {"Dee"}
    assert await names(anna, "channel=slack") == set()
    for wrong in ("state=nobody", "channel=fax", "after=nonsense"):
        assert (await anna.get(f"{LIST}?{wrong}")).status == 400


class ConversationList:
    def __init__(self, id_: str, contact: str) -> None:
        self.id, self.contact = id_, contact


async def list_conversations(instance: Instance) -> list[ConversationList]:
    items = (await instance.admin("GET", "/conversations")).body["items"]
    return [ConversationList(item["id"], item["contact_name"]) for item in items]


async def test_older_conversations_are_a_page_further(instance: Instance, anna: FormClient) -> None:
    for number in range(55):
        instance.clock.tick(1)
        await begin_conversation(instance, f"v{number}", name=f"Name-{number:02}")
    first = await anna.get(LIST)
    older = next(str(a["href"]) for n, a in first.elements() if n == "a" and "after=" in str(a.get("href")))
    second = await anna.get(older)
    assert [f"Name-{number:02}" in first.words for number in (54, 5, 4)] == [True, True, False]
    assert [f"Name-{number:02}" in second.words for number in (5, 4, 0)] == [False, True, True]


async def test_a_conversation_shows_what_was_said_and_all_that_lies_behind_it(
    instance: Instance, anna: FormClient
) -> None:
    found = await fill_conversation(instance)
    seen = await anna.get(talk(found.id))
    for there in (
        "Ann contact",
        "Yes, in winter we add one for 4.50 euro [1].",
        "Offered: Yes please",
        "Delivered",
        "Failed: the contact did not get it",
        "Dropped: the contact does not see it",
        "Shipping · Winter · version 3 In winter we add a heat pack.",
        "Route strong",
        "Confidence 0.83",
        "two questions at once",
        "412 tokens, $0.0123",
        "retrieve 4 ms",
        "shipping · Winter 0.91 cited",
        "look_up_order Outcome failed",
        "order .txt (text/plain, 1 KiB)",
        "too large",
        "message.txt: gone. The message was too long: this file contains all of it, the text above only its beginning.",
        ": asked for a person",
        "Promised: A refund",
        "refund_order",
    ):
        assert there in seen.words, there
    assert "<strong>4.50 euro</strong>" in seen.text
    assert 'href="https://shop.example/shipping"' in seen.text


async def test_a_file_of_the_conversation_is_fetched_from_here(instance: Instance, anna: FormClient) -> None:
    found = await fill_conversation(instance)
    links = [str(a["href"]) for n, a in (await anna.get(talk(found.id))).elements() if n == "a"]
    (address,) = [link for link in links if "/attachments/" in link]
    assert address.startswith("/v1/chat/shop/attachments/")
    assert (await anna.get(address)).text == "an order"


async def test_a_long_transcript_is_read_in_pieces(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    for number in range(1, 206):
        await add_message(instance, found.id, f"in-{number}", f"text-{number}.")
    newest = await anna.get(talk(found.id))
    assert ["text-5." in newest.words, "text-6." in newest.words, "text-205." in newest.words] == [False, True, True]
    earlier = next(str(a["href"]) for n, a in newest.elements() if n == "a" and "after=" in str(a.get("href")))
    assert "text-1." in (await anna.get(earlier)).words
    assert (await anna.get(talk(found.id) + "?after=x")).status == 400


async def test_an_operators_acts_are_logged_under_their_own_name(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    assert "The conversation is yours" in (await change_owner(anna, found.id, "person", 0)).news
    assert await read_owner(instance, found.id) == ("person", 1, "console:anna", "Anna Bloom")
    assert "Back in the queue" in (await change_owner(anna, found.id, "queue", 1)).news
    assert "the agent answers again" in (await change_owner(anna, found.id, "agent", 2)).news
    assert "Resolved" in (await change_owner(anna, found.id, "closed", 3)).news
    assert await read_owner(instance, found.id) == ("closed", 4, "console:anna", "Anna Bloom")
    asked = [payload for event, payload in await instance.logged("parley.inbound.web")]
    assert [(each.to, each.expected_epoch) for each in asked] == [
        ("person", 0),
        ("queue", 1),
        ("agent", 2),
        ("closed", 3),
    ]
    assert {(each.by, each.name) for each in asked} == {("console:anna", "Anna Bloom")}


async def test_of_many_who_claim_at_once_one_wins_and_the_others_are_told_who(instance: Instance, sit: Sit) -> None:
    found = await begin_conversation(instance, "v1")
    await queue_conversation(instance, found.id)
    seats = [await sit(name) for name in ("anna", "ben", "", "anna", "ben")]
    pages = await asyncio.gather(*(seat.get(talk(found.id)) for seat in seats))
    assert {page.field("epoch") for page in pages} == {"1"}
    answers = await asyncio.gather(
        *(
            seat.post(talk(found.id, "owner"), {"csrf": page.field("csrf"), "epoch": "1", "to": "person"})
            for seat, page in zip(seats, pages, strict=True)
        )
    )
    owner, epoch, _, name = await read_owner(instance, found.id)
    assert (owner, epoch) == ("person", 2)
    winner = name or "The admin token"
    news = [answer.news for answer in answers]
    assert [text.startswith("The conversation is yours") for text in news].count(True) == 1
    assert [text == f"Nothing was changed: {winner} was faster." for text in news].count(True) == 4


async def test_a_claim_from_an_old_page_changes_nothing(instance: Instance, anna: FormClient, ben: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    await change_owner(ben, found.id, "person", 0)
    assert (await change_owner(anna, found.id, "closed", 0)).news == "Nothing was changed: Ben was faster."
    assert (await read_owner(instance, found.id))[2] == "console:ben"


async def test_a_conversation_held_by_a_colleague_is_released_before_it_changes_hands(
    instance: Instance, anna: FormClient, ben: FormClient
) -> None:
    """As at the desk: anybody may free it, for its holder may be away; nobody takes, gives back or closes it."""
    found = await begin_conversation(instance, "v1")
    await change_owner(ben, found.id, "person", 0)
    page = await anna.get(talk(found.id))
    assert "With Ben" in page.words
    assert [a.get("value") for n, a in page.elements() if n == "button" and a.get("name") == "to"] == ["queue"]
    for to in ("person", "agent", "closed"):
        seen = await change_owner(anna, found.id, to, 1)
        assert (seen.status, seen.news) == (
            409,
            "Nothing was changed: Ben has the conversation; put it back in the queue first.",
        )
    assert (await read_owner(instance, found.id))[:3] == ("person", 1, "console:ben")
    await change_owner(anna, found.id, "queue", 1)
    await change_owner(anna, found.id, "person", 2)
    assert (await read_owner(instance, found.id))[:3] == ("person", 3, "console:anna")


async def test_the_resolution_is_shown_once_the_conversation_is_closed(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    await change_owner(anna, found.id, "person", 0)
    page = await anna.get(talk(found.id, "resolve"))
    assert [a.get("value") for n, a in page.elements() if n == "option"][:2] == ["Solved", "Workaround"]
    word = {"to": "closed", "epoch": page.field("epoch"), "outcome": "Workaround", "note": " ask again in May "}
    assert (await anna.send(talk(found.id), talk(found.id, "owner"), word)).news == "Resolved."
    claim, closed, told = [payload for _, payload in await instance.logged("parley.inbound.web")]
    assert (closed.to, claim.to) == ("closed", "person")
    assert (told.outcome, told.note, told.ask) == ("Workaround", "ask again in May", False)
    assert (told.by, told.name) == ("console:anna", "Anna Bloom")


@pytest.mark.parametrize("wrong", [{"outcome": "Bribed"}, {"tag": "vip"}, {"note": "x" * 3001}, {"note": "a\x00b"}])
async def test_a_resolution_that_the_form_did_not_offer_closes_nothing(
    instance: Instance, anna: FormClient, wrong: dict[str, str]
) -> None:
    found = await begin_conversation(instance, "v1")
    await change_owner(anna, found.id, "person", 0)
    fields = {"to": "closed", "epoch": "1"} | wrong
    assert (await anna.send(talk(found.id), talk(found.id, "owner"), fields)).status == 400
    assert (await read_owner(instance, found.id))[:2] == ("person", 1)


async def test_a_line_that_may_be_lost_says_so_and_is_sent_again_once(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    await add_message(instance, found.id, "reply-1", "We do, from 4.50 euro.", "agent", state="unknown")
    seen = await anna.get(talk(found.id))
    assert "We do, from 4.50 euro. May not have arrived" in seen.words
    fields = {str(a.get("name")): str(a.get("value")) for n, a in seen.elements() if n == "input"}
    again = {"text": fields["text"], "client_msg_id": "resend-reply-1"}
    for _ in range(2):
        await anna.send(talk(found.id), talk(found.id, "messages"), again)
    assert len({message.id for message in await messages(instance)}) == 1
    assert {message.text for message in await messages(instance)} == {"We do, from 4.50 euro."}
    assert (await read_owner(instance, found.id))[0] == "person"


async def test_an_answer_takes_the_conversation_and_goes_out_under_the_operators_name(
    instance: Instance, anna: FormClient
) -> None:
    found = await begin_conversation(instance, "v1")
    seen = await send_message(anna, found.id, "I will look\r\ninto it")
    assert seen.news == "Your message is on its way."
    assert (await read_owner(instance, found.id))[:3] == ("person", 1, "console:anna")
    claim, message = await instance.logged("parley.inbound.web")
    assert (claim[0].type, claim[1].to) == (topics.OWNER_REQUESTED, "person")
    assert (message[1].author.kind, message[1].author.name, message[1].text) == (
        "person",
        "Anna Bloom",
        "I will look\ninto it",
    )
    assert message[1].epoch == 1
    assert message[0].source == "parley/console"


async def test_an_answer_to_a_conversation_that_somebody_else_has_is_kept_and_not_sent(
    instance: Instance, anna: FormClient, ben: FormClient
) -> None:
    found = await begin_conversation(instance, "v1")
    await change_owner(ben, found.id, "person", 0)
    seen = await send_message(anna, found.id, "My long answer <b>")
    assert (seen.status, seen.news) == (409, "Not sent: Ben has the conversation. Put it back in the queue first.")
    assert "\nMy long answer &lt;b&gt;</textarea>" in seen.text
    assert await messages(instance) == []


async def test_of_two_who_answer_at_once_the_contact_hears_one(
    instance: Instance, anna: FormClient, ben: FormClient
) -> None:
    """However they interleave: whoever claims first is heard, the other is told who that was."""
    for number in range(10):
        found = await begin_conversation(instance, f"v{number}")
        pages = await asyncio.gather(anna.get(talk(found.id)), ben.get(talk(found.id)))
        sent = [
            (seat, {"csrf": page.field("csrf"), "client_msg_id": str(id(seat)), "text": "Hello"})
            for seat, page in zip((anna, ben), pages, strict=True)
        ]
        answers = await asyncio.gather(*(seat.post(talk(found.id, "messages"), fields) for seat, fields in sent))
        assert sorted(answer.status for answer in answers) == [200, 409]
        (lost,) = [answer for answer in answers if answer.status == 409]
        winner = (await read_owner(instance, found.id))[3]
        assert lost.news == f"Not sent: {winner} has the conversation. Put it back in the queue first."
        assert len(await messages(instance)) == number + 1
        assert (await messages(instance))[-1].author.name == winner


async def test_a_form_that_is_sent_twice_is_one_message(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    for _ in range(2):
        assert (await send_message(anna, found.id, "Hello", client_msg_id="m1")).status == 200
    assert len({each.id for each in await messages(instance)}) == 1
    other = await send_message(anna, found.id, "Something else", client_msg_id="m1")
    assert (other.status, "sent before" in other.news) == (409, True)


@pytest.mark.parametrize("text", ["", "   ", "x" * 8001, "a\x00b"])
async def test_an_answer_that_says_nothing_or_too_much_is_refused(
    instance: Instance, anna: FormClient, text: str
) -> None:
    found = await begin_conversation(instance, "v1")
    seen = await send_message(anna, found.id, text)
    assert seen.status == 409
    assert seen.news.startswith("Not sent: text: ")
    assert await instance.logged("parley.inbound.web") == []


async def test_a_card_number_in_an_answer_is_masked_before_it_is_written_down(
    instance: Instance, anna: FormClient
) -> None:
    found = await begin_conversation(instance, "v1")
    await send_message(anna, found.id, "Your card 4111 1111 1111 1111 is fine")
    (message,) = await messages(instance)
    assert "4111 1111" not in message.text


async def test_files_go_with_an_answer(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    page = await anna.get(talk(found.id))
    form = aiohttp.FormData()
    form.add_field("csrf", page.field("csrf"))
    form.add_field("client_msg_id", page.field("client_msg_id"))
    form.add_field("text", "See the files")
    form.add_field("files", b"first", filename="a.txt", content_type="text/plain")
    form.add_field("files", b"second", filename="b.txt", content_type="text/plain")
    assert (await anna.post(talk(found.id, "messages"), form)).news == "Your message is on its way."
    (message,) = await messages(instance)
    assert [file.name for file in message.attachments] == ["a.txt", "b.txt"]
    assert (await instance.services.blobs.get("shop", message.attachments[1].id))[1] == b"second"


async def test_a_file_before_the_forms_token_is_not_even_read(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    csrf = (await anna.get(talk(found.id))).field("csrf")
    form = aiohttp.FormData()
    form.add_field("files", b"first", filename="a.txt", content_type="text/plain")
    form.add_field("csrf", csrf)
    form.add_field("text", "Hello")
    form.add_field("client_msg_id", "m1")
    assert (await anna.post(talk(found.id, "messages"), form)).status == 403
    assert await instance.logged("parley.inbound.web") == []


async def test_too_many_files_or_too_large_ones_are_refused(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    csrf = (await anna.get(talk(found.id))).field("csrf")
    for sizes in ([1] * 6, [10 * 1024 * 1024 + 1]):
        form = aiohttp.FormData()
        form.add_field("csrf", csrf)
        form.add_field("text", "Hello")
        form.add_field("client_msg_id", "m1")
        for size in sizes:
            form.add_field("files", io.BytesIO(b"x" * size), filename="a.txt", content_type="text/plain")
        assert (await anna.post(talk(found.id, "messages"), form)).status == 413
    assert await instance.logged("parley.inbound.web") == []


async def test_an_approval_is_decided_under_the_operators_name(instance: Instance, anna: FormClient) -> None:
    found = await fill_conversation(instance)
    seen = await anna.send(talk(found.id), talk(found.id, "approvals", "approval-1"), {"decision": "deny"})
    assert seen.news == "Denied."
    decided = [
        each for event, each in await instance.logged("parley.inbound.web") if event.type == topics.APPROVAL_DECIDED
    ]
    assert [(each.approval_id, each.decision, each.by) for each in decided] == [("approval-1", "deny", "Anna Bloom")]
    instance.clock.tick(3601)
    await anna.sign_in("anna")
    late = await anna.send(talk(found.id), talk(found.id, "approvals", "approval-1"), {"decision": "approve"})
    assert (late.status, "expired" in late.words) == (409, True)


async def test_a_claim_that_makes_no_sense_is_refused(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1")
    seen = await change_owner(anna, found.id, "nobody", 0)
    assert seen.status == 400
    for epoch in ("x", "-1", "", "٣"):
        fields = {"to": "person", "epoch": epoch}
        assert (await anna.send(talk(found.id), talk(found.id, "owner"), fields)).status == 400
    assert await instance.logged("parley.inbound.web") == []


async def test_the_script_is_answered_once_the_part_is_another_one(instance: Instance, anna: FormClient) -> None:
    found = await begin_conversation(instance, "v1", name="Ann")
    await add_message(instance, found.id, "in-1", "first words")
    for path in (LIST, talk(found.id)):
        page = await anna.get(path)
        (live,) = [a for n, a in page.elements() if n == "div" and a.get("data-live")]
        headers = {"X-Parley-Seen": str(live["data-seen"])}
        waiting = asyncio.create_task(anna.get(str(live["data-live"]), headers=headers))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done, "nothing changed"
        instance.clock.tick(1)
        now = await instance.services.state.conversations.get(found.id)
        assert now is not None
        await change_owner(anna, found.id, "queue", now.epoch)
        part = await asyncio.wait_for(waiting, 30)
        assert part.status == 200
        assert "aiting for a person" in part.words
        assert "<html" not in part.text
        assert part.headers["X-Parley-Tag"] != live["data-seen"]


async def test_an_operator_signed_out_meanwhile_receives_no_more_updates(
    instance: Instance, anna: FormClient, sit: Sit
) -> None:
    found = await begin_conversation(instance, "v1", name="Ann")
    page = await anna.get(talk(found.id))
    (live,) = [a for n, a in page.elements() if n == "div" and a.get("data-live")]
    thief = await sit()
    headers = {"X-Parley-Seen": str(live["data-seen"]), "Cookie": f"parley_console={anna.cookie}"}
    waiting = asyncio.create_task(thief.get(str(live["data-live"]), headers=headers))
    await anna.post("/console/session/end", {"csrf": page.field("csrf")})
    await add_message(instance, found.id, "in-1", "secret words")
    seen = await asyncio.wait_for(waiting, 30)
    assert (seen.status, "secret words" in seen.text) == (401, False)


def test_a_wait_is_over_by_the_times_of_the_desk(instance: Instance) -> None:
    """For the first answer while nobody has it, for the next one while somebody does; never where nobody said."""
    now = instance.clock()
    desk = DeskSettings(channel="C0123456789", times=DeskTimes(first_reply=10, next_reply=30))
    origin = Origin(tenant="shop", channel="web", account="main", place="v1", contact_id="c1")
    heard = now + timedelta(minutes=5)
    waits = Conversation(
        id="c", origin=origin, owner="queue", created_at=now, updated_at=now, facts=Facts(heard_at=heard)
    )
    others = Tenant(name="Shop")
    ours = others.model_copy(update={"desk": desk})
    assert find_wait(waits, ours) == Wait(now, now + timedelta(minutes=10))
    assert find_wait(waits, others) == Wait(now)
    taken = waits.model_copy(update={"owner": "person"})
    assert find_wait(taken, ours) == Wait(heard, heard + timedelta(minutes=30))
    assert find_wait(taken.model_copy(update={"owner": "agent"}), ours) == Wait(heard)
    answered = taken.model_copy(update={"facts": Facts(heard_at=heard, answered_at=heard)})
    assert find_wait(answered, ours) is None
    assert find_wait(waits.model_copy(update={"owner": "closed"}), ours) is None
