"""Slack's Web API as our connection uses it: the real client against the simulated vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from connectors.channel_services import ChannelServices
from connectors.registry import load_settings_model, open_channel
from connectors.slack.connection import TYPING_STATUS, SlackConnection
from schemas.errors import (
    CredentialsRevoked,
    DeliveryError,
    NotFound,
    RetryLater,
    SendRefused,
    SendUnknown,
    TooLarge,
)
from schemas.messages import Attachment, Author, Choice, OutboundMessage, RemoteFile
from schemas.ports import (
    Account,
    Channel,
    DeliveryLookup,
    FileFetcher,
    RenderContext,
    TypingIndicator,
    VendorCall,
    VendorResponse,
)
from tests.simulators.slack.server import SlackVendor
from tests.simulators.slack.workspace import Room
from tests.simulators.vendor import Fault, File, ShownMessage

LEAF = File("leaf.png", "image/png", b"\x89PNG leaf")
STORED = Attachment(id="a" * 64, name="leaf.png", type="image/png", size=len(LEAF.data))


async def read_file(tenant: str, attachment: str) -> tuple[Attachment, bytes]:
    if attachment != STORED.id:
        raise NotFound("no such file")
    return STORED, LEAF.data


class Desk:
    """A connection at work, with what a sender would do around it."""

    def __init__(self, slack: SlackVendor) -> None:
        nothing: Any = None
        tools = ChannelServices(
            transcript=nothing, signals=nothing, clock=lambda: datetime.now(UTC), read_file=read_file
        )
        self.slack = slack
        self.channel: Channel = open_channel("slack", tools)
        self.account = Account("shop", "slack", "main", load_settings_model("slack").model_validate(slack.settings()))
        connection = self.channel.connect(self.account)
        assert isinstance(connection, SlackConnection)
        self.connection = connection

    def direct(self, person: str = "Ann") -> str:
        return f"{self.slack.workspace.team}:{self.slack.place(person)}"

    def thread(self, room: Room, root: str) -> str:
        return f"{self.slack.workspace.team}:{room.id}:{root}"

    def calls(self, *, place: str = "", answers: str = "", **fields: Any) -> list[VendorCall]:
        now = datetime.now(UTC)
        whole: dict[str, Any] = {
            "id": "m1",
            "author": Author(kind="agent"),
            "text": "",
            "place": place or self.direct(),
            "contact_id": "c1",
            "created_at": now,
            "expires_at": now + timedelta(days=1),
        }
        return self.channel.render(OutboundMessage(**whole | fields), RenderContext("c", self.account, answers=answers))

    async def send(self, call: VendorCall, marker: str = "m1") -> str:
        return self.channel.parse_response(call, await self.connection.perform(call, marker))

    async def say(self, text: str, marker: str = "m1", **where: Any) -> str:
        (call,) = self.calls(text=text, **where)
        return await self.send(call, marker)

    @property
    def requests(self) -> list[str]:
        return [request.operation for request in self.slack.ledger.requests]


@pytest.fixture
async def slack() -> AsyncIterator[SlackVendor]:
    vendor = SlackVendor(pace=0.0002)
    vendor.limits.enforced = False
    async with vendor.serving():
        yield vendor


@pytest.fixture
async def desk(slack: SlackVendor) -> AsyncIterator[Desk]:
    at_work = Desk(slack)
    yield at_work
    await at_work.connection.close()


def get_only_message(slack: SlackVendor, person: str = "Ann") -> ShownMessage:
    (shown,) = slack.ledger.at(slack.place(person))
    return shown


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_connection_can_look_up_fetch_and_tell_that_it_saw(desk: Desk) -> None:
    assert isinstance(desk.connection, DeliveryLookup)
    assert isinstance(desk.connection, FileFetcher)
    assert isinstance(desk.connection, TypingIndicator)


async def test_a_sent_message_is_shown_once_under_the_returned_id(slack: SlackVendor, desk: Desk) -> None:
    assert await desk.say("Yes, *we* do.", marker="m1.0") == get_only_message(slack).id
    assert (get_only_message(slack).text, get_only_message(slack).marker) == ("Yes, _we_ do.", "m1.0")
    assert desk.requests == ["chat.postMessage"]


async def test_an_answer_in_a_channel_goes_into_its_thread(slack: SlackVendor, desk: Desk) -> None:
    room = slack.channel("support")
    root = slack.people.say("Ann", "It is broken", room).ts
    await desk.say("Which part?", place=desk.thread(room, root))
    assert [shown.text for shown in slack.ledger.at(f"{room.id}:{root}")] == ["Which part?"]


async def test_an_answer_goes_into_the_thread_of_a_direct_message_in_which_was_asked(
    slack: SlackVendor, desk: Desk
) -> None:
    """An assistant's thread is one: outside of it nobody would see the answer."""
    root = slack.people.open_assistant("Ann")
    asked = slack.people.say("Ann", "How often?", thread=root).ts
    await desk.say("Weekly.", answers=f"{root}/{asked}")
    assert get_only_message(slack).reply_to == root


async def test_an_answer_to_a_command_comes_in_the_direct_message(slack: SlackVendor, desk: Desk) -> None:
    """The place names the person; their direct message is asked for once."""
    person = f"{slack.workspace.team}:{slack.person('Ann').id}"
    await desk.say("One", place=person)
    await desk.say("Two", place=person)
    assert [shown.text for shown in slack.ledger.at(slack.place("Ann"))] == ["One", "Two"]
    assert desk.requests.count("conversations.open") == 1


async def test_buttons_and_menus_are_taken(slack: SlackVendor, desk: Desk) -> None:
    for number in (3, 30):
        choices = [Choice(id=f"c{each}", label=f"Choice {each}") for each in range(number)]
        (call,) = desk.calls(text="Which?", choices=choices)
        await desk.send(call)
    few, many = slack.ledger.at(slack.place("Ann"))
    assert (len(few.choices), len(many.choices)) == (3, 30)
    assert few.text == many.text == "Which?"


async def test_as_much_below_a_text_as_can_be_is_taken(slack: SlackVendor, desk: Desk) -> None:
    """Blocks that are too long together would be refused: what stands below a long text gets a message of its own."""
    choices = [Choice(id=f"c{number}" + "x" * 40, label=f"Choice {number} " + "y" * 60) for number in range(24)]
    text = '"' * 2900 + " ".join(f"[{n}]" for n in range(1, 11))
    url = "https://example.com/" + "u" * 300
    citations = [{"n": n, "document": f"d{n}", "title": "t" * 80, "url": url, "quote": "q"} for n in range(1, 11)]
    calls = desk.calls(text=text, choices=choices, citations=citations)
    for call in calls:
        await desk.send(call)
    assert len(slack.ledger.at(slack.place("Ann"))) == len(calls) > 1


async def test_forty_thousand_characters_arrive_whole(slack: SlackVendor, desk: Desk) -> None:
    text = "👩‍🌾 Words that people read. " * 1500
    for number, call in enumerate(desk.calls(text=text)):
        await desk.send(call, f"m1.{number}")
    shown = " ".join(each.text for each in slack.ledger.at(slack.place("Ann")))
    assert "".join(shown.split()) == "".join(text.split())


async def test_files_are_shown_in_one_message(slack: SlackVendor, desk: Desk) -> None:
    (call,) = desk.calls(attachments=[STORED, STORED])
    assert (await desk.send(call)).startswith("F")
    assert [(file.name, file.data) for file in get_only_message(slack).files] == [("leaf.png", LEAF.data)] * 2


async def test_a_file_that_we_have_no_more_is_refused(desk: Desk) -> None:
    (call,) = desk.calls(attachments=[STORED.model_copy(update={"id": "b" * 64})])
    with pytest.raises(SendRefused, match="file_gone"):
        await desk.send(call)


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────

POST = "chat.postMessage"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("limit", POST, retry_after=7), RetryLater),
        (Fault("limit", POST, retry_after=0, code="rate_limited"), RetryLater),
        (Fault("limit", POST, status=200), RetryLater),
        (Fault("refuse", POST, status=503, code="service_unavailable"), SendUnknown),
        (Fault("refuse", POST, status=200, code="restricted_action"), SendRefused),
        (Fault("lose", POST, status=502), SendUnknown),
        (Fault("lose", POST, status=200), SendUnknown),
        (Fault("drop", POST), SendUnknown),
        (Fault("fail_after", POST, status=500), SendUnknown),
        (Fault("fail_after", POST, status=200, code="fatal_error"), SendUnknown),
        (Fault("drop_after", POST), SendUnknown),
        (Fault("garbage", POST), SendUnknown),
    ],
    ids=lambda value: f"{value.kind}-{value.status}-{value.code}" if isinstance(value, Fault) else None,
)
async def test_a_fault_is_told_as_what_it_is_and_nothing_is_sent_again(
    slack: SlackVendor, desk: Desk, fault: Fault, error: type[DeliveryError]
) -> None:
    """Where it may have been shown, the look-up says whether it was."""
    slack.faults.next(fault)
    (call,) = desk.calls(text="Yes.")
    with pytest.raises(error):
        await desk.send(call)
    assert desk.requests == [POST]
    shown = slack.ledger.at(slack.place("Ann"))
    assert bool(shown) == (fault.kind in ("fail_after", "drop_after", "garbage"))
    assert await desk.connection.lookup(call, "m1") == (shown[0].id if shown else None)


async def test_the_wait_is_what_slack_asks_for(slack: SlackVendor, desk: Desk) -> None:
    slack.faults.next(Fault("limit", POST, retry_after=7))
    with pytest.raises(RetryLater) as caught:
        await desk.say("Yes.")
    assert (caught.value.retry_after_ms, caught.value.of_account) == (7000, False)


async def test_a_slow_answer_is_in_doubt_and_found(slack: SlackVendor, desk: Desk) -> None:
    slack.faults.next(Fault("slow", POST, seconds=30))
    (call,) = desk.calls(text="Yes.")
    sending = asyncio.create_task(desk.send(call))
    await slack.ledger.until(lambda: slack.ledger.at(slack.place("Ann")))
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await desk.connection.lookup(call, "m1") == get_only_message(slack).id


async def test_an_unreachable_server_means_that_nothing_was_sent(desk: Desk) -> None:
    settings = {**desk.slack.settings(), "api_base": "http://127.0.0.1:9/api/"}
    account = Account("shop", "slack", "main", load_settings_model("slack").model_validate(settings))
    connection = desk.channel.connect(account)
    (call,) = desk.calls(text="Yes.")
    with pytest.raises(RetryLater):
        await connection.perform(call, "m1")
    await connection.close()


@pytest.mark.parametrize("body", ["[]", '"ok"', "null", '{"ok": 1}', "\xff"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_an_answer_that_is_not_slacks_is_in_doubt(desk: Desk, body: str, kind: str) -> None:
    async def answer(_: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(body=body.encode("latin-1"), headers={"Content-Type": kind})

    server = aiohttp.web.Application()
    server.router.add_route("*", "/{path:.*}", answer)
    runner = aiohttp.web.AppRunner(server)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = {**desk.slack.settings(), "api_base": f"http://127.0.0.1:{runner.addresses[0][1]}/api/"}
    connection = desk.channel.connect(
        Account("shop", "slack", "main", load_settings_model("slack").model_validate(settings))
    )
    (call,) = desk.calls(text="Yes.")
    with pytest.raises(SendUnknown):
        desk.channel.parse_response(call, await connection.perform(call, "m1"))
    await connection.close()
    await runner.cleanup()


@pytest.mark.parametrize("refusal", ["token_revoked", "account_inactive"])
async def test_a_lost_token_is_told_apart(slack: SlackVendor, desk: Desk, refusal: Any) -> None:
    (call,) = desk.calls(text="Yes.")
    slack.lose_token(refusal)
    with pytest.raises(CredentialsRevoked):
        await desk.send(call)
    with pytest.raises(CredentialsRevoked):
        await desk.connection.lookup(call, "m1")


async def test_reasons_are_short_codes(desk: Desk) -> None:
    """They are shown to people and counted."""
    (call,) = desk.calls(text="Yes.")
    told = {}
    for code in ("is_archived", "msg_too_long", "no_text", "messages_tab_disabled", "as_user_not_supported", "<b>"):
        with pytest.raises(SendRefused) as caught:
            desk.channel.parse_response(call, VendorResponse(200, {"ok": False, "error": code}))
        told[code] = caught.value.message
    assert list(told.values()) == ["not_found", "too_long", "empty", "blocked", "as_user_not_supported", "refused"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("lose", "files.upload", status=503),
        Fault("drop", "files.upload"),
        Fault("refuse", "files.getUploadURLExternal", status=500),
        Fault("drop", "files.getUploadURLExternal"),
        Fault("garbage", "files.getUploadURLExternal"),
    ],
    ids=lambda fault: f"{fault.operation}-{fault.kind}",
)
async def test_a_failure_before_a_file_is_shown_delays_the_send(slack: SlackVendor, desk: Desk, fault: Fault) -> None:
    slack.faults.next(fault)
    (call,) = desk.calls(attachments=[STORED])
    with pytest.raises(RetryLater):
        await desk.send(call)
    assert not slack.ledger.shown


async def test_slack_may_refuse_a_file(slack: SlackVendor, desk: Desk) -> None:
    slack.faults.next(Fault("lose", "files.upload", status=413))
    (call,) = desk.calls(attachments=[STORED])
    with pytest.raises(SendRefused, match="http_413"):
        await desk.send(call)


# ── looking up ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_is_found_by_its_marker_alone(slack: SlackVendor, desk: Desk) -> None:
    """The same words before it, and other pieces of the same message, are not it."""
    (call,) = desk.calls(text="Yes.")
    await desk.send(call, "m0")
    await desk.send(call, "m1.0")
    assert await desk.connection.lookup(call, "m1") is None
    sent = await desk.send(call, "m1")
    assert await desk.connection.lookup(call, "m1") == sent


async def test_a_message_is_found_in_its_thread(slack: SlackVendor, desk: Desk) -> None:
    room = slack.channel("support")
    root = slack.people.say("Ann", "It is broken", room).ts
    (call,) = desk.calls(text="Which part?", place=desk.thread(room, root))
    assert await desk.connection.lookup(call, "m1") is None
    sent = await desk.send(call)
    assert await desk.connection.lookup(call, "m1") == sent


async def test_a_message_is_found_on_a_later_page(slack: SlackVendor, desk: Desk) -> None:
    (call,) = desk.calls(text="Yes.")
    sent = await desk.send(call)
    for number in range(150):
        slack.people.say("Ann", f"word {number}")
    assert await desk.connection.lookup(call, "m1") == sent
    assert desk.requests.count("conversations.history") == 2


async def test_a_message_to_a_person_is_found(slack: SlackVendor, desk: Desk) -> None:
    (call,) = desk.calls(text="Yes.", place=f"{slack.workspace.team}:{slack.person('Ann').id}")
    assert await desk.connection.lookup(call, "m1") is None
    sent = await desk.send(call)
    assert await desk.connection.lookup(call, "m1") == sent


async def test_a_lookup_that_fails_now_is_repeated_later(slack: SlackVendor, desk: Desk) -> None:
    (call,) = desk.calls(text="Yes.")
    history = "conversations.history"
    slack.faults.next(Fault("limit", history), Fault("drop", history), Fault("lose", history, status=502))
    for _ in range(3):
        with pytest.raises(RetryLater):
            await desk.connection.lookup(call, "m1")
    slack.faults.next(Fault("refuse", history, status=200, code="ekm_access_denied"))
    with pytest.raises(SendUnknown):
        await desk.connection.lookup(call, "m1")


async def test_a_place_that_does_not_exist_is_refused_and_nothing_was_shown(slack: SlackVendor, desk: Desk) -> None:
    """A channel that is gone, a thread that is gone, a person that never was."""
    team, room = slack.workspace.team, slack.channel("support")
    for place in (f"{team}:C0GONE", f"{team}:{room.id}:1.000000", f"{team}:U0NOBODY"):
        (call,) = desk.calls(text="Yes.", place=place)
        with pytest.raises(SendRefused, match="not_found"):
            await desk.send(call)
        assert await desk.connection.lookup(call, "m1") is None


@pytest.mark.parametrize("kind", ["fail_after", "drop_after", "garbage"])
async def test_files_in_doubt_are_found(slack: SlackVendor, desk: Desk, kind: Any) -> None:
    """By name and size, after the message was made: uploads carry no mark of ours."""
    (call,) = desk.calls(attachments=[STORED])
    assert await desk.connection.lookup(call, "m1") is None
    slack.faults.next(Fault(kind, "files.completeUploadExternal"))
    with pytest.raises(SendUnknown):
        await desk.send(call)
    assert await desk.connection.lookup(call, "m1") == get_only_message(slack).native["files"][0]["id"]


async def test_of_files_that_look_the_same_the_newest_is_found(slack: SlackVendor, desk: Desk) -> None:
    """In a thread, which Slack tells from its beginning, and elsewhere, where it tells the newest first."""
    room = slack.channel("support")
    for place in ("", desk.thread(room, slack.people.say("Ann", "Show me", room).ts)):
        (call,) = desk.calls(attachments=[STORED], place=place)
        first, second = await desk.send(call, "m0"), await desk.send(call, "m1")
        assert await desk.connection.lookup(call, "m1") == second != first


async def test_the_same_file_of_long_ago_or_of_somebody_else_is_not_ours(slack: SlackVendor, desk: Desk) -> None:
    now = datetime.now(UTC)
    (call,) = desk.calls(attachments=[STORED])
    await desk.send(call)
    slack.people.say("Ann", "", files=[LEAF])
    (later,) = desk.calls(attachments=[STORED], created_at=now + timedelta(minutes=5))
    assert await desk.connection.lookup(later, "m2") is None


# ── files of contacts ────────────────────────────────────────────────────────────────────────────────────────────────


def sent_by(slack: SlackVendor, person: str, file: File = LEAF) -> RemoteFile:
    return RemoteFile(ref=slack.people.say(person, "", files=[file]).body["files"][0]["id"])


async def test_a_file_is_fetched_with_its_type_and_name(slack: SlackVendor, desk: Desk) -> None:
    fetched = await desk.connection.fetch(sent_by(slack, "Ann"), 1000)
    assert fetched == (LEAF.data, "image/png", "leaf.png")


async def test_a_page_that_somebody_sent_is_no_login_page(slack: SlackVendor, desk: Desk) -> None:
    page = File("page.html", "text/html", b"<p>hello</p>")
    assert (await desk.connection.fetch(sent_by(slack, "Ann", page), 1000))[0] == page.data


@pytest.mark.parametrize("file", [LEAF, File("page.html", "text/html", b"<p>hello</p>")], ids=["image", "page"])
async def test_the_login_page_means_that_slack_does_not_know_us(
    slack: SlackVendor, desk: Desk, monkeypatch: pytest.MonkeyPatch, file: File
) -> None:
    """It comes with status 200."""
    remote = sent_by(slack, "Ann", file)
    monkeypatch.setattr("connectors.slack.client.SlackClient.token", "xoxb-wrong")
    about = slack.storage.kept[remote.ref].about

    async def info(*_: Any) -> VendorResponse:
        return VendorResponse(200, {"ok": True, "file": about})

    monkeypatch.setattr("connectors.slack.client.SlackClient.ask", info)
    with pytest.raises(CredentialsRevoked):
        await desk.connection.fetch(remote, 1000)


async def test_a_file_in_a_shared_channel_is_asked_for(slack: SlackVendor, desk: Desk) -> None:
    """Events tell its id alone there."""
    room = slack.channel("partners", shared=True)
    slack.people.join(room, "Eve", "outsider")
    post = slack.people.say("Eve", "", room, files=[LEAF])
    assert (await desk.connection.fetch(RemoteFile(ref=post.body["files"][0]["id"]), 1000))[0] == LEAF.data


async def test_a_file_that_is_too_large_is_left_where_it_is(slack: SlackVendor, desk: Desk) -> None:
    """Slack's word on its size is enough, and where that was wrong, the first bytes too many are."""
    remote = sent_by(slack, "Ann")
    with pytest.raises(TooLarge):
        await desk.connection.fetch(remote, 3)
    assert "files.download" not in desk.requests
    slack.storage.kept[remote.ref].about["size"] = 1
    with pytest.raises(TooLarge):
        await desk.connection.fetch(remote, 3)


async def test_a_file_that_is_gone_is_not_found(slack: SlackVendor, desk: Desk) -> None:
    post = slack.people.say("Ann", "", files=[LEAF])
    remote = RemoteFile(ref=post.body["files"][0]["id"])
    slack.people.delete_file("Ann", post.ts)
    for gone in (remote, RemoteFile(ref="F0NEVER")):
        with pytest.raises(NotFound):
            await desk.connection.fetch(gone, 1000)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x", "https://files.slack.com.example.com/x", "", "/x"])
async def test_our_token_goes_nowhere_but_to_slack(slack: SlackVendor, desk: Desk, address: str) -> None:
    remote = sent_by(slack, "Ann")
    slack.storage.kept[remote.ref].about |= {"url_private": address, "url_private_download": address}
    with pytest.raises(NotFound):
        await desk.connection.fetch(remote, 1000)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("lose", "files.download", status=502),
        Fault("lose", "files.download", status=429),
        Fault("drop", "files.download"),
        Fault("limit", "files.info"),
        Fault("drop", "files.info"),
    ],
    ids=lambda fault: f"{fault.operation}-{fault.kind}-{fault.status}",
)
async def test_a_file_that_does_not_come_now_may_come_later(slack: SlackVendor, desk: Desk, fault: Fault) -> None:
    remote = sent_by(slack, "Ann")
    slack.faults.always = lambda request: fault if request.operation == fault.operation else None
    with pytest.raises(RetryLater):
        await desk.connection.fetch(remote, 1000)
    slack.faults.always = lambda _: None
    assert (await desk.connection.fetch(remote, 1000))[0] == LEAF.data


async def test_a_missing_scope_is_told_as_one(slack: SlackVendor, desk: Desk) -> None:
    remote = sent_by(slack, "Ann")
    slack.scopes.discard("files:read")
    with pytest.raises(CredentialsRevoked):
        await desk.connection.fetch(remote, 1000)


# ── being seen ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_somebody_who_asked_in_a_thread_sees_that_an_answer_comes(slack: SlackVendor, desk: Desk) -> None:
    root = slack.people.open_assistant("Ann")
    await desk.connection.show_typing(desk.direct(), f"{root}/{slack.people.say('Ann', 'How often?', thread=root).ts}")
    assert slack.status(slack.place("Ann"), root) == TYPING_STATUS
    room = slack.channel("support")
    asked = slack.people.say("Ann", "It is broken", room).ts
    await desk.connection.show_typing(desk.thread(room, asked), asked)
    assert slack.status(room.id, asked) == TYPING_STATUS


async def test_being_seen_is_worth_no_error(slack: SlackVendor, desk: Desk) -> None:
    """Nor a call where Slack would show nothing."""
    await desk.connection.show_typing(desk.direct(), slack.people.say("Ann", "hello").ts)
    await desk.connection.show_typing("nowhere", "1.000000")
    assert not desk.requests
    slack.faults.next(Fault("drop"), Fault("limit"), Fault("refuse", status=200))
    for _ in range(3):
        await desk.connection.show_typing(desk.direct(), "1.000000/2.000000")


# ── what is changed afterwards ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_that_was_sent_is_changed_under_the_same_id(slack: SlackVendor, desk: Desk) -> None:
    shown = await desk.say("Yes, we do.")
    (call,) = desk.calls(text="No, we *don't*.")
    changed = desk.channel.render_edit(call, shown)  # type: ignore[attr-defined]
    assert await desk.send(changed, "edit-1") == shown
    assert (get_only_message(slack).id, get_only_message(slack).text) == (shown, "No, we _don't_.")
    assert "chat.stopStream" not in desk.requests


async def test_a_change_that_slack_refuses_leaves_the_message(slack: SlackVendor, desk: Desk) -> None:
    shown = await desk.say("Yes, we do.")
    slack.faults.next(Fault("refuse", "chat.update", status=200, code="cant_update_message"))
    (call,) = desk.calls(text="No.")
    with pytest.raises(SendRefused, match="cant_update_message"):
        await desk.send(desk.channel.render_edit(call, shown), "edit-1")  # type: ignore[attr-defined]
    assert get_only_message(slack).text == "Yes, we do."


async def test_a_message_and_its_file_are_taken_back(slack: SlackVendor, desk: Desk) -> None:
    calls = desk.calls(text="See here", attachments=[STORED])
    shown = [await desk.send(call, f"m1.{number}") for number, call in enumerate(calls)]
    for call, id_ in zip(calls, shown, strict=True):
        await desk.send(desk.channel.render_deletion(call, id_), "removal")  # type: ignore[attr-defined]
    assert all(each.deleted for each in slack.ledger.at(slack.place("Ann")))
    with pytest.raises(SendRefused, match="not_found"):
        await desk.send(desk.channel.render_deletion(calls[0], shown[0]), "removal")  # type: ignore[attr-defined]
