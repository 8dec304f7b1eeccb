"""Webhooks of the simulated Twilio: what they carry, signatures by the SDK's own verifier, retries, what answers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

import pytest
from multidict import MultiDict
from twilio.request_validator import RequestValidator, get_signature_algorithm

from tests.simulators.twilio import Twilio
from tests.simulators.vendor import File, Vendor
from tests.simulators.vendor_clock import VendorClock
from tests.simulators.webhook_receiver import ReceivedRequest, Receiver

ALL = "#rc=5&rp=all"
TOKEN = "I-Twilio-Idempotency-Token"


@dataclass
class Setting:
    vendor: Twilio
    receiver: Receiver

    async def settled(self) -> list[ReceivedRequest]:
        await self.vendor.settled()
        return self.receiver.requests

    def valid(self, received: ReceivedRequest, *, url: str = "", secret: str = "") -> bool:
        """As the SDK's own verifier sees it."""
        params = MultiDict(parse_qsl(received.body.decode(errors="replace"), keep_blank_values=True))
        algorithm = get_signature_algorithm(received.headers.get("X-Twilio-Webhooks-Signature-Settings"))
        validator = RequestValidator(secret or self.vendor.auth_token)
        signature = received.headers["X-Twilio-Signature"]
        return bool(validator.validate(url or received.url, params, signature, algorithm))


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    vendor, receiver = Twilio(pace=VendorClock(scale=0)), Receiver()
    async with receiver.serving(), vendor.serving():
        vendor.call(receiver.url)
        yield Setting(vendor, receiver)


async def test_a_message_carries_what_the_vendor_tells(setting: Setting) -> None:
    sid = await setting.vendor.say("anna", "Hello")
    (received,) = await setting.settled()
    form, anna = received.form, setting.vendor.person("anna")
    assert form["MessageSid"] == form["SmsMessageSid"] == form["SmsSid"] == sid
    assert (form["From"], form["WaId"]) == (f"whatsapp:{anna.number}", anna.number[1:])
    assert (form["To"], form["AccountSid"]) == (setting.vendor.sender, setting.vendor.account_sid)
    assert (form["Body"], form["NumMedia"], form["MessageType"], form["ProfileName"]) == ("Hello", "0", "text", "anna")
    assert received.headers["Content-Type"].startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize("text", ["", "  Hello\r\n", "a+b&c=d%20", "🌱 日本", "\u202eabc", "x" * 4096])
async def test_every_text_is_signed_as_it_is(setting: Setting, text: str) -> None:
    await setting.vendor.say("anna", text)
    (received,) = await setting.settled()
    assert received.form["Body"] == text
    assert setting.valid(received)
    assert not setting.valid(received, url=received.url + "/")
    assert not setting.valid(received, secret="another")


async def test_repeated_unknown_and_blank_parameters_are_signed_too(setting: Setting) -> None:
    more = [("Address", ""), ("Brand", "new"), ("Twice", "b"), ("Twice", "a"), ("Twice", "b")]
    setting.vendor.receives("anna", "x", more=more)
    (received,) = await setting.settled()
    assert received.body.endswith(b"Address=&Brand=new&Twice=b&Twice=a&Twice=b")
    assert setting.valid(received)


async def test_the_public_address_is_signed_and_a_fragment_never(setting: Setting) -> None:
    setting.vendor.webhooks.public_url = ("https://support.example.com/hooks", setting.receiver.base)
    setting.vendor.call(f"{setting.receiver.url}?b=2&a=1{ALL}")
    await setting.vendor.say("anna", "Hello")
    (received,) = await setting.settled()
    public = "https://support.example.com/hooks/hook?b=2&a=1"
    assert setting.valid(received, url=public)
    assert setting.valid(received, url=public.replace(".com", ".com:443"))
    assert not setting.valid(received, url=public.replace("https", "http"))
    assert not setting.valid(received, url=public.replace("b=2&a=1", "a=1&b=2"))
    assert not setting.valid(received)


async def test_a_shared_key_signs_with_sha256_and_says_so(setting: Setting) -> None:
    signer = setting.vendor.sign_with_key()
    await setting.vendor.say("anna", "Hello")
    (received,) = await setting.settled()
    settings = received.headers["X-Twilio-Webhooks-Signature-Settings"]
    assert settings == f"key={signer.key},algorithm=HMAC_SHA256"
    assert setting.valid(received, secret=signer.secret)
    assert not setting.valid(received)
    without = RequestValidator(signer.secret).validate(
        received.url, received.form, received.headers["X-Twilio-Signature"]
    )
    assert not without


async def test_a_json_body_is_signed_by_its_hash(setting: Setting) -> None:
    setting.vendor.event({"type": "x"})
    setting.vendor.event({"type": "x"}, sent={"type": "y"})
    good, altered = sorted(await setting.settled(), key=lambda each: each.body)
    validator = RequestValidator(setting.vendor.auth_token)
    for received, valid in ((good, True), (altered, False)):
        signature = received.headers["X-Twilio-Signature"]
        assert validator.validate(received.url, received.body.decode(), signature) is valid


async def test_a_webhook_by_get_has_its_parameters_in_the_signed_address(setting: Setting) -> None:
    setting.vendor.webhooks.method = "GET"
    await setting.vendor.say("anna", "Hello")
    (received,) = await setting.settled()
    assert (received.method, received.body) == ("GET", b"")
    assert "Body=Hello" in received.url
    assert setting.valid(received)


async def test_bytes_that_are_no_text_can_be_sent(setting: Setting) -> None:
    pairs = [("Body", "\ufffd")]
    setting.vendor.webhooks.post(setting.vendor.url, pairs, raw=b"Body=%FF")
    (received,) = await setting.settled()
    assert received.body == b"Body=%FF"
    assert setting.valid(received)


@pytest.mark.parametrize(
    ("fragment", "statuses", "attempts"),
    [
        ("", [0, 0], 2),
        ("", [500], 1),
        ("", [404], 1),
        ("#rc=0", [0], 1),
        ("#rc=3&rp=5xx", [500, 503], 3),
        ("#rc=3&rp=5xx", [404], 1),
        ("#rc=3&rp=4xx", [404], 2),
        ("#rc=2&rp=all", [500, 0, 404, 200], 3),
        ("#rc=9&rp=all", [500] * 9, 6),
    ],
)
async def test_the_address_says_how_often_and_after_what_it_is_tried_again(
    setting: Setting, fragment: str, statuses: list[int], attempts: int
) -> None:
    setting.vendor.call(setting.receiver.url + fragment)
    setting.receiver.statuses = list(statuses)
    await setting.vendor.say("anna", "Hello")
    requests = await setting.settled()
    assert len(requests) == attempts
    assert len({(each.body, each.headers[TOKEN], each.headers["X-Twilio-Signature"]) for each in requests}) == 1
    lost = [] if requests[-1].status == 200 else ["given up"]
    assert [each.state for each in setting.vendor.webhooks.webhook_sender.lost] == lost


async def test_an_answer_that_takes_too_long_counts_as_none(setting: Setting) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        setting.vendor.call(f"http://127.0.0.1:{port}/#rt=100&rc=1&rp=rt")
        await setting.vendor.say("anna", "Hello")
        await setting.vendor.settled()
    (lost,) = setting.vendor.webhooks.webhook_sender.lost
    assert lost.outcomes == ["late", "late"]
    assert setting.vendor.webhooks.debugger == [11205]


@pytest.mark.parametrize("forged", ["", "0" * 28, "not base64 ÿ"])
async def test_a_forger_can_be_played(setting: Setting, forged: str) -> None:
    setting.vendor.webhooks.alter = lambda headers: headers | {"X-Twilio-Signature": forged}
    await setting.vendor.say("anna", "Hello")
    (received,) = await setting.settled()
    assert not setting.valid(received)


async def test_a_refused_webhook_goes_to_the_fallback_with_the_reason(setting: Setting) -> None:
    setting.vendor.webhooks.fallback_url = setting.receiver.base + "/fallback"
    setting.receiver.statuses = [500]
    await setting.vendor.say("anna", "Hello")
    first, second = await setting.settled()
    assert second.url.endswith("/fallback")
    assert second.form.items() > first.form.items()
    assert (second.form["ErrorCode"], second.form["ErrorUrl"]) == ("11200", setting.receiver.url)
    assert setting.valid(second)


async def test_a_message_comes_again_with_its_token_or_with_another(setting: Setting) -> None:
    sid = await setting.vendor.say("anna", "Hello")
    setting.vendor.redeliver(sid, times=2)
    setting.vendor.redeliver(sid, new_token=True, at_once=True)
    requests = await setting.settled()
    assert {each.form["MessageSid"] for each in requests} == {sid}
    assert len(requests) == 4
    assert len({each.headers[TOKEN] for each in requests}) == 2


@pytest.mark.parametrize(
    ("type_", "text", "shown", "errors"),
    [
        (
            "text/xml",
            "<Response><Message>One</Message><Message><Body>Two</Body></Message></Response>",
            ["One", "Two"],
            [],
        ),
        ("text/xml", "<Response/>", [], []),
        ("text/plain", "", [], []),
        ("text/plain", "ok", ["ok"], []),
        ("application/json", "{}", [], [12300]),
        ("text/xml", "<Response>", [], [12100]),
    ],
)
async def test_the_answer_to_a_message_speaks_to_the_person(
    setting: Setting, type_: str, text: str, shown: list[str], errors: list[int]
) -> None:
    setting.receiver.answer = (type_, text)
    await setting.vendor.say("anna", "Hello")
    await setting.settled()
    assert [each.text for each in setting.vendor.ledger.at(setting.vendor.place("anna"))] == shown
    assert setting.vendor.webhooks.debugger == errors


async def test_the_answer_to_a_status_speaks_to_nobody(setting: Setting) -> None:
    vendor = setting.vendor
    record = vendor.record(vendor.sender, vendor.place("anna"), "x", direction="outbound-api", status="queued")
    record.callback = setting.receiver.url
    setting.receiver.answer = ("text/plain", "ok")
    vendor.tell(record, "failed:63018")
    (received,) = await setting.settled()
    assert (received.form["MessageStatus"], received.form["ErrorCode"]) == ("failed", "63018")
    assert setting.valid(received)
    assert vendor.ledger.shown == []


async def test_odd_messages_can_be_made(setting: Setting) -> None:
    vendor = setting.vendor
    vendor.shares_location("anna", 52.5, 13.4, "Shop")
    vendor.receives("anna", "", more=[("NumMedia", "2"), ("MediaUrl0", "http://127.0.0.1/x")])
    vendor.receives("anna", "", more=[("AccountSid", "AC" + "0" * 32)])
    vendor.receives("anna", "", more=[("ButtonPayload", '{"a": 1}'), ("ButtonText", "A")], without=["Body"])
    vendor.sms("anna", "by phone")
    location, media, other, button, sms = (each.form for each in await setting.settled())
    assert (location["Body"], location["MessageType"], location["Latitude"]) == ("", "location", "52.5")
    assert (media["NumMedia"], "MediaUrl1" in media) == ("2", False)
    assert other["AccountSid"] == "AC" + "0" * 32
    assert (button["ButtonPayload"], "Body" in button) == ('{"a": 1}', False)
    assert (sms["From"], "WaId" in sms) == (vendor.person("anna").number, False)


async def test_each_file_is_a_message_of_its_own(setting: Setting) -> None:
    await setting.vendor.say("anna", "two", files=[File(f"{n}.png", "image/png", b"png") for n in range(2)])
    forms = [each.form for each in await setting.settled()]
    assert [(each["Body"], each["NumMedia"]) for each in forms] == [("two", "1"), ("", "1")]


async def test_customers_cannot_edit_delete_or_react_through_twilio(setting: Setting) -> None:
    sid = await setting.vendor.say("anna", "Hello")
    for change in (
        setting.vendor.edit("anna", sid, "x"),
        setting.vendor.delete("anna", sid),
        setting.vendor.react("anna", sid, "👍"),
    ):
        with pytest.raises(NotImplementedError):
            await change


async def test_messages_of_one_person_set_out_in_order(setting: Setting) -> None:
    for n in range(30):
        await setting.vendor.say("anna", str(n))
    assert [each.form["Body"] for each in await setting.settled()] == [str(n) for n in range(30)]


async def test_nothing_is_left_when_it_closes() -> None:
    before = asyncio.all_tasks()
    vendor: Vendor = Twilio(pace=VendorClock(scale=1))
    async with vendor.serving():
        vendor.call("http://127.0.0.1:9/nobody" + ALL)
        await vendor.say("anna", "Hello")
        with pytest.raises(TimeoutError):
            await vendor.settled(deadline=0.1)
    assert asyncio.all_tasks() == before
