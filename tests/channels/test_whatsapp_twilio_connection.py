"""WhatsApp by way of Twilio: its real client against the simulated Twilio over loopback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from connectors.channel_services import ChannelServices
from connectors.registry import load_settings_model
from connectors.whatsapp.twilio import history
from connectors.whatsapp.twilio.client import TwilioHttpClient, build_client
from connectors.whatsapp.twilio.connection import TwilioConnection
from connectors.whatsapp.twilio.provider import TwilioProvider
from schemas import topics
from schemas.errors import (
    CredentialsRevoked,
    NotFound,
    RetryLater,
    SendRefused,
    SendUnknown,
    TooLarge,
    Unauthorized,
)
from schemas.messages import Attachment, Author, Choice, OutboundMessage, RemoteFile
from schemas.ports import (
    Account,
    ChannelEvent,
    DeliveryLookup,
    FileFetcher,
    RawRequest,
    RenderContext,
    TypingIndicator,
    VendorCall,
)
from tests.harness.channel_tools import no_files
from tests.simulators.twilio import Twilio as Vendor
from tests.simulators.vendor import Fault, File
from tests.simulators.vendor_clock import VendorClock
from tests.simulators.webhook_receiver import ReceivedRequest, Receiver

ID = "0d1f2e3a-0000-5000-8000-000000000001"
LEAF = Attachment(id="a" * 64, name="leaf.png", type="image/png", size=3)


@dataclass
class Setting:
    """Anna has written once, so the window is open."""

    vendor: Vendor
    receiver: Receiver
    provider: TwilioProvider
    account: Account
    tools: ChannelServices
    connection: TwilioConnection
    on_record: set[str]

    def message(self, text: str = "Hello Anna", **fields: Any) -> OutboundMessage:
        whole: dict[str, Any] = {
            "id": ID,
            "author": Author(kind="agent"),
            "text": text,
            "place": self.vendor.person("anna").number.lstrip("+"),
            "contact_id": "c",
            "created_at": datetime.now(UTC),
            "expires_at": datetime.now(UTC) + timedelta(days=1),
        }
        return OutboundMessage(**whole | fields)

    async def reconnect(self, **changes: Any) -> None:
        """Go on with other tools."""
        await self.connection.close()
        self.tools = replace(self.tools, **changes)
        self.connection = TwilioConnection(self.account, self.tools)

    def calls(self, text: str = "Hello Anna", *, window_open: bool = True, **fields: Any) -> list[VendorCall]:
        sending = RenderContext("conversation", self.account, window_open=window_open)
        return self.provider.render(self.message(text, **fields), sending)

    async def send(self, call: VendorCall, marker: str = ID) -> str:
        return self.provider.parse_response(call, await self.connection.perform(call, marker))

    async def send_all(self, text: str = "Hello Anna", **fields: Any) -> list[str]:
        return [await self.send(call) for call in self.calls(text, **fields)]

    def events(self, received: ReceivedRequest) -> list[ChannelEvent]:
        """As the front door takes it in."""
        request = RawRequest(
            received.method,
            received.url,
            {name.lower(): value for name, value in received.headers.items()},
            dict(pair.split("=") for pair in received.url.partition("?")[2].split("&") if pair),
            received.body,
        )
        self.provider.verify(request, self.account)
        return self.provider.parse(request, self.account)

    async def told(self) -> list[ChannelEvent]:
        """What came by webhook after Anna's first words."""
        await self.vendor.settled()
        return [event for each in self.receiver.accepted[1:] for event in self.events(each)]

    @property
    def shown(self) -> list[str]:
        return [each.text for each in self.vendor.ledger.at(self.vendor.place("anna"))]

    def asked(self, operation: str) -> int:
        return sum(each.operation == operation for each in self.vendor.ledger.requests)


def account_of(vendor: Vendor, **more: Any) -> Account:
    settings = TypeAdapter(load_settings_model("whatsapp")).validate_python(vendor.settings() | more)
    return Account("shop", "whatsapp", "twilio", settings)


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    vendor, receiver = Vendor(pace=VendorClock(scale=0)), Receiver()
    async with receiver.serving(), vendor.serving():
        vendor.call(receiver.url)
        await vendor.say("anna", "Hello")
        await vendor.settled()
        nothing: Any = None
        on_record: set[str] = set()

        async def known(tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
            assert (tenant, channel, account) == ("shop", "whatsapp", "twilio")
            return ("conversation", "another") if external_id in on_record else None

        tools = ChannelServices(
            transcript=nothing,
            signals=nothing,
            clock=lambda: datetime.now(UTC),
            read_file=no_files,
            file_link=lambda tenant, file: f"{receiver.base}/files/{tenant}/{file}",
            webhook_url=lambda account: receiver.url,
            find_sent=known,
        )
        provider, account = TwilioProvider(tools), account_of(vendor)
        connection = TwilioConnection(account, tools)
        setting = Setting(vendor, receiver, provider, account, tools, connection, on_record)
        yield setting
        await setting.connection.close()


def test_twilios_library_is_loaded_only_by_who_sends() -> None:
    code = (
        "import sys\nfrom connectors.whatsapp import channel, twilio\n"
        "assert not any(name.split('.')[0] == 'twilio' for name in sys.modules), 'loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_the_surroundings_of_the_process_do_not_change_where_requests_go(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "another")
    (call,) = setting.calls("Well?", choices=[Choice(id="y", label="Yes")])
    await setting.send(call)
    http = TwilioHttpClient(setting.account.settings)
    sdk = build_client(setting.account.settings, http)
    assert sdk.get_hostname("https://content.twilio.com/v1/Content") == "https://content.twilio.com/v1/Content"
    await http.close()


@pytest.mark.parametrize("host", ["api", "content", "messaging"])
async def test_by_default_requests_go_to_twilio_itself(setting: Setting, host: str) -> None:
    real = {name: value for name, value in setting.vendor.settings().items() if name != "api_base"}
    http = TwilioHttpClient(TypeAdapter(load_settings_model("whatsapp")).validate_python(real))
    assert http.resolve_url(f"https://{host}.twilio.com/x?y=1") == f"https://{host}.twilio.com/x?y=1"
    await http.close()


def test_a_connection_can_do_all_that_a_vendor_can(setting: Setting) -> None:
    assert isinstance(setting.connection, FileFetcher)
    assert isinstance(setting.connection, DeliveryLookup)
    assert isinstance(setting.connection, TypingIndicator)


# ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_text_is_shown_and_its_statuses_come_back_with_our_marker(setting: Setting) -> None:
    setting.vendor.statuses = ("delivered", "sent", "sent", "huh", "read")
    (sid,) = await setting.send_all("Grüße 🌱 & more + 1")
    assert setting.shown == ["Grüße 🌱 & more + 1"]
    receipts = await setting.told()
    assert {event.type for event in receipts} == {topics.RECEIPT_RECORDED}
    assert {(event.external_id, event.payload["external_id"], event.payload["marker"]) for event in receipts} == {
        (sid, sid, ID)
    }
    assert [event.payload["state"] for event in receipts] == ["delivered", "sent", "sent", "read"]
    assert len({event.revision for event in receipts}) == 3
    assert {event.place for event in receipts} == {setting.vendor.person("anna").number.lstrip("+")}


async def test_a_status_that_could_not_be_told_is_told_again(setting: Setting) -> None:
    setting.vendor.statuses = ("delivered",)
    setting.receiver.statuses = [503, 0]
    await setting.send_all()
    (receipt,) = await setting.told()
    assert receipt.payload["state"] == "delivered"


async def test_a_status_may_come_before_the_answer(setting: Setting) -> None:
    setting.vendor.statuses, setting.vendor.status_first = ("read",), True
    (sid,) = await setting.send_all()
    (receipt,) = await setting.told()
    assert (receipt.payload["external_id"], receipt.payload["marker"]) == (sid, ID)


async def test_without_a_public_address_no_status_is_asked_for(setting: Setting) -> None:
    await setting.reconnect(webhook_url=lambda account: "")
    await setting.send_all()
    assert setting.shown == ["Hello Anna"]
    assert await setting.told() == []


async def test_buttons_and_lists_come_back_as_the_choice_that_was_picked(setting: Setting) -> None:
    few = [Choice(id="track", label="Track it"), Choice(id="person", label="A person")]
    many = [Choice(id=f"t{n}", label=f"Topic {n} is about a long thing") for n in range(10)]
    (first,) = await setting.send_all("What's next?", choices=few)
    (second,) = await setting.send_all("Which?", choices=many)
    buttons, rows = setting.vendor.ledger.shown
    assert (buttons.text, buttons.choices) == ("What's next?", ["Track it", "A person"])
    assert rows.choices[0] == "Topic 0 is about a long…"
    await setting.vendor.choose("anna", buttons, "A person")
    await setting.vendor.choose("anna", rows, rows.choices[9])
    picked = [event for event in await setting.told() if event.type == topics.MESSAGE_RECEIVED]
    assert [(event.payload["choice"].in_reply_to, event.payload["choice"].id) for event in picked] == [
        (ID, "person"),
        (ID, "t9"),
    ]
    assert [event.payload["answers"] for event in picked] == [first, second]


async def test_a_form_is_made_once_for_all_messages_of_its_shape(setting: Setting) -> None:
    for text in ("One?", "Two?"):
        await setting.send_all(text, choices=[Choice(id="y", label=f"Yes {text}"), Choice(id="n", label="No")])
    await setting.send_all("Three?", choices=[Choice(id="y", label="Yes")])
    assert setting.shown == ["One?", "Two?", "Three?"]
    assert setting.asked("content.create") == 2


async def test_a_form_that_somebody_deleted_is_made_anew(setting: Setting) -> None:
    (call,) = setting.calls("Well?", choices=[Choice(id="y", label="Yes")])
    await setting.send(call)
    setting.vendor.contents.clear()
    with pytest.raises(RetryLater):
        await setting.send(call)
    await setting.send(call)
    assert (setting.shown, setting.asked("content.create")) == (["Well?", "Well?"], 2)


@pytest.mark.parametrize("kind", ["refuse", "drop", "drop_after", "fail_after", "lose", "garbage"])
async def test_while_no_form_can_be_made_nothing_was_shown(setting: Setting, kind: Any) -> None:
    setting.vendor.faults.next(Fault(kind, "content.create", status=503))
    (call,) = setting.calls("Well?", choices=[Choice(id="y", label="Yes")])
    with pytest.raises(RetryLater):
        await setting.send(call)
    assert setting.shown == []
    await setting.send(call)
    assert setting.shown == ["Well?"]


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_choices_are_numbered_lines_where_twilio_does_not_want_their_form(setting: Setting, status: int) -> None:
    """It is asked for a form again only after a while."""
    labels = ["Yes", "No, and this label is longer than a row", "Later"]
    choices = [Choice(id=f"c{n}", label=label) for n, label in enumerate(labels)]
    setting.vendor.faults.next(Fault("refuse", "content.create", status=status))
    (call,) = setting.calls("Well?", choices=choices)
    first = await setting.send(call)
    assert await setting.connection.lookup(call, "m") == first
    await setting.send(call)
    assert setting.shown == ["Well?\n\n1. Yes\n2. No, and this label is longer than a row\n3. Later"] * 2
    assert setting.asked("content.create") == 1


async def test_each_file_is_a_message_that_twilio_fetches_from_us(setting: Setting) -> None:
    setting.receiver.answer = ("image/png", "png")
    files = [LEAF, LEAF.model_copy(update={"id": "b" * 64})]
    sids = await setting.send_all("Look:", attachments=files)
    shown = setting.vendor.ledger.at(setting.vendor.place("anna"))
    assert [(each.text, [file.data for file in each.files]) for each in shown] == [
        ("Look:", []),
        ("", [b"png"]),
        ("", [b"png"]),
    ]
    assert [sid[:2] for sid in sids] == ["SM", "MM", "MM"]
    fetched = [each.url.rpartition("/")[2] for each in setting.receiver.requests if each.method == "GET"]
    assert fetched == ["a" * 64, "b" * 64]


async def test_a_file_without_a_link_or_over_the_limit_is_refused_before_it_leaves(setting: Setting) -> None:
    (huge,) = setting.calls("", attachments=[LEAF.model_copy(update={"size": 16 * 1024**2 + 1})])
    with pytest.raises(SendRefused, match="too_large"):
        await setting.send(huge)
    await setting.reconnect(file_link=lambda tenant, file: "")
    (call,) = setting.calls("", attachments=[LEAF])
    with pytest.raises(SendRefused, match="no_public_url"):
        await setting.send(call)
    assert setting.asked("messages.create") == 0


async def test_after_a_day_only_the_template_gets_through(setting: Setting) -> None:
    told: dict[str, object] = {"language": "en", "types": {"twilio/text": {"body": "About your question: {{1}}"}}}
    sid = setting.vendor.content(told, approved=True).sid
    setting.account = account_of(setting.vendor, template={"content_sid": sid})
    setting.vendor.pace.forward(86_401)
    setting.vendor.window_errors = "failed_at_once"
    with pytest.raises(SendRefused, match="window_closed"):
        await setting.send_all("Too late")
    (call,) = setting.calls("It's *here*\n\nand there", window_open=False)
    await setting.send(call)
    assert setting.shown == ["About your question: It's _here_ and there"]


async def test_a_contact_who_hides_the_number_is_reached_by_user_id(setting: Setting) -> None:
    anna = setting.vendor.person("anna")
    anna.number_hidden = True
    await setting.vendor.say("anna", "It is me")
    (event,) = await setting.told()
    assert event.place == anna.user_id
    await setting.send_all(place=event.place)
    assert setting.shown == ["Hello Anna"]


async def test_an_api_key_takes_the_tokens_place(setting: Setting) -> None:
    user, secret = setting.vendor.api_key
    account = account_of(setting.vendor, key_sid=user, key_secret=secret)
    connection = TwilioConnection(account, setting.tools)
    try:
        (call,) = setting.calls()
        setting.vendor.auth_token = "changed meanwhile"
        setting.provider.parse_response(call, await connection.perform(call, ID))
    finally:
        await connection.close()
    assert setting.shown == ["Hello Anna"]


async def test_an_opt_out_is_reported_and_later_sends_are_refused(setting: Setting) -> None:
    await setting.vendor.say("anna", "stop")
    (event,) = await setting.told()
    assert (event.type, event.payload["opted_out"]) == (topics.CONTACT_CHANGED, True)
    with pytest.raises(SendRefused, match="opted_out"):
        await setting.send_all()


# ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "error", "shown"),
    [
        (Fault("limit"), RetryLater, 0),
        (Fault("refuse", status=500), SendUnknown, 0),
        (Fault("refuse", status=401, code="20003"), CredentialsRevoked, 0),
        (Fault("refuse", status=400, code="63033"), SendRefused, 0),
        (Fault("lose", status=503), SendUnknown, 0),
        (Fault("drop"), SendUnknown, 0),
        (Fault("fail_after", status=503), SendUnknown, 1),
        (Fault("drop_after"), SendUnknown, 1),
        (Fault("garbage"), SendUnknown, 1),
    ],
)
async def test_a_fault_is_what_it_is_and_nothing_is_repeated(
    setting: Setting, fault: Fault, error: type[Exception], shown: int
) -> None:
    setting.vendor.faults.next(fault)
    (call,) = setting.calls()
    with pytest.raises(error):
        await setting.send(call)
    assert (len(setting.shown), setting.asked("messages.create")) == (shown, 1)
    await setting.send(call)
    assert len(setting.shown) == shown + 1


async def test_a_send_that_never_left_is_delayed(setting: Setting) -> None:
    account = account_of(setting.vendor, api_base="http://127.0.0.1:9")
    connection = TwilioConnection(account, setting.tools)
    try:
        with pytest.raises(RetryLater):
            await connection.perform(setting.calls()[0], ID)
    finally:
        await connection.close()


async def test_a_channel_that_is_full_asks_to_wait(setting: Setting) -> None:
    now = setting.vendor.pace.now()
    setting.vendor.api_calls.now = lambda: now
    setting.vendor.api_calls.burst = 0
    with pytest.raises(RetryLater) as caught:
        await setting.send_all()
    assert (caught.value.of_account, caught.value.retry_after_ms) == (True, None)


# ── Looking up ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["text", "choices", "file"])
async def test_a_lookup_finds_what_was_shown_and_nothing_else(setting: Setting, kind: str) -> None:
    fields: dict[str, Any] = {"choices": [Choice(id="y", label="Yes")]} if kind == "choices" else {}
    fields |= {"attachments": [LEAF]} if kind == "file" else {}
    (call,) = setting.calls("" if kind == "file" else "Well,  is it\n\nso?", **fields)
    assert await setting.connection.lookup(call, ID) is None
    setting.vendor.faults.next(Fault("drop_after", "messages.create"))
    with pytest.raises(SendUnknown):
        await setting.send(call)
    (shown,) = setting.vendor.ledger.shown
    assert await setting.connection.lookup(call, ID) == shown.id


async def test_the_same_words_of_yesterday_are_not_these(setting: Setting) -> None:
    await setting.send_all("You are welcome!")
    for record in setting.vendor.records.values():
        record.at -= 3600
    (call,) = setting.calls("You are welcome!")
    assert await setting.connection.lookup(call, ID) is None


async def test_the_same_words_of_a_moment_ago_are_not_these_if_they_are_on_record(setting: Setting) -> None:
    (call,) = setting.calls("You are welcome!")
    sid = await setting.send(call)
    assert await setting.connection.lookup(call, ID) == sid
    setting.on_record.add(sid)
    assert await setting.connection.lookup(call, ID) is None


async def test_a_lookup_ignores_inbound_messages_and_other_recipients(setting: Setting) -> None:
    await setting.vendor.say("anna", "Same words")
    await setting.vendor.say("ben", "Hello")
    ben = setting.vendor.person("ben").number.lstrip("+")
    await setting.send_all("Same words", place=ben)
    (call,) = setting.calls("Same words")
    assert await setting.connection.lookup(call, ID) is None


async def test_a_lookup_ignores_twilios_automatic_replies(setting: Setting) -> None:
    setting.vendor.reply_of("anna", "Same words")
    (call,) = setting.calls("Same words")
    assert await setting.connection.lookup(call, ID) is None


async def test_of_files_that_look_alike_the_one_in_question_is_found(setting: Setting) -> None:
    first, second = setting.calls("", attachments=[LEAF, LEAF.model_copy(update={"id": "b" * 64})])
    one = await setting.send(first)
    assert await setting.connection.lookup(first, ID) == one
    setting.on_record.add(one)
    assert await setting.connection.lookup(second, ID) is None
    other = await setting.send(second)
    assert await setting.connection.lookup(second, ID) == other


async def test_a_failed_message_was_not_shown(setting: Setting) -> None:
    setting.vendor.pace.forward(86_401)
    (call,) = setting.calls()
    setting.vendor.window_errors = "failed_at_once"
    with pytest.raises(SendRefused):
        await setting.send(call)
    assert await setting.connection.lookup(call, ID) is None


async def test_it_is_found_behind_much_that_was_sent_since(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE_SIZE", 2)
    (call,) = setting.calls("The first")
    sid = await setting.send(call)
    for n in range(6):
        await setting.send_all(f"later {n}")
    assert await setting.connection.lookup(call, ID) == sid
    assert setting.asked("messages.list") == 4
    monkeypatch.setattr(history, "MAX_PAGES", 2)
    with pytest.raises(SendRefused):
        await setting.connection.lookup(call, ID)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("limit", "messages.list"), RetryLater),
        (Fault("refuse", "messages.list", status=500), SendUnknown),
        (Fault("refuse", "messages.list", status=404, code="20404"), SendRefused),
        (Fault("refuse", "messages.list", status=401, code="20003"), CredentialsRevoked),
        (Fault("drop", "messages.list"), SendUnknown),
        (Fault("garbage", "messages.list"), SendUnknown),
    ],
)
async def test_a_look_up_that_fails_never_says_that_nothing_was_shown(
    setting: Setting, fault: Fault, error: type[Exception]
) -> None:
    # A connection that breaks while only something is asked is tried once more by aiohttp.
    setting.vendor.faults.next(fault, fault)
    with pytest.raises(error):
        await setting.connection.lookup(setting.calls()[0], ID)


# ── Files, and being seen ────────────────────────────────────────────────────────────────────────────────────────────


async def received(setting: Setting, data: bytes = b"png") -> RemoteFile:
    await setting.vendor.say("anna", "", files=[File("leaf.png", "image/png", data)])
    (event,) = await setting.told()
    (file,) = event.payload["files"]
    assert isinstance(file, RemoteFile)
    return file


async def test_a_file_is_fetched_and_the_credentials_stay_at_twilio(setting: Setting) -> None:
    file = await received(setting)
    assert await setting.connection.fetch(file, 3) == (b"png", "image/png", "")
    assert setting.vendor.cdn_authorizations == []


async def test_a_file_over_the_limit_is_not_read_to_its_end(setting: Setting) -> None:
    with pytest.raises(TooLarge):
        await setting.connection.fetch(await received(setting, b"x" * 100_000), 99_999)


async def test_a_file_that_is_gone_is_not_found(setting: Setting) -> None:
    file = await received(setting)
    for record in setting.vendor.records.values():
        record.media.clear()
    with pytest.raises(NotFound):
        await setting.connection.fetch(file, 10)


async def test_a_file_is_not_fetched_with_credentials_that_do_not_work_any_more(setting: Setting) -> None:
    file = await received(setting)
    setting.vendor.auth_token = "another"
    with pytest.raises(CredentialsRevoked):
        await setting.connection.fetch(file, 10)


@pytest.mark.parametrize("fault", [Fault("drop", "media.get"), Fault("lose", "media.get", status=503)])
async def test_a_file_that_does_not_come_may_come_later(setting: Setting, fault: Fault) -> None:
    file = await received(setting)
    setting.vendor.faults.always = lambda _: fault
    with pytest.raises(RetryLater):
        await setting.connection.fetch(file, 10)
    setting.vendor.faults.always = lambda _: None
    assert (await setting.connection.fetch(file, 10))[0] == b"png"


@pytest.mark.parametrize("ref", ["http://169.254.169.254/x", "https://api.twilio.com.evil.example/x", "file:///x", ""])
async def test_nothing_is_fetched_from_anywhere_else(setting: Setting, ref: str) -> None:
    with pytest.raises(NotFound):
        await setting.connection.fetch(RemoteFile(ref=ref), 10)


async def test_the_contact_sees_that_an_answer_is_being_written_and_a_failure_is_no_matter(setting: Setting) -> None:
    sid = await setting.vendor.say("anna", "Are you there?")
    await setting.connection.show_typing("place", sid)
    assert setting.vendor.typing == [sid]
    setting.vendor.faults.next(Fault("drop", "typing"), Fault("lose", "typing", status=503))
    for known in (sid, sid, "SM" + "0" * 32):
        await setting.connection.show_typing("place", known)
    assert setting.vendor.typing == [sid]


# ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", "  Hello\r\n", "a+b&c=d%20", "🌱 日本", "x" * 4096])
async def test_requests_signed_by_twilio_are_accepted(setting: Setting, text: str) -> None:
    setting.vendor.receives("anna", text, more=[("Address", ""), ("Twice", "b"), ("Twice", "a"), ("Twice", "b")])
    (event,) = await setting.told()
    assert event.payload["text"] == text.replace("\r\n", "\n")


async def test_a_shared_key_signs_once_the_account_allows_it(setting: Setting) -> None:
    signer = setting.vendor.sign_with_key()
    await setting.vendor.say("anna", "Hello")
    with pytest.raises(Unauthorized):
        await setting.told()
    setting.account = account_of(setting.vendor, webhook_keys={signer.key: signer.secret})
    (event,) = await setting.told()
    assert event.payload["text"] == "Hello"


async def test_the_same_message_again_is_the_same_event(setting: Setting) -> None:
    sid = await setting.vendor.say("anna", "Once")
    setting.vendor.redeliver(sid, times=2)
    setting.vendor.redeliver(sid, new_token=True, at_once=True)
    events = await setting.told()
    assert len(events) == 4
    assert {(event.type, event.place, event.external_id, event.revision) for event in events} == {
        (topics.MESSAGE_RECEIVED, events[0].place, sid, "")
    }
