"""WhatsApp's client for the Cloud API, against the simulated vendor: what is shown, what comes back, what fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientTimeout

from connectors.meta_graph import client
from schemas import topics
from schemas.conversation import Contact
from schemas.errors import CredentialsRevoked, NotFound, RetryLater, SendRefused, SendUnknown, TooLarge
from schemas.messages import Address, Attachment, RemoteFile
from schemas.ports import FileFetcher, TypingIndicator
from tests.channels.meta import MARKER, MetaAccount, account_of, bench_of
from tests.harness.channel_tools import NOW
from tests.simulators.meta import WhatsApp
from tests.simulators.meta import whatsapp_content as content
from tests.simulators.meta.whatsapp_api import Template
from tests.simulators.vendor import Fault, File

DAY = 86_400
CHOICES = [{"id": "yes", "label": "Yes"}, {"id": "person", "label": "Ask a person"}]
PHOTO = File("pot.jpg", "image/jpeg", b"\xff\xd8 a pot")


@pytest.fixture
async def bench() -> AsyncIterator[MetaAccount]:
    async with bench_of(WhatsApp()) as bench:
        yield bench


def list_sends(bench: MetaAccount) -> list[Any]:
    return [each for each in bench.vendor.ledger.requests if each.operation == "messages"]


def of_type(events: list[Any], type_: str) -> list[Any]:
    return [event for event in events if event.type == type_]


# ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_text_is_shown_with_our_marker_under_the_id_that_is_judged(bench: MetaAccount) -> None:
    (external_id,) = await bench.send("**Hello** Anna")
    (shown,) = bench.vendor.ledger.at(bench.vendor.place("anna"))
    assert (shown.id, shown.text, shown.marker) == (external_id, "*Hello* Anna", MARKER)


@pytest.mark.parametrize("count", [2, 7])
async def test_a_choice_that_is_picked_comes_back_as_this_choice_of_this_message(
    bench: MetaAccount, count: int
) -> None:
    choices = [*CHOICES, *({"id": f"c{n}", "label": f"Plant {n}"} for n in range(count - 2))]
    (shown_id,) = await bench.send("Did that help?", choices=choices)
    (shown,) = bench.vendor.ledger.shown
    assert shown.choices == [each["label"] for each in choices]
    await bench.vendor.choose("anna", shown, "Ask a person")
    (received,) = of_type(await bench.events(), topics.MESSAGE_RECEIVED)
    choice = received.payload["choice"]
    assert (choice.in_reply_to, choice.id, received.payload["text"]) == (MARKER, "person", "Ask a person")
    assert received.payload["answers"] == shown_id


async def test_a_file_is_uploaded_and_shown_with_the_words_below_it(bench: MetaAccount) -> None:
    photo, guide = (
        bench.attach(PHOTO.name, PHOTO.type, PHOTO.data),
        bench.attach("care.pdf", "application/pdf", b"%PDF"),
    )
    await bench.send("This pot", attachments=[photo, guide])
    first, second = bench.vendor.ledger.shown
    assert (first.text, first.files) == ("This pot", [PHOTO])
    assert second.files == [File("care.pdf", "application/pdf", b"%PDF")]


async def test_a_file_that_is_gone_is_refused_before_anything_is_asked(bench: MetaAccount) -> None:
    gone = Attachment(id="f" * 64, name="pot.jpg", type="image/jpeg", size=3)
    with pytest.raises(SendRefused, match="file_gone"):
        await bench.send("", attachments=[gone])
    assert bench.vendor.ledger.requests == []


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Fault("refuse", "media.upload", status=500), RetryLater),
        (Fault("drop", "media.upload"), RetryLater),
        (Fault("drop_after", "media.upload"), RetryLater),
        (Fault("garbage", "media.upload"), RetryLater),
        (Fault("lose", "media.upload", status=413), SendRefused),
        (Fault("limit", "media.upload"), RetryLater),
    ],
    ids=lambda each: getattr(each, "kind", ""),
)
async def test_an_upload_that_fails_leaves_no_doubt_because_it_shows_nothing(
    bench: MetaAccount, fault: Fault, raised: type[Exception]
) -> None:
    bench.vendor.faults.next(fault)
    with pytest.raises(raised):
        await bench.send("", attachments=[bench.attach(PHOTO.name, PHOTO.type, PHOTO.data)])
    assert list_sends(bench) == []


async def test_a_customer_who_hides_the_number_is_addressed_by_user_id(bench: MetaAccount) -> None:
    mina = bench.vendor.person("mina")
    mina.number_hidden = True
    await bench.vendor.say("mina", "Hello")
    (received,) = of_type(await bench.events(), topics.MESSAGE_RECEIVED)
    assert (received.place, [each.value for each in received.addresses]) == (mina.user_id, [mina.user_id])
    await bench.send("Hello Mina", place=received.place)
    assert [each.text for each in bench.vendor.ledger.at(mina.place)] == ["Hello Mina"]


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "raised", "shown"),
    [
        (Fault("limit", retry_after=5), RetryLater, 0),
        (Fault("limit", code="131056"), RetryLater, 0),
        (Fault("refuse", status=500), SendUnknown, 0),
        (Fault("refuse", status=400, code="131026"), SendRefused, 0),
        (Fault("refuse", status=401, code="190"), CredentialsRevoked, 0),
        (Fault("lose", status=502), SendUnknown, 0),
        (Fault("drop"), SendUnknown, 0),
        (Fault("fail_after", status=500), SendUnknown, 1),
        (Fault("drop_after"), SendUnknown, 1),
        (Fault("garbage"), SendUnknown, 1),
    ],
    ids=lambda each: f"{each.kind}{each.code}" if isinstance(each, Fault) else "",
)
async def test_a_failed_send_is_reported_and_never_retried_by_the_client(
    bench: MetaAccount, fault: Fault, raised: type[Exception], shown: int
) -> None:
    bench.vendor.faults.next(fault)
    with pytest.raises(raised):
        await bench.send()
    assert len(list_sends(bench)) == 1
    assert len(bench.vendor.ledger.shown) == shown


async def test_a_slow_answer_is_waited_for(bench: MetaAccount) -> None:
    bench.vendor.faults.next(Fault("slow", seconds=0.2))
    assert len(await bench.send()) == 1


async def test_an_answer_that_does_not_come_in_time_is_unknown(
    bench: MetaAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", ClientTimeout(total=0.1))
    bench.vendor.faults.next(Fault("slow", seconds=1))
    with pytest.raises(SendUnknown):
        await bench.send()
    assert len(bench.vendor.ledger.shown) == 1


async def test_an_unreachable_server_means_that_nothing_has_left(bench: MetaAccount) -> None:
    settings = bench.vendor.settings() | {"api_base": "http://127.0.0.1:9/v26.0"}
    connection = bench.channel.connect(account_of("whatsapp", settings))
    with pytest.raises(RetryLater):
        await connection.perform(bench.calls()[0], MARKER)
    await connection.close()


async def test_a_limit_of_the_number_holds_the_account_and_one_of_the_pair_does_not(bench: MetaAccount) -> None:
    bench.vendor.faults.next(Fault("limit", retry_after=90), Fault("limit", code="131056"))
    with pytest.raises(RetryLater) as of_number:
        await bench.send()
    assert (of_number.value.of_account, of_number.value.retry_after_ms) == (True, 120_000)
    bench.vendor.graph.usage.regain_after = 0
    with pytest.raises(RetryLater) as of_pair:
        await bench.send()
    assert not of_pair.value.of_account


async def test_the_pace_stays_below_what_a_pair_may_exchange(bench: MetaAccount) -> None:
    pace = bench.channel.policy.contact_pace
    assert pace is not None
    for _ in range(pace.burst):
        await bench.send()
    bench.vendor.graph.pace.forward(1 / pace.per_second)
    assert await bench.send()


async def test_a_token_that_was_revoked_is_told_as_such(bench: MetaAccount) -> None:
    bench.vendor.token.revoked = True
    with pytest.raises(CredentialsRevoked):
        await bench.send()


async def test_after_a_day_only_a_template_is_shown() -> None:
    template = {"name": "we_answered", "language": "en", "parameters": ["{text}"]}
    async with bench_of(WhatsApp(), template=template) as bench:
        bench.vendor.templates["we_answered", "en"] = Template("We have an answer: {{1}}")
        bench.vendor.window_errors = "sync"
        bench.vendor.graph.pace.forward(DAY + 60)
        with pytest.raises(SendRefused, match="window_closed"):
            await bench.send()
        await bench.send("It **ships**\n\ntomorrow", sending={"window_open": False})
        assert [each.text for each in bench.vendor.ledger.shown] == ["We have an answer: It ships tomorrow"]


async def test_a_window_that_turns_out_closed_comes_back_as_a_failure_of_the_marker(bench: MetaAccount) -> None:
    bench.vendor.graph.pace.forward(DAY + 60)
    (external_id,) = await bench.send()
    (failed,) = of_type(await bench.events(), topics.RECEIPT_RECORDED)
    told = failed.payload
    assert (told["state"], told["reason"], told["marker"]) == ("failed", "window_closed", MARKER)
    assert told["external_id"] == external_id


async def test_a_send_in_doubt_is_identified_by_its_statuses(bench: MetaAccount) -> None:
    bench.vendor.faults.next(Fault("drop_after"))
    with pytest.raises(SendUnknown):
        await bench.send()
    (shown,) = bench.vendor.ledger.shown
    told = [event.payload for event in of_type(await bench.events(), topics.RECEIPT_RECORDED)]
    assert [(each["state"], each["marker"], each["external_id"]) for each in told] == [
        ("sent", MARKER, shown.id),
        ("delivered", MARKER, shown.id),
    ]


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_everything_a_customer_does_has_its_event(bench: MetaAccount) -> None:
    vendor = bench.vendor
    (sent,) = await bench.send()
    await vendor.settled()
    bench.receiver.requests.clear()
    first = await vendor.say("anna", "Do you have plants?", reply_to=sent)
    await vendor.edit("anna", first, "Do you have red plants?")
    await vendor.react("anna", sent, "👍")
    await vendor.react("anna", sent, "👍", take_back=True)
    await vendor.delete("anna", first)
    vendor.human("anna", "This is Ben.")
    events = await bench.events()
    assert [(event.type.split(".", 1)[1], event.external_id) for event in events[:5]] == [
        ("message.received.v1", first),
        ("message.edited.v1", first),
        ("reaction.changed.v1", sent),
        ("reaction.changed.v1", sent),
        ("message.deleted.v1", first),
    ]
    assert events[0].payload["answers"] == sent
    assert [event.payload.get("taken_back") for event in events[2:4]] == [False, True]
    assert (events[5].payload["author"].kind, events[5].payload["text"]) == ("person", "This is Ben.")
    assert {event.place for event in events} == {vendor.person("anna").user_id}


async def test_a_contact_who_changes_the_number_stays_the_same_contact(bench: MetaAccount) -> None:
    anna = bench.vendor.person("anna")
    old = (anna.user_id, anna.wa_id)
    bench.vendor.change_number("anna", "491520000000")
    events = await bench.events()
    moved = [event.type for event in events if event.type != topics.MESSAGE_RECEIVED]
    assert moved == [topics.CONTACT_CHANGED] * 2
    (note,) = (event for event in events if event.type == topics.MESSAGE_RECEIVED)
    assert (note.payload["author"].kind, note.payload["unsupported"]) == ("system", "number_changed")
    known = [address.value for event in events for address in event.addresses]
    assert {*old, anna.user_id, anna.wa_id} == set(known)
    addresses = [Address(channel="whatsapp", value=each, assurance="channel") for each in dict.fromkeys(known)]
    contact = Contact(id="contact-1", tenant="shop", created_at=NOW, addresses=addresses)
    await bench.send("Still there?", place=old[0], sending={"contact": contact})
    assert [each.text for each in bench.vendor.ledger.at(anna.place)] == ["Still there?"]


async def test_a_batch_of_a_thousand_is_read_whole_and_each_goes_to_its_number() -> None:
    vendor = WhatsApp()
    sibling = vendor.add_number("+1 555-0101")
    async with bench_of(vendor) as bench:
        theirs = account_of("whatsapp", vendor.settings(sibling), "sibling")
        bench.account = type(bench.account)("shop", "whatsapp", "main", bench.account.settings, lambda: [theirs])
        async with vendor.graph.webhooks.held(merge=False, shuffle=3):
            for n in range(1000):
                vendor.says(f"person {n % 7}", str(n), number=sibling if n % 2 else vendor.number)
        events = await bench.events()
        assert len(bench.receiver.accepted) == 1
        assert sorted(int(event.payload["text"]) for event in events) == list(range(1000))
        assert all((event.account is theirs) == (int(event.payload["text"]) % 2 == 1) for event in events)


async def test_unreadable_content_becomes_a_placeholder_or_is_left_out_and_the_webhook_gets_200(
    bench: MetaAccount,
) -> None:
    vendor = bench.vendor
    vendor.sends("anna", content.unsupported())
    vendor.sends("anna", content.flow_reply("{"))
    vendor.sends("anna", content.text("In a group") | content.in_group("120363"))
    vendor.account_field("account_update", {"event": "VERIFIED_ACCOUNT"})
    vendor.account_error(131000)
    events = await bench.events()
    assert [(event.payload.get("unsupported"), event.payload.get("text")) for event in events] == [
        ("unsupported", None),
        (None, "{"),
    ]


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def sent_file(bench: MetaAccount, file: File) -> RemoteFile:
    await bench.vendor.say("anna", "", files=[file])
    (event,) = await bench.events()
    (found,) = event.payload["files"]
    assert isinstance(found, RemoteFile)
    return found


async def test_a_file_is_fetched_with_its_type_and_name(bench: MetaAccount) -> None:
    assert isinstance(bench.connection, FileFetcher)
    found = await sent_file(bench, PHOTO)
    assert await bench.connection.fetch(found, 1000) == (PHOTO.data, "image/jpeg", "image.jpg")
    pdf = RemoteFile(ref=found.ref, name="care.pdf")
    assert (await bench.connection.fetch(pdf, 1000))[2] == "care.pdf"


async def test_a_voice_note_is_told_as_one_whatever_its_codec(bench: MetaAccount) -> None:
    found = await sent_file(bench, File("v.ogg", "audio/ogg", b"Ogg"))
    assert (found.kind, found.type) == ("voice", "audio/ogg")


async def test_a_file_over_the_limit_is_not_fetched(bench: MetaAccount) -> None:
    found = await sent_file(bench, PHOTO)
    with pytest.raises(TooLarge):
        await bench.connection.fetch(found, 3)
    assert [each.operation for each in bench.vendor.ledger.requests] == ["media.get"]


async def test_an_address_that_has_expired_is_asked_for_once_more(bench: MetaAccount) -> None:
    found = await sent_file(bench, PHOTO)
    bench.vendor.faults.next(Fault("lose", "media.download", status=404))
    assert (await bench.connection.fetch(found, 1000))[0] == PHOTO.data
    bench.vendor.faults.next(*[Fault("lose", "media.download", status=404)] * 2)
    with pytest.raises(NotFound):
        await bench.connection.fetch(found, 1000)


async def test_bytes_that_are_not_those_of_the_hash_are_no_file(bench: MetaAccount) -> None:
    found = await sent_file(bench, PHOTO)
    bench.vendor.graph.media.get(found.ref).tampered = True
    with pytest.raises(NotFound):
        await bench.connection.fetch(found, 1000)


async def test_a_file_is_gone_after_a_week(bench: MetaAccount) -> None:
    found = await sent_file(bench, PHOTO)
    bench.vendor.graph.pace.forward(8 * DAY)
    with pytest.raises(NotFound):
        await bench.connection.fetch(found, 1000)


@pytest.mark.parametrize("operation", ["media.get", "media.download"])
@pytest.mark.parametrize("kind", ["refuse", "lose", "drop"])
async def test_a_file_that_cannot_be_had_now_may_be_had_later(bench: MetaAccount, operation: str, kind: Any) -> None:
    found = await sent_file(bench, PHOTO)
    # A connection that breaks while something is fetched is made once more by the client itself.
    bench.vendor.faults.next(*[Fault(kind, operation, status=503)] * (2 if kind == "drop" else 1))
    with pytest.raises(RetryLater):
        await bench.connection.fetch(found, 1000)


async def test_a_token_that_was_revoked_fetches_nothing(bench: MetaAccount) -> None:
    found = await sent_file(bench, PHOTO)
    bench.vendor.token.revoked = True
    with pytest.raises(CredentialsRevoked):
        await bench.connection.fetch(found, 1000)


# ── seen ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_customer_sees_that_we_have_read_and_are_writing(bench: MetaAccount) -> None:
    assert isinstance(bench.connection, TypingIndicator)
    message = await bench.vendor.say("anna", "Hello?")
    await bench.connection.show_typing(bench.vendor.place("anna"), message)
    assert bench.vendor.typing == [message]


@pytest.mark.parametrize("fault", [Fault("refuse", status=500), Fault("drop"), Fault("lose", status=502)])
async def test_that_we_have_read_may_fail_without_a_word(bench: MetaAccount, fault: Fault) -> None:
    message = await bench.vendor.say("anna", "Hello?")
    bench.vendor.faults.next(fault)
    await bench.connection.show_typing(bench.vendor.place("anna"), message)
    assert bench.vendor.typing == []
