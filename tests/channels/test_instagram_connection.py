"""Instagram's client, against the simulated vendor: what is shown, what comes back, what fails, what is looked up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.instagram import connection
from schemas.errors import CredentialsRevoked, NotFound, RetryLater, SendRefused, SendUnknown, TooLarge
from schemas.messages import RemoteFile
from schemas.ports import DeliveryLookup, FileFetcher, TypingIndicator
from tests.channels.meta import MARKER, OTHER_MARKER, MetaAccount, account_of, bench_of
from tests.simulators.meta import Instagram
from tests.simulators.meta import instagram_content as content
from tests.simulators.vendor import Fault, File

DAY = 86_400
PHOTO = File("pot.jpg", "image/jpeg", b"a pot")
PERSON = {"author": {"kind": "person", "name": "Ben"}}


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's limit of look-ups has a test of its own; the others need not wait."""
    monkeypatch.setattr(connection, "LOOKUP_INTERVAL", 0)


@pytest.fixture(params=["instagram", "facebook"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[MetaAccount]:
    async with bench_of(Instagram(login=request.param)) as bench:
        bench.vendor.look_up_limit.burst = 1000
        yield bench


def list_sends(bench: MetaAccount) -> list[Any]:
    return [each for each in bench.vendor.ledger.requests if each.operation == "messages"]


# ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_text_is_shown_under_the_id_that_is_judged_and_its_echo_is_nothing_new(bench: MetaAccount) -> None:
    bench.vendor.echoes = "before"
    (external_id,) = await bench.send("**Hello** Anna")
    (shown,) = bench.vendor.ledger.at(bench.vendor.place("anna"))
    assert (shown.id, shown.text) == (external_id, "Hello Anna")
    assert await bench.events() == []
    assert len(bench.receiver.accepted) == 1


async def test_a_choice_that_is_picked_comes_back_as_this_choice_of_this_message(bench: MetaAccount) -> None:
    choices = [{"id": "yes", "label": "Yes"}, {"id": "person", "label": "Ask a person"}]
    await bench.send("Did that help?", choices=choices)
    (shown,) = bench.vendor.ledger.shown
    await bench.vendor.choose("anna", shown, "Ask a person")
    (received,) = await bench.events()
    choice = received.payload["choice"]
    assert (choice.in_reply_to, choice.id, received.payload["text"]) == (MARKER, "person", "Ask a person")


async def test_texts_of_every_script_fit_into_the_vendors_bytes(bench: MetaAccount) -> None:
    await bench.send("猪笼草" * 300 + "👩‍👩‍👧‍👦" * 60)
    assert len(bench.vendor.ledger.shown) > 3


async def test_a_file_is_fetched_by_the_vendor_from_our_signed_address(bench: MetaAccount) -> None:
    bench.receiver.answer = ("image/jpeg", "a pot")
    photo = bench.attach(PHOTO.name, PHOTO.type, PHOTO.data)
    await bench.send("This pot", attachments=[photo])
    words, picture = bench.vendor.ledger.shown
    assert (words.text, [each.data for each in picture.files]) == ("This pot", [PHOTO.data])
    assert [each.url for each in bench.receiver.requests if each.method == "GET"] == [
        f"{bench.receiver.base}/shop/{photo.id}"
    ]


async def test_a_file_that_the_vendor_cannot_fetch_is_refused(bench: MetaAccount) -> None:
    bench.receiver.answer = ("text/html", "a log-in page")
    with pytest.raises(SendRefused, match="file_unusable"):
        await bench.send("", attachments=[bench.attach(PHOTO.name, PHOTO.type, PHOTO.data)])
    assert bench.vendor.ledger.shown == []


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "raised", "shown"),
    [
        (Fault("limit"), RetryLater, 0),
        (Fault("refuse", status=503), SendUnknown, 0),
        (Fault("refuse", status=401, code="190"), CredentialsRevoked, 0),
        (Fault("lose", status=502), SendUnknown, 0),
        (Fault("drop"), SendUnknown, 0),
        (Fault("fail_after", status=503), SendUnknown, 1),
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


async def test_a_limit_of_the_hour_holds_the_account_for_as_long_as_the_vendor_says() -> None:
    async with bench_of(Instagram(login="facebook")) as bench:
        bench.vendor.faults.next(Fault("limit", retry_after=90, code="4"))
        with pytest.raises(RetryLater) as raised:
            await bench.send()
        assert (raised.value.of_account, raised.value.retry_after_ms) == (True, 120_000)


async def test_after_a_day_a_person_may_write_and_nobody_else_and_after_a_week_no_one(bench: MetaAccount) -> None:
    bench.vendor.graph.pace.forward(DAY + 60)
    with pytest.raises(SendRefused, match="window_closed"):
        await bench.send("From the agent")
    await bench.send("From a person", sending={"as_person": True}, **PERSON)
    bench.vendor.graph.pace.forward(6 * DAY)
    with pytest.raises(SendRefused, match="window_closed"):
        await bench.send("Too late", sending={"as_person": True}, **PERSON)
    assert [each.text for each in bench.vendor.ledger.shown] == ["From a person"]


async def test_an_account_without_the_longer_window_goes_on_with_the_shorter_one(bench: MetaAccount) -> None:
    bench.vendor.token.scopes.discard("human_agent")
    with pytest.raises(SendRefused, match="window_closed"):
        await bench.send("From a person", sending={"as_person": True}, **PERSON)
    await bench.send("From the agent")


@pytest.mark.parametrize(("who", "reason"), [("blocked", "blocked"), ("gone", "not_found")])
async def test_a_person_who_cannot_be_reached_is_refused_with_the_reason(
    bench: MetaAccount, who: str, reason: str
) -> None:
    bench.vendor.person("anna").blocked = who == "blocked"
    with pytest.raises(SendRefused, match=reason):
        await bench.send(place=bench.vendor.place("anna") if who == "blocked" else "7100000000009999")


# ── looked up ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def in_doubt(bench: MetaAccount, kind: Any, text: str = "It ships tomorrow.", **more: Any) -> Any:
    """The call of a message whose answer never came."""
    (call,) = bench.calls(text, **more)
    bench.vendor.faults.next(Fault(kind, "messages", status=503))
    with pytest.raises(SendUnknown):
        await bench.perform(call)
    return call


async def test_a_lookup_finds_what_was_shown_and_nothing_else(bench: MetaAccount) -> None:
    assert isinstance(bench.connection, DeliveryLookup)
    for kind in ("drop", "lose", "refuse"):
        call = await in_doubt(bench, kind)
        assert await bench.connection.lookup(call, MARKER) is None
    call = await in_doubt(bench, "drop_after")
    (shown,) = bench.vendor.ledger.shown
    assert await bench.connection.lookup(call, MARKER) == shown.id


async def test_the_same_words_said_before_are_another_message(bench: MetaAccount) -> None:
    """Below the same question our own ids tell, below another one the vendor's order does."""
    (call,) = bench.calls("I do not know.")
    bench.known.add(await bench.perform(call, OTHER_MARKER))
    call = await in_doubt(bench, "drop", "I do not know.")
    assert await bench.connection.lookup(call, MARKER) is None
    bench.known.clear()
    asked = await bench.vendor.say("anna", "And now?")
    call = await in_doubt(bench, "drop", "I do not know.", sending={"answers": asked})
    assert await bench.connection.lookup(call, MARKER) is None
    call = await in_doubt(bench, "fail_after", "I do not know.", sending={"answers": asked})
    assert await bench.connection.lookup(call, MARKER) == bench.vendor.ledger.shown[-1].id


async def test_a_persons_own_words_are_not_taken_for_ours(bench: MetaAccount) -> None:
    call = await in_doubt(bench, "drop", "Hello")
    await bench.vendor.say("anna", "Hello")
    assert await bench.connection.lookup(call, MARKER) is None


async def test_a_lookup_behind_too_many_later_messages_is_inconclusive(bench: MetaAccount) -> None:
    asked = await bench.vendor.say("anna", "And now?")
    call = await in_doubt(bench, "drop_after", sending={"answers": asked})
    for number in range(19):
        await bench.vendor.say("anna", str(number))
    assert await bench.connection.lookup(call, MARKER) == bench.vendor.ledger.shown[0].id
    await bench.vendor.say("anna", "one more")
    with pytest.raises(SendRefused, match="history_too_short"):
        await bench.connection.lookup(call, MARKER)


async def test_a_vendor_that_cannot_tell_now_is_asked_later(bench: MetaAccount) -> None:
    call = await in_doubt(bench, "drop_after")
    for fault in (Fault("limit"), Fault("refuse", status=503), Fault("lose", status=502)):
        bench.vendor.faults.next(fault)
        with pytest.raises(RetryLater):
            await bench.connection.lookup(call, MARKER)
    bench.vendor.token.revoked = True
    with pytest.raises(CredentialsRevoked):
        await bench.connection.lookup(call, MARKER)


async def test_a_look_up_keeps_to_the_vendors_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench_of(Instagram()) as bench:
        call = await in_doubt(bench, "drop_after")
        with pytest.raises(RetryLater):
            await bench.connection.lookup(call, MARKER)
        monkeypatch.setattr(connection, "LOOKUP_INTERVAL", 0.55)
        assert await bench.connection.lookup(call, MARKER) == bench.vendor.ledger.shown[0].id


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_everything_a_person_does_has_its_event(bench: MetaAccount) -> None:
    vendor = bench.vendor
    (sent,) = await bench.send()
    await vendor.settled()
    bench.receiver.requests.clear()
    first = await vendor.say("anna", "Do you have plants?", reply_to=sent)
    await vendor.edit("anna", first, "Do you have red plants?")
    await vendor.react("anna", sent, "❤")
    await vendor.react("anna", sent, "❤", take_back=True)
    vendor.read("anna", sent)
    await vendor.delete("anna", first)
    vendor.human("anna", "This is Ben.")
    events = await bench.events()
    assert [(event.type.split(".", 1)[1], event.external_id) for event in events[:6]] == [
        ("message.received.v1", first),
        ("message.edited.v1", first),
        ("reaction.changed.v1", sent),
        ("reaction.changed.v1", sent),
        ("receipt.recorded.v1", sent),
        ("message.deleted.v1", first),
    ]
    assert events[0].payload["answers"] == sent
    assert (events[6].payload["author"].kind, events[6].payload["text"]) == ("person", "This is Ben.")
    assert {event.place for event in events} == {vendor.place("anna")}


async def test_numbers_for_ids_are_read_as_well(bench: MetaAccount) -> None:
    bench.vendor.spelling = "number"
    await bench.vendor.say("anna", "Hello")
    (event,) = await bench.events()
    assert event.place == bench.vendor.place("anna")


async def test_events_for_other_accounts_are_left_out(bench: MetaAccount) -> None:
    vendor = bench.vendor
    vendor.refers("anna", content.link())
    vendor.handover("anna", "pass", new_owner_app_id=1)
    vendor.change("comments", {"id": "1", "text": "Nice"}, entry="0")
    vendor.standby = True
    await vendor.say("anna", "To the other app")
    (opened,) = await bench.events()
    assert opened.payload["author"].kind == "system", "whoever opens a link has not written yet: a note, not a question"
    assert len(bench.receiver.accepted) == 4


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def sent_file(bench: MetaAccount) -> RemoteFile:
    await bench.vendor.say("anna", "", files=[PHOTO])
    (event,) = await bench.events()
    (found,) = event.payload["files"]
    assert isinstance(found, RemoteFile)
    return found


async def test_a_file_is_fetched_without_showing_our_token(bench: MetaAccount) -> None:
    bench.receiver.answer = ("image/jpeg", "a pot")
    settings = bench.vendor.settings() | {"api_base": bench.receiver.base}
    elsewhere: Any = bench.channel.connect(account_of("instagram", settings))
    await elsewhere.fetch(RemoteFile(ref=f"{bench.receiver.base}/file"), 1000)
    assert "Authorization" not in bench.receiver.requests[-1].headers
    await elsewhere.close()


async def test_a_file_is_fetched_with_its_type_and_name(bench: MetaAccount) -> None:
    assert isinstance(bench.connection, FileFetcher)
    found = await sent_file(bench)
    assert await bench.connection.fetch(found, 1000) == (PHOTO.data, "image/jpeg", "image.jpg")
    with pytest.raises(TooLarge):
        await bench.connection.fetch(found, 3)


async def test_a_file_whose_address_is_over_is_gone(bench: MetaAccount) -> None:
    found = await sent_file(bench)
    bench.vendor.graph.pace.forward(8 * DAY)
    with pytest.raises(NotFound):
        await bench.connection.fetch(found, 1000)


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://lookaside.fbsbx.com/plain",
        "https://lookaside.fbsbx.com.example.org/x",
        "https://examplefbcdn.net/x",
        "file:///etc/passwd",
        "/relative",
        "https://[broken",
    ],
)
async def test_no_other_address_is_called(bench: MetaAccount, address: str) -> None:
    with pytest.raises(NotFound):
        await bench.connection.fetch(RemoteFile(ref=address), 1000)


async def test_a_file_that_cannot_be_had_now_may_be_had_later(bench: MetaAccount) -> None:
    found = await sent_file(bench)
    bench.vendor.faults.next(Fault("lose", "media.download", status=503))
    with pytest.raises(RetryLater):
        await bench.connection.fetch(found, 1000)


# ── seen ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_person_sees_that_we_have_read_and_are_writing(bench: MetaAccount) -> None:
    assert isinstance(bench.connection, TypingIndicator)
    message = await bench.vendor.say("anna", "Hello?")
    anna = bench.vendor.place("anna")
    await bench.connection.show_typing(anna, message)
    assert bench.vendor.actions == [(anna, "mark_seen"), (anna, "typing_on")]


@pytest.mark.parametrize("fault", [Fault("refuse", status=500), Fault("drop"), Fault("lose", status=502)])
async def test_that_we_have_read_may_fail_without_a_word(bench: MetaAccount, fault: Fault) -> None:
    bench.vendor.faults.next(fault)
    await bench.connection.show_typing(bench.vendor.place("anna"), "m")
    assert bench.vendor.actions == []
