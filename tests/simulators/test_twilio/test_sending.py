"""Sends through the simulated Twilio by Twilio's own SDK, and their statuses."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.simulators.test_twilio.environment import Setting
from tests.simulators.vendor import Fault

DAY = 86_400


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
async def test_a_request_that_is_not_allowed_is_refused(setting: Setting, given: dict[str, Any], code: int) -> None:
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


async def test_a_person_who_said_stop_gets_no_messages_until_start(setting: Setting) -> None:
    await setting.vendor.say("anna", "yes")
    await setting.vendor.say("anna", "start")
    await setting.vendor.say("anna", " Stop ")
    assert await setting.refused(body="x") == (400, 21610)
    await setting.vendor.say("anna", "START")
    assert (await setting.send(body="x")).status == "queued"
    await setting.vendor.say("anna", "help")
    await setting.vendor.say("anna", "stop it please")
    await setting.vendor.settled()
    told = [each.form.get("OptOutType") for each in setting.receiver.accepted]
    assert told == [None, None, "START", "STOP", "START", "HELP", None]


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
    vendor.api_calls.now = vendor.channel.now = lambda: now
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
