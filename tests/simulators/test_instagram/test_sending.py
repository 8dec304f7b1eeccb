"""Sends on the simulated Instagram: accepted, refused, echoed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.simulators.test_instagram.environment import Setting
from tests.simulators.vendor import Fault, File

DAY = 86_400

REPLIES = [{"content_type": "text", "title": f"Reply {n}", "payload": f"p{n}"} for n in range(14)]

BUTTON = {"type": "postback", "title": "Order", "payload": "order"}

ELEMENT = {"title": "Nepenthes", "subtitle": "A pitcher", "buttons": [BUTTON]}


def _template(*elements: Any) -> dict[str, Any]:
    payload = {"template_type": "generic", "elements": list(elements)}
    return {"attachment": {"type": "template", "payload": payload}}


async def test_a_send_is_shown_and_echoed_with_our_app(setting: Setting) -> None:
    answer = await setting.send({"text": "Hello Anna"})
    anna = setting.vendor.person("anna").igsid
    (shown,) = setting.vendor.ledger.at(anna)
    assert answer.body == {"recipient_id": anna, "message_id": shown.id}
    echo = (await setting.events())[-1]
    assert (echo["sender"]["id"], echo["recipient"]["id"]) == (setting.vendor.ig_id, anna)
    app = int(setting.vendor.app.id)
    assert echo["message"] == {"mid": shown.id, "text": "Hello Anna", "is_echo": True, "app_id": app}


async def test_an_echo_may_arrive_before_the_answer(setting: Setting) -> None:
    setting.vendor.echoes = "before"
    answer = await setting.send({"text": "Hello"})
    # Nothing is waited for: it is there already.
    assert setting.receiver.requests[-1].json["entry"][0]["messaging"][0]["message"]["mid"] == answer.body["message_id"]


async def test_an_echo_may_come_late_and_with_our_metadata_if_asked_for(setting: Setting) -> None:
    vendor = setting.vendor
    vendor.echoes = "held"
    mid = (await setting.send({"text": "Hello", "metadata": "reply-1"})).body["message_id"]
    assert len(await setting.events()) == 1
    assert vendor.ledger.shown[0].marker == "reply-1"
    vendor.echo(vendor.messages[mid], app_id=vendor.app.id)
    assert "metadata" not in (await setting.events())[-1]["message"]
    vendor.echo_metadata = True
    vendor.echo(vendor.messages[mid], app_id=vendor.app.id)
    assert (await setting.events())[-1]["message"]["metadata"] == "reply-1"


async def test_a_page_speaks_at_the_other_host_with_its_own_token(by_page: Setting) -> None:
    assert "graph.facebook.com" in by_page.client.base
    assert (await by_page.send({"text": "Hello"})).status == 200
    elsewhere = by_page.client.base.replace("graph.facebook.com", "graph.instagram.com")
    assert (await by_page.client.get(f"{elsewhere}/me")).code[0] == 190
    assert (await by_page.client.get("me")).body["id"] == by_page.vendor.page_id
    assert (await by_page.events())[-1]["sender"]["id"] == by_page.vendor.ig_id


@pytest.mark.parametrize(
    "message",
    [
        {"text": ""},
        {"text": "字" * 334},
        {"text": "x", "color": "red"},
        {"text": "x", "attachment": {"type": "image", "payload": {"url": "http://127.0.0.1/"}}},
        {"text": "x", "quick_replies": REPLIES},
        {"text": "x", "quick_replies": [{"content_type": "location"}]},
        {"text": "x", "quick_replies": [{"content_type": "text", "title": "a", "payload": "x" * 1001}]},
        {"attachment": {"type": "sticker", "payload": {"url": "http://127.0.0.1/"}}},
        {"attachment": {"type": "image", "payload": {}}},
        _template(*[ELEMENT] * 11),
        _template({"title": "alone"}),
        _template({**ELEMENT, "title": "x" * 81}),
        _template({**ELEMENT, "buttons": [BUTTON] * 4}),
        _template({**ELEMENT, "buttons": [{**BUTTON, "title": "x" * 21}]}),
        _template({**ELEMENT, "buttons": [{"type": "postback", "title": "Order"}]}),
    ],
)
async def test_a_request_that_is_not_allowed_is_refused(setting: Setting, message: Any) -> None:
    answer = await setting.send(message)
    assert (answer.status, answer.code[0]) == (400, 100)
    assert setting.vendor.ledger.shown == []


async def test_each_host_has_words_of_its_own(setting: Setting, by_page: Setting) -> None:
    failures = [await each.send({"text": ""}) for each in (setting, by_page)]
    assert [each.body["error"]["type"] for each in failures] == ["IGApiException", "OAuthException"]
    usage = [json.loads(each.headers["X-App-Usage"]).keys() for each in failures]
    assert usage == [{"call_volume", "cpu_time"}, {"call_count", "total_cputime", "total_time"}]


async def test_a_text_has_a_thousand_bytes_and_not_letters(setting: Setting) -> None:
    assert (await setting.send({"text": "字" * 333 + "x"})).status == 200
    assert (await setting.send({"text": "x" * 1001})).status == 400


async def test_a_quick_reply_comes_back_as_a_message_and_a_button_as_a_postback(setting: Setting) -> None:
    vendor = setting.vendor
    long = {"content_type": "text", "title": "A title that is far too long", "payload": "long"}
    await setting.send({"text": "Which?", "quick_replies": [*REPLIES[:2], long]})
    await setting.send(_template(ELEMENT))
    replies, template = vendor.ledger.at(vendor.place("anna"))
    assert replies.choices == ["Reply 0", "Reply 1", "A title that is far "]
    assert template.text == "Nepenthes\nA pitcher"
    picked = await vendor.choose("anna", replies, "Reply 1")
    pressed = await vendor.choose("anna", template, "Order")
    one, two = (await setting.events())[-2:]
    assert one["message"] == {"mid": picked, "text": "Reply 1", "quick_reply": {"payload": "p1"}}
    assert two["postback"] == {"mid": pressed, "title": "Order", "payload": "order"}
    with pytest.raises(ValueError, match="no choice"):
        await vendor.choose("anna", replies, "Reply 9")


async def test_the_window_is_a_day_and_a_week_for_people(setting: Setting) -> None:
    tagged = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    setting.vendor.graph.pace.forward(DAY + 1)
    assert (await setting.send({"text": "late"}, messaging_type="RESPONSE")).code == (10, 2534022)
    assert (await setting.send({"text": "from a person"}, **tagged)).status == 200
    assert (await setting.send({"text": "x"}, messaging_type="MESSAGE_TAG", tag="ACCOUNT_UPDATE")).code[0] == 100
    assert (await setting.send({"text": "x"}, messaging_type="MESSAGE_TAG")).code[0] == 100
    assert (await setting.send({"text": "x"}, tag="HUMAN_AGENT")).code[0] == 100
    setting.vendor.graph.pace.forward(6 * DAY)
    assert (await setting.send({"text": "too late"}, **tagged)).code == (10, 2534022)
    setting.vendor.token.scopes.remove("human_agent")
    assert (await setting.send({"text": "x"}, **tagged)).code[0] == 200
    assert [each.text for each in setting.vendor.ledger.shown] == ["from a person"]


async def test_a_person_who_never_wrote_blocked_us_or_is_unknown_cannot_be_reached(setting: Setting) -> None:
    assert (await setting.send({"text": "x"}, to="ben")).code == (10, 2534022)
    setting.vendor.person("anna").blocked = True
    assert (await setting.send({"text": "x"})).code == (551, 1545041)
    answer = await setting.client.post("me/messages", {"recipient": {"id": "1"}, "message": {"text": "x"}})
    assert answer.code == (100, 2534014)


async def test_sender_actions_type_mark_and_react(setting: Setting) -> None:
    mid = (await setting.events())[0]["message"]["mid"]
    assert (await setting.act("typing_on")).body == {"recipient_id": setting.vendor.person("anna").igsid}
    await setting.act("mark_seen")
    await setting.act("react", payload={"message_id": mid, "reaction": "love"})
    assert [action for _, action in setting.vendor.actions] == ["typing_on", "mark_seen", "react"]
    assert setting.vendor.reactions == {mid: "❤"}
    await setting.act("unreact", payload={"message_id": mid})
    assert setting.vendor.reactions == {}
    assert (await setting.act("dance")).code[0] == 100
    assert (await setting.act("react", payload={"message_id": "none", "reaction": "love"})).code[0] == 100
    assert (await setting.act("react", payload={"message_id": mid, "reaction": "hug"})).code[0] == 100
    assert setting.vendor.ledger.shown == []


async def test_media_is_fetched_from_its_address(setting: Setting) -> None:
    image = {"type": "image", "payload": {"url": f"{setting.receiver.base}/leaf.png"}}
    setting.receiver.answer = ("image/png", "png")
    assert (await setting.send({"attachment": image})).status == 200
    assert (await setting.send({"attachments": [image, image]})).status == 200
    assert [len(each.files) for each in setting.vendor.ledger.shown] == [1, 2]
    assert setting.vendor.ledger.shown[0].files == [File("leaf.png", "image/png", b"png")]
    setting.receiver.answer = ("image/webp", "webp")
    assert (await setting.send({"attachment": image})).code == (100, 2018008)
    audio = {"type": "audio", "payload": {"url": f"{setting.receiver.base}/a.mp3"}}
    assert (await setting.send({"attachments": [audio]})).code[0] == 100


async def test_ten_videos_a_second_and_no_more(setting: Setting) -> None:
    vendor = setting.vendor
    now = vendor.graph.pace.now()
    vendor.media_limit.now = lambda: now
    setting.receiver.answer = ("video/mp4", "mp4")
    video = {"attachment": {"type": "video", "payload": {"url": f"{setting.receiver.base}/a.mp4"}}}
    answers = [await setting.send(video) for _ in range(11)]
    assert [each.status for each in answers] == [200] * 10 + [400]
    assert answers[-1].code[0] == 613
    assert (await setting.send({"text": "words still go"})).status == 200


async def test_a_conversation_can_be_looked_up_to_find_what_was_sent(setting: Setting) -> None:
    vendor = setting.vendor
    now = vendor.graph.pace.now()
    vendor.look_up_limit.now = lambda: now
    setting.vendor.faults.next(Fault("drop_after", "messages"))
    with pytest.raises(aiohttp.ClientError):
        await setting.send({"text": "did it arrive?"})
    found = await setting.client.get("me/conversations", user_id=vendor.person("anna").igsid)
    history = await setting.client.get(found.body["data"][0]["id"], fields="messages")
    now += 1
    newest = history.body["messages"]["data"][0]["id"]
    message = await setting.client.get(newest, fields="id,from,message")
    assert message.body["message"] == "did it arrive?"
    assert message.body["from"] == {"id": vendor.ig_id}
    answers = await asyncio.gather(*(setting.client.get(newest) for _ in range(3)))
    assert sorted(each.status for each in answers) == [200, 400, 400]


async def test_an_answer_names_the_message_it_answers(setting: Setting) -> None:
    vendor = setting.vendor
    mid = await vendor.say("anna", "this?")
    await setting.send({"text": "yes"}, reply_to={"mid": mid})
    assert vendor.ledger.shown[0].reply_to == mid
    assert (await setting.send({"text": "yes"}, reply_to={"mid": "none"})).code[0] == 100
    await vendor.say("anna", "thanks", reply_to=vendor.ledger.shown[0].id)
    assert (await setting.events())[-1]["message"]["reply_to"] == {"mid": vendor.ledger.shown[0].id}


async def test_a_failure_leaves_nothing_or_everything(setting: Setting) -> None:
    faults = setting.vendor.faults
    faults.next(Fault("refuse", "messages", status=500), Fault("limit", "messages"), Fault("fail_after", "messages"))
    assert (await setting.send({"text": "1"})).code[0] == 2
    assert (await setting.send({"text": "2"})).code[0] == 613
    assert (await setting.send({"text": "3"})).status == 500
    assert [each.text for each in setting.vendor.ledger.shown] == ["3"]
