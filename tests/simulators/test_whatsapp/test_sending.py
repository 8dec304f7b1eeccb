"""Sends on the simulated WhatsApp: accepted, refused, followed by statuses."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import aiohttp
import pytest

from tests.simulators.meta.client import Answer
from tests.simulators.meta.whatsapp_api import Template
from tests.simulators.test_whatsapp.environment import Setting
from tests.simulators.vendor import Fault, File, ShownMessage

HOUR = 3600

BUTTONS = [{"type": "reply", "reply": {"id": f"b{n}", "title": f"Button {n}"}} for n in range(3)]

ROWS = [{"id": f"r{n}", "title": f"Row {n}", "description": "why"} for n in range(10)]


async def test_a_text_is_shown_to_its_person_and_both_its_statuses_carry_our_tag(setting: Setting) -> None:
    answer = await setting.send("text", {"body": "Hello Anna"}, biz_opaque_callback_data="reply-1")
    anna = setting.vendor.person("anna")
    assert answer.status == 200
    assert answer.body["contacts"] == [{"input": anna.wa_id, "wa_id": anna.wa_id, "user_id": anna.user_id}]
    (shown,) = setting.vendor.ledger.at(setting.vendor.place("anna"))
    assert (shown.text, shown.marker, shown.id) == ("Hello Anna", "reply-1", answer.body["messages"][0]["id"])
    told = await setting.statuses()
    assert [(each["status"], each["id"]) for each in told] == [("sent", shown.id), ("delivered", shown.id)]
    assert {each["biz_opaque_callback_data"] for each in told} == {"reply-1"}
    assert {each["recipient_user_id"] for each in told} == {anna.user_id}


@pytest.mark.parametrize(
    ("kind", "what", "code"),
    [
        ("text", {"body": "x" * 4097}, 100),
        ("text", {"body": "  "}, 131008),
        ("text", {"body": "x", "color": "red"}, 100),
        ("poll", {"body": "x"}, 100),
        ("image", {"id": "1", "link": "http://127.0.0.1/x.png"}, 131009),
        ("image", {"id": "1"}, 100),
        ("image", {"link": "http://127.0.0.1/x.png", "caption": "x" * 1025}, 100),
        ("location", {"latitude": 1}, 131008),
        ("contacts", [{"name": {}}], 131008),
        ("reaction", {"message_id": "wamid.none", "emoji": "👍"}, 131009),
        ("template", {"name": "none", "language": {"code": "en_US"}}, 132001),
        ("template", {"name": "hello_world"}, 131008),
    ],
)
async def test_a_request_that_is_not_allowed_is_refused_with_the_vendors_code(
    setting: Setting, kind: str, what: Any, code: int
) -> None:
    answer = await setting.send(kind, what)
    assert (answer.status >= 400, answer.code[0]) == (True, code)
    assert answer.body["error"]["fbtrace_id"]
    assert setting.vendor.ledger.shown == []


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("button", {"buttons": [*BUTTONS, BUTTONS[0]]}),
        ("button", {"buttons": [BUTTONS[0], BUTTONS[0]]}),
        ("button", {"buttons": [{"type": "reply", "reply": {"id": "b", "title": "x" * 21}}]}),
        ("button", {"buttons": []}),
        ("list", {"button": "Open", "sections": [{"title": "All", "rows": [*ROWS, {"id": "r10", "title": "Row"}]}]}),
        ("list", {"button": "Open", "sections": [{"rows": ROWS[:1]}, {"rows": ROWS[1:2]}]}),
        ("list", {"button": "Open", "sections": [{"rows": [{"id": "r", "title": "x" * 25}]}]}),
        ("list", {"button": "x" * 21, "sections": [{"rows": ROWS}]}),
        ("list", {"sections": [{"rows": ROWS}]}),
    ],
)
async def test_buttons_and_rows_keep_their_limits(setting: Setting, kind: str, action: Any) -> None:
    answer = await setting.interactive(kind, action)
    assert answer.status == 400
    assert answer.code[0] in (100, 131008, 131009)


async def test_a_body_is_longer_in_a_list_than_beside_buttons(setting: Setting) -> None:
    long = "x" * 1025
    assert (await setting.interactive("button", {"buttons": BUTTONS}, long)).code[0] == 100
    assert (await setting.interactive("list", {"button": "Open", "sections": [{"rows": ROWS}]}, long)).status == 200


async def test_choices_are_picked_in_the_native_way(setting: Setting) -> None:
    vendor = setting.vendor
    vendor.templates["ask", "en"] = Template("Order {{1}}?", ("Yes", "No"))
    pressed = {"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [{"payload": "not-7"}]}
    parameters = [{"type": "body", "parameters": [{"type": "text", "text": "7"}]}, pressed]
    await setting.interactive("button", {"buttons": BUTTONS})
    await setting.interactive("list", {"button": "Open", "sections": [{"rows": ROWS}]})
    await setting.send("template", {"name": "ask", "language": {"code": "en"}, "components": parameters})
    button, rows, template = vendor.ledger.at(vendor.place("anna"))
    assert template.text == "Order 7?"
    await vendor.choose("anna", button, "Button 1")
    await vendor.choose("anna", rows, "Row 9")
    await vendor.choose("anna", template, "Yes")
    await vendor.choose("anna", template, "No")
    one, two, three, four = (await setting.messages())[1:]
    assert one["interactive"] == {"type": "button_reply", "button_reply": {"id": "b1", "title": "Button 1"}}
    assert two["interactive"]["list_reply"] == {"id": "r9", "title": "Row 9", "description": "why"}
    assert three["button"] == {"text": "Yes", "payload": "Yes"}
    assert four["button"] == {"text": "No", "payload": "not-7"}
    assert [each["context"]["id"] for each in (one, two, three)] == [button.id, rows.id, template.id]
    with pytest.raises(ValueError, match="no choice"):
        await vendor.choose("anna", button, "Button 9")


async def test_after_24_hours_only_a_template_arrives(setting: Setting) -> None:
    vendor = setting.vendor
    vendor.graph.pace.forward(24 * HOUR + 1)
    assert (await setting.send("text", {"body": "late"})).status == 200
    (failed,) = await setting.statuses()
    assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131047)
    vendor.window_errors = "sync"
    assert (await setting.send("text", {"body": "late"})).code[0] == 131047
    assert vendor.ledger.shown == []
    assert (await setting.send("template", {"name": "hello_world", "language": {"code": "en_US"}})).status == 200
    assert [each.text for each in vendor.ledger.shown] == ["Hello World"]


async def test_a_number_nobody_has_fails_by_status(setting: Setting) -> None:
    body = setting.body("text", {"body": "x"}) | {"to": "+49 30 901820"}
    assert (await setting.client.post(f"{setting.vendor.number.id}/messages", body)).status == 200
    (failed,) = await setting.statuses()
    assert (failed["recipient_id"], failed["errors"][0]["code"]) == ("4930901820", 131026)


async def test_the_46th_message_to_one_person_waits_its_six_seconds(setting: Setting) -> None:
    now = setting.vendor.graph.pace.now()
    setting.vendor.pair.now = lambda: now
    answers = [await setting.send("text", {"body": str(n)}) for n in range(46)]
    assert [each.status for each in answers] == [200] * 45 + [400]
    assert answers[-1].code[0] == 131056
    now += 6
    assert (await setting.send("text", {"body": "after"})).status == 200


async def test_a_number_sends_80_messages_a_second(setting: Setting) -> None:
    vendor = setting.vendor
    now = vendor.graph.pace.now()
    vendor.number.throughput.now = lambda: now
    for n in range(3):
        await vendor.say(f"person {n}", "Hello")
    to = [vendor.person(f"person {n % 3}").wa_id for n in range(81)]
    path = f"{vendor.number.id}/messages"
    sends = [setting.client.post(path, setting.body("text", {"body": "x"}) | {"to": each}) for each in to]
    answers = await asyncio.gather(*sends)
    assert sorted(each.status for each in answers) == [200] * 80 + [400]
    assert [each.code[0] for each in answers if each.status == 400] == [130429]


async def test_statuses_come_in_any_order_before_the_answer_and_more_than_once(setting: Setting) -> None:
    setting.vendor.statuses = ("read", "delivered", "sent", "sent", "failed:131000")
    setting.vendor.statuses_first = True
    await setting.send("text", {"body": "x"})
    assert [
        each.json["entry"][0]["changes"][0]["value"]["statuses"][0]["status"] for each in setting.receiver.requests[1:2]
    ] == ["read"]
    assert [each["status"] for each in await setting.statuses()] == ["read", "delivered", "sent", "sent", "failed"]


async def test_read_marks_and_typing_are_for_messages_that_were_received(setting: Setting) -> None:
    vendor, path = setting.vendor, f"{setting.vendor.number.id}/messages"
    message = (await setting.messages())[0]["id"]
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": message}
    assert (await setting.client.post(path, mark)).body == {"success": True}
    assert vendor.typing == []
    await setting.client.post(path, mark | {"typing_indicator": {"type": "text"}})
    assert vendor.typing == [message]
    assert (await setting.client.post(path, mark | {"message_id": "wamid.none"})).code[0] == 131009
    assert (await setting.client.post(path, mark | {"typing_indicator": {"type": "audio"}})).code[0] == 131009
    vendor.graph.pace.forward(31 * 24 * HOUR)
    assert (await setting.client.post(path, mark)).code[0] == 131009


async def test_media_needs_the_token_twice_and_its_address_lives_five_minutes(setting: Setting) -> None:
    vendor = setting.vendor
    await vendor.say("anna", "look", files=[File("leaf.png", "image/png", b"png")])
    image = (await setting.messages())[-1]["image"]
    assert (image["caption"], image["mime_type"]) == ("look", "image/png")
    found = (await setting.client.get(image["id"])).body
    assert (found["file_size"], found["mime_type"]) == ("3", "image/png")
    assert (await setting.client.get(found["url"])).body == b"png"
    async with aiohttp.ClientSession() as session, session.get(found["url"]) as response:
        assert response.status == 401
    vendor.graph.pace.forward(301)
    assert (await setting.client.get(found["url"])).status == 404
    again = (await setting.client.get(image["id"])).body["url"]
    assert (await setting.client.get(again)).body == b"png"
    vendor.graph.pace.forward(7 * 24 * HOUR)
    assert (await setting.client.get(image["id"])).code == (100, 33)


async def test_uploaded_media_can_be_sent_looked_up_and_deleted(setting: Setting) -> None:
    vendor = setting.vendor

    async def upload(type_: str, size: int) -> Answer:
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": type_})
        form.add_field("file", io.BytesIO(b"x" * size), filename="a.bin", content_type=type_)
        return await setting.client.call("POST", f"{vendor.number.id}/media", data=form)

    media = (await upload("image/jpeg", 9)).body["id"]
    await setting.send("image", {"id": media, "caption": "a leaf"})
    (shown,) = vendor.ledger.shown
    assert (shown.text, shown.files[0].data) == ("a leaf", b"x" * 9)
    assert (await upload("application/zip", 9)).code[0] == 100
    assert (await upload("image/jpeg", 5 * 1024 * 1024 + 1)).code[0] == 131053
    assert (await setting.client.call("DELETE", media)).body == {"success": True}
    assert (await setting.send("image", {"id": media})).code == (100, 33)


async def test_a_link_is_fetched_and_one_that_cannot_be_had_fails_by_status(setting: Setting) -> None:
    setting.receiver.answer = ("image/png", "png")
    await setting.send("image", {"link": f"{setting.receiver.base}/leaf.png"})
    assert setting.vendor.ledger.shown[0].files == [File("leaf.png", "image/png", b"png")]
    await setting.vendor.settled()
    setting.receiver.statuses = [404]
    await setting.send("image", {"link": f"{setting.receiver.base}/none.png"})
    assert (await setting.statuses())[-1]["errors"][0]["code"] == 131053


async def test_a_message_of_another_number_cannot_be_answered_or_marked(setting: Setting) -> None:
    vendor = setting.vendor
    sibling = vendor.add_number("+1 555-0101")
    (message,) = vendor.says("anna", "to the other", number=sibling)
    path = f"{vendor.number.id}/messages"
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": message}
    assert (await setting.client.post(path, mark)).code[0] == 131009
    assert (await setting.send("text", {"body": "x"}, context={"message_id": message})).code[0] == 131009


async def test_each_fault_does_what_it_says(setting: Setting) -> None:
    vendor, faults = setting.vendor, setting.vendor.faults

    def shown() -> list[ShownMessage]:
        return vendor.ledger.at(vendor.place("anna"))

    faults.next(Fault("refuse", "messages", status=500), Fault("limit", "messages", retry_after=90))
    assert (await setting.send("text", {"body": "1"})).code[0] == 131000
    limited = await setting.send("text", {"body": "2"})
    assert limited.code[0] == 130429
    assert "Retry-After" not in limited.headers
    assert '"estimated_time_to_regain_access": 2' in limited.headers["X-Business-Use-Case-Usage"]
    faults.next(Fault("lose", status=502), Fault("drop"))
    assert (await setting.send("text", {"body": "3"})).headers["Content-Type"].startswith("text/html")
    with pytest.raises(aiohttp.ClientError):
        await setting.send("text", {"body": "4"})
    assert shown() == []
    faults.next(Fault("fail_after", status=503), Fault("drop_after"), Fault("garbage"), Fault("slow", seconds=0.2))
    assert (await setting.send("text", {"body": "5"})).status == 503
    with pytest.raises(aiohttp.ClientError):
        await setting.send("text", {"body": "6"})
    with pytest.raises(ValueError, match="Expecting"):
        await setting.send("text", {"body": "7"})
    began = asyncio.get_running_loop().time()
    await setting.send("text", {"body": "8"})
    assert asyncio.get_running_loop().time() - began >= 0.2
    assert [each.text for each in shown()] == ["5", "6", "7", "8"]
    assert [each.did for each in vendor.ledger.requests] == [False] * 4 + [True] * 4
    assert faults.left == 0
