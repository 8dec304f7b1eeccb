"""Histories, files, contents and credentials of the simulated Twilio, by Twilio's own SDK."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.simulators.test_twilio.environment import Setting
from tests.simulators.vendor import File


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


@pytest.mark.parametrize("types", [[], {"twilio/text": 1}, {"twilio/quick-reply": {"body": "x", "actions": [1]}}])
async def test_a_content_of_another_shape_is_refused(setting: Setting, types: Any) -> None:
    auth = aiohttp.encode_basic_auth(*setting.vendor.api_key)
    body = {"language": "en", "types": types}
    async with (
        aiohttp.ClientSession(setting.vendor.base, headers={"Authorization": auth}) as session,
        session.post("/v1/Content", json=body) as response,
    ):
        assert (response.status, (await response.json())["code"]) == (400, 20001)


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
