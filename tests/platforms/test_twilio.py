"""Twilio's API on loopback, spoken to by Twilio's own SDK."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance
from twilio.rest.content.v1.content import ContentList

from tests.platforms.receiver import Receiver
from tests.platforms.twilio import Twilio
from tests.platforms.vendor import Fault, File

DAY = 86_400


class Rerouted(AsyncTwilioHttpClient):  # type: ignore[misc]  # the SDK has no marker for its types
    """Twilio's client, at another host. Headers of the last answer are kept: its exceptions have none. Credentials go
    by header, because aiohttp warns of the other way, and a warning is an error here. ``mends_json``: a JSON body is
    written as JSON, which Twilio's client (9.13) fails to do."""

    mends_json = True

    def __init__(self, base: str) -> None:
        super().__init__(timeout=5)
        self._base = urlsplit(base)
        self.headers: Any = {}

    async def request(self, method: str, url: str, **kwargs: Any) -> Response:
        there = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc)
        if (auth := kwargs.pop("auth", None)) is not None:
            kwargs["headers"] = {**(kwargs.get("headers") or {}), "Authorization": aiohttp.encode_basic_auth(*auth)}
        if self.mends_json and kwargs["headers"].get("Content-Type") == "application/json":
            kwargs["data"] = json.dumps(kwargs["data"])
        response = await super().request(method, urlunsplit(there), **kwargs)
        self.headers = response.headers
        return response


@dataclass
class Setting:
    """A vendor, Twilio's SDK, and a receiver of webhooks. Anna has written once."""

    vendor: Twilio
    sdk: Client
    http: Rerouted
    receiver: Receiver

    async def send(self, **given: Any) -> MessageInstance:
        given = {"from_": self.vendor.sender, "to": self.vendor.place("anna")} | given
        return await self.sdk.messages.create_async(**given)

    async def refused(self, **given: Any) -> tuple[int, int]:
        """Status and code of a send that is not taken."""
        with pytest.raises(TwilioRestException) as caught:
            await self.send(**given)
        assert caught.value.code is not None
        return caught.value.status, caught.value.code

    async def content(self, **types: Any) -> str:
        """The sid of a new content with one type, whose name has an underscore for the hyphen."""
        named = {f"twilio/{name.replace('_', '-')}": what for name, what in types.items()}
        request = ContentList.ContentCreateRequest({"language": "en", "friendly_name": "x", "types": named})
        made = await self.sdk.content.v1.contents.create_async(request)
        return str(made.sid)

    async def callbacks(self) -> list[dict[str, str]]:
        await self.vendor.settled()
        return [each.form for each in self.receiver.accepted if each.url.endswith("/status")]


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    vendor, receiver = Twilio(), Receiver()
    async with receiver.serving(), vendor.serving():
        vendor.call(receiver.url)
        await vendor.say("anna", "Hello")
        await vendor.settled()
        async with Rerouted(vendor.base) as http:
            yield Setting(vendor, Client(vendor.account_sid, vendor.auth_token, http_client=http), http, receiver)


async def test_a_text_is_queued_shown_and_followed_by_its_callbacks(setting: Setting) -> None:
    made = await setting.send(body="Hello Anna", status_callback=f"{setting.receiver.base}/status")
    assert (made.status, made.direction, made.error_code) == ("queued", "outbound-api", None)
    (shown,) = setting.vendor.ledger.at(setting.vendor.place("anna"))
    assert (shown.id, shown.text) == (made.sid, "Hello Anna")
    told = await setting.callbacks()
    assert [(each["MessageSid"], each["MessageStatus"]) for each in told] == [
        (made.sid, "sent"),
        (made.sid, "delivered"),
    ]
    assert (await setting.sdk.messages(shown.id).fetch_async()).status == "delivered"


async def test_an_api_key_does_as_well_as_the_token(setting: Setting) -> None:
    user, secret = setting.vendor.api_key
    sdk = Client(user, secret, setting.vendor.account_sid, http_client=setting.http)
    assert len(await sdk.messages.list_async()) == 1


@pytest.mark.parametrize("wrong", ["user", "secret", "account"])
async def test_without_credentials_nothing_is_done(setting: Setting, wrong: str) -> None:
    vendor = setting.vendor
    user = "AC" + "0" * 32 if wrong == "user" else vendor.account_sid
    secret = "none" if wrong == "secret" else vendor.auth_token
    account = "AC" + "1" * 32 if wrong == "account" else vendor.account_sid
    sdk = Client(user, secret, account, http_client=setting.http)
    with pytest.raises(TwilioRestException) as caught:
        await sdk.messages.create_async(from_=vendor.sender, to=vendor.place("anna"), body="x")
    assert (caught.value.status, caught.value.code) == (401, 20003)
    assert vendor.ledger.shown == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"body": "x" * 1601}, 21617),
        ({"body": ""}, 21619),
        ({}, 21619),
        ({"body": "x", "to": ""}, 21604),
        ({"body": "x", "to": "whatsapp:anna"}, 21211),
        ({"body": "x", "from_": ""}, 21603),
        ({"body": "x", "from_": "whatsapp:+15559999"}, 63007),
        ({"body": "x", "from_": "+15550100"}, 21910),
        ({"body": "x", "media_url": ["ftp://x"]}, 21620),
        ({"body": "x", "media_url": ["http://127.0.0.1/1", "http://127.0.0.1/2"]}, 21623),
        ({"body": "x", "status_callback": "status"}, 21609),
        ({"content_sid": "HX" + "0" * 32}, 21655),
    ],
)
async def test_what_is_not_allowed_is_refused(setting: Setting, given: dict[str, Any], code: int) -> None:
    assert await setting.refused(**given) == (400, code)
    assert setting.vendor.ledger.shown == []
    assert [each.did for each in setting.vendor.ledger.requests] == [False]


async def test_a_body_has_1600_characters(setting: Setting) -> None:
    assert (await setting.send(body="🌱" * 1600)).status == "queued"


async def test_after_a_day_a_text_fails_by_status_or_at_once(setting: Setting) -> None:
    vendor, callback = setting.vendor, f"{setting.receiver.base}/status"
    vendor.pace.forward(DAY + 1)
    assert (await setting.send(body="late", status_callback=callback)).status == "queued"
    (told,) = await setting.callbacks()
    assert (told["MessageStatus"], told["ErrorCode"]) == ("undelivered", "63016")
    vendor.window_errors = "failed_at_once"
    made = await setting.send(body="late")
    assert (made.status, made.error_code) == ("failed", 63016)
    assert vendor.ledger.shown == []


async def test_an_approved_content_may_begin_a_conversation_and_a_list_may_not(setting: Setting) -> None:
    vendor = setting.vendor
    types = {"twilio/text": {"body": "Order {{1}} is on its way"}}
    approved = vendor.content({"language": "en", "types": types}, approved=True)
    rows = await setting.content(list_picker={"body": "?", "button": "Open", "items": [{"item": "A", "id": "a"}]})
    vendor.pace.forward(DAY + 1)
    await setting.send(content_sid=approved.sid, content_variables=json.dumps({"1": '7 "big"'}))
    made = await setting.send(content_sid=rows)
    assert [each.text for each in vendor.ledger.shown] == ['Order 7 "big" is on its way']
    assert (await setting.sdk.messages(str(made.sid)).fetch_async()).error_code == 63016
    for variables in ("[]", "{", '{"1": 2}'):
        assert await setting.refused(content_sid=approved.sid, content_variables=variables) == (400, 21656)


async def test_choices_are_picked_in_the_native_way(setting: Setting) -> None:
    vendor = setting.vendor
    actions = [{"type": "QUICK_REPLY", "title": f"Button {n}", "id": f"b{n}"} for n in range(4)]
    items = [{"item": f"Row {n}", "id": f"r{n}", "description": "why"} for n in range(10)]
    three = await setting.content(quick_reply={"body": "Which {{1}}?", "actions": actions[:3]})
    four = await setting.content(quick_reply={"body": "Which?", "actions": actions})
    rows = await setting.content(list_picker={"body": "Which?", "button": "Open", "items": items})
    await setting.send(content_sid=three, content_variables='{"1": "one"}')
    await setting.send(content_sid=rows)
    button, row = vendor.ledger.shown
    assert (button.text, button.choices) == ("Which one?", ["Button 0", "Button 1", "Button 2"])
    await vendor.choose("anna", button, "Button 1")
    await vendor.choose("anna", row, "Row 9")
    await vendor.settled()
    pressed, picked = (each.form for each in setting.receiver.accepted[-2:])
    assert (pressed["ButtonPayload"], pressed["ButtonText"], pressed["MessageType"]) == ("b1", "Button 1", "button")
    assert (picked["ListId"], picked["ListTitle"], picked["MessageType"]) == ("r9", "Row 9", "interactive")
    assert [each["OriginalRepliedMessageSid"] for each in (pressed, picked)] == [button.id, row.id]
    with pytest.raises(ValueError, match="no choice"):
        await vendor.choose("anna", row, "Row 10")
    # Without approval a session carries three buttons.
    made = await setting.send(content_sid=four)
    assert (await setting.sdk.messages(str(made.sid)).fetch_async()).error_code == 63021


@pytest.mark.parametrize(
    "types",
    [
        {},
        {"location": {"latitude": 1, "longitude": 1, "label": "x"}},
        {"text": {}},
        {"quick_reply": {"body": "x" * 1025, "actions": [{"title": "a", "id": "a"}]}},
        {"quick_reply": {"body": "x", "actions": [{"title": "x" * 21, "id": "a"}]}},
        {"quick_reply": {"body": "x", "actions": []}},
        {"list_picker": {"body": "x", "button": "Open", "items": [{"item": "A", "id": "a"}] * 2}},
        {"list_picker": {"body": "x", "button": "Open", "items": [{"item": "x" * 25, "id": "a"}]}},
        {"list_picker": {"body": "x", "items": [{"item": "A", "id": "a"}]}},
        {"media": {"body": "x"}},
    ],
)
async def test_contents_keep_their_limits(setting: Setting, types: dict[str, Any]) -> None:
    with pytest.raises(TwilioRestException) as caught:
        await setting.content(**types)
    assert (caught.value.status, caught.value.code) == (400, 20001)
    assert "JSON" not in caught.value.msg


async def test_the_async_client_by_itself_makes_no_content(setting: Setting) -> None:
    """When this fails, the SDK has been mended, and so can be what works around it."""
    setting.http.mends_json = False
    with pytest.raises(TwilioRestException, match="no JSON"):
        await setting.content(text={"body": "x"})


async def test_a_content_can_be_fetched_and_deleted(setting: Setting) -> None:
    sid = await setting.content(text={"body": "x"})
    found = await setting.sdk.content.v1.contents(sid).fetch_async()
    assert found.types == {"twilio/text": {"body": "x"}}
    assert await setting.sdk.content.v1.contents(sid).delete_async()
    with pytest.raises(TwilioRestException) as caught:
        await setting.sdk.content.v1.contents(sid).fetch_async()
    assert caught.value.status == 404


async def test_the_history_is_listed_newest_first_in_pages_that_do_not_shift(setting: Setting) -> None:
    for n in range(6):
        await setting.send(body=str(n))
    page = await setting.sdk.messages.page_async(page_size=3)
    bodies = [each.body for each in page]
    await setting.send(body="meanwhile")
    while (following := await page.next_page_async()) is not None:
        page = following
        bodies += [each.body for each in page]
    assert bodies == ["5", "4", "3", "2", "1", "0", "Hello"]
    assert len(await setting.sdk.messages.list_async(page_size=2)) == 8
    assert [each.body for each in await setting.sdk.messages.list_async(limit=2)] == ["meanwhile", "5"]


async def test_the_history_can_be_narrowed_to_an_end_and_a_time(setting: Setting) -> None:
    vendor = setting.vendor
    await vendor.say("ben", "from Ben")
    vendor.pace.forward(7200)
    await setting.send(body="to Anna")
    between = datetime.fromtimestamp(vendor.pace.now() - 3600, UTC)

    async def bodies(**query: Any) -> list[str | None]:
        return [each.body for each in await setting.sdk.messages.list_async(**query)]

    assert await bodies(from_=vendor.place("ben")) == ["from Ben"]
    assert await bodies(to=vendor.place("anna")) == ["to Anna"]
    assert await bodies(date_sent_after=between) == ["to Anna"]
    assert await bodies(date_sent_before=between) == ["from Ben", "Hello"]
    assert await bodies(date_sent_before=between - timedelta(days=1)) == []


async def test_a_deleted_message_is_gone(setting: Setting) -> None:
    made = await setting.send(body="x")
    assert await setting.sdk.messages(str(made.sid)).delete_async()
    with pytest.raises(TwilioRestException) as caught:
        await setting.sdk.messages(str(made.sid)).fetch_async()
    assert (caught.value.status, caught.value.code) == (404, 20404)


async def test_typing_is_shown_for_a_message_that_was_received(setting: Setting) -> None:
    indicator, (sid,) = setting.sdk.messaging.v2.typing_indicator, setting.vendor.records
    assert (await indicator.create_async(channel="whatsapp", message_id=sid)).success
    assert setting.vendor.typing == [sid]
    for channel, message in (("sms", sid), ("whatsapp", "SM" + "0" * 32)):
        with pytest.raises(TwilioRestException):
            await indicator.create_async(channel=channel, message_id=message)


async def test_media_needs_basic_and_the_cdn_must_not_see_it(setting: Setting) -> None:
    vendor = setting.vendor
    await vendor.say("anna", "look", files=[File("leaf.png", "image/png", b"png")])
    await vendor.settled()
    form = setting.receiver.accepted[-1].form
    assert (form["NumMedia"], form["MediaContentType0"], form["Body"]) == ("1", "image/png", "look")
    auth = {"Authorization": aiohttp.encode_basic_auth(vendor.account_sid, vendor.auth_token)}
    async with aiohttp.ClientSession() as session:
        async with session.get(form["MediaUrl0"]) as response:
            assert response.status == 401
        async with session.get(form["MediaUrl0"], headers=auth, allow_redirects=False) as response:
            assert response.status == 307
            there = response.headers["Location"]
        assert urlsplit(there).netloc != urlsplit(vendor.base).netloc
        async with session.get(there, headers=auth) as response:
            assert response.status == 400
        async with session.get(there) as response:
            assert (await response.read(), response.content_type) == (b"png", "image/png")
        async with session.get(vendor.base + urlsplit(there).path) as response:
            assert response.status == 404
    assert vendor.cdn_authorizations == [auth["Authorization"]]


async def test_a_file_is_fetched_and_one_that_cannot_be_had_fails_by_status(setting: Setting) -> None:
    setting.receiver.answer = ("image/png", "png")
    made = await setting.send(media_url=[f"{setting.receiver.base}/leaf.png"])
    assert setting.vendor.ledger.shown[0].files == [File("leaf.png", "image/png", b"png")]
    listed = await setting.sdk.messages(str(made.sid)).media.list_async()
    assert [each.content_type for each in listed] == ["image/png"]
    assert await setting.sdk.messages(str(made.sid)).media(str(listed[0].sid)).delete_async()
    assert await setting.sdk.messages(str(made.sid)).media.list_async() == []
    setting.receiver.statuses = [404]
    made = await setting.send(media_url=[f"{setting.receiver.base}/none.png"])
    assert (await setting.sdk.messages(str(made.sid)).fetch_async()).error_code == 63019


async def test_who_said_stop_is_not_written_to_until_start(setting: Setting) -> None:
    await setting.vendor.say("anna", " Stop ")
    assert await setting.refused(body="x") == (400, 21610)
    await setting.vendor.say("anna", "START")
    assert (await setting.send(body="x")).status == "queued"
    await setting.vendor.say("anna", "help")
    await setting.vendor.say("anna", "stop it please")
    await setting.vendor.settled()
    told = [each.form.get("OptOutType") for each in setting.receiver.accepted]
    assert told == [None, "STOP", "START", "HELP", None]


async def test_statuses_come_in_any_order_before_the_answer_and_more_than_once(setting: Setting) -> None:
    setting.vendor.statuses = ("read", "sent", "sent", "huh", "delivered")
    setting.vendor.status_first = True
    made = await setting.send(body="x", status_callback=f"{setting.receiver.base}/status")
    assert setting.receiver.requests[1].form["MessageStatus"] == "read"
    told = [each["MessageStatus"] for each in await setting.callbacks()]
    assert told == ["read", "sent", "sent", "huh", "delivered"]
    setting.vendor.statuses = ("delivered", "read", "sent")
    made = await setting.send(body="x")
    assert (await setting.sdk.messages(str(made.sid)).fetch_async()).status == "read"


async def test_too_many_calls_get_429_and_a_channel_that_is_full_fails_by_status(setting: Setting) -> None:
    vendor = setting.vendor
    now = vendor.pace.now()
    vendor.api_calls._now = vendor.channel._now = lambda: now
    for _ in range(80):
        await setting.send(body="x")
    made = await setting.send(body="the 81st of this second")
    assert (await setting.sdk.messages(str(made.sid)).fetch_async()).error_code == 63018
    for _ in range(19):
        await setting.send(body="x")
    assert await setting.refused(body="x") == (429, 20429)
    assert "Retry-After" not in setting.http.headers
    assert len(vendor.ledger.shown) == 80


async def test_nobody_at_the_number_fails_by_status(setting: Setting) -> None:
    made = await setting.send(to="whatsapp:+49301234567", body="x")
    found = await setting.sdk.messages(str(made.sid)).fetch_async()
    assert (found.status, found.error_code) == ("undelivered", 63024)


async def test_a_person_with_a_hidden_number_is_reached_by_user_id(setting: Setting) -> None:
    anna = setting.vendor.person("anna")
    anna.number_hidden = True
    await setting.vendor.say("anna", "It is me")
    await setting.vendor.settled()
    form = setting.receiver.accepted[-1].form
    assert form["From"] == form["ExternalUserId"] == f"whatsapp:{anna.user_id}"
    assert "WaId" not in form
    await setting.send(to=form["From"], body="Hello")
    assert [each.place for each in setting.vendor.ledger.shown] == [setting.vendor.place("anna")]


async def test_each_fault_does_what_it_says(setting: Setting) -> None:
    vendor = setting.vendor
    vendor.faults.next(Fault("refuse", "messages.create", status=500), Fault("limit"), Fault("lose", status=503))
    assert (await setting.refused(body="1"))[0] == 500
    assert await setting.refused(body="2") == (429, 20429)
    assert await setting.refused(body="3") == (503, 503)
    assert setting.http.headers["Content-Type"].startswith("text/html")
    vendor.faults.next(Fault("drop"))
    with pytest.raises(aiohttp.ClientError):
        await setting.send(body="4")
    assert vendor.ledger.shown == []
    vendor.faults.next(
        Fault("fail_after", status=503), Fault("drop_after"), Fault("garbage"), Fault("slow", seconds=0.1)
    )
    assert (await setting.refused(body="5"))[0] == 503
    with pytest.raises(aiohttp.ClientError):
        await setting.send(body="6")
    with pytest.raises(ValueError, match=r"Expecting|double quotes"):
        await setting.send(body="7")
    await setting.send(body="8")
    assert [each.text for each in vendor.ledger.shown] == ["5", "6", "7", "8"]
    assert [each.did for each in vendor.ledger.requests] == [False] * 4 + [True] * 4
