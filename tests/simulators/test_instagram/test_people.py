"""Acts of people on the simulated Instagram, and their webhooks."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.simulators.meta import instagram_content as content
from tests.simulators.test_instagram.environment import Setting
from tests.simulators.vendor import File


async def test_an_answer_of_a_colleague_in_the_app_is_an_echo_without_an_app(setting: Setting) -> None:
    mid = setting.vendor.human("anna", "I take over")
    echo = (await setting.events())[-1]["message"]
    assert echo == {"mid": mid, "text": "I take over", "is_echo": True}
    assert setting.vendor.ledger.shown == []


async def test_a_profile_needs_consent(setting: Setting) -> None:
    vendor = setting.vendor
    anna, ben = vendor.person("anna").igsid, vendor.person("ben").igsid
    assert (await setting.client.get(ben, fields="name")).code[0] == 230
    vendor.person("anna").profile_name = None
    found = await setting.client.get(anna, fields="name,username,follower_count")
    assert found.body == {"id": anna, "name": None, "username": "anna", "follower_count": 12}
    assert (await setting.client.get(anna, fields="name,phone")).code[0] == 100
    vendor.person("anna").blocked = True
    assert (await setting.client.get(anna, fields="name")).code[0] == 230


async def test_edits_reactions_and_deletions_carry_the_id_of_the_message(setting: Setting) -> None:
    vendor = setting.vendor
    mid = await vendor.say("anna", "Helo")
    await vendor.edit("anna", mid, "Hallo")
    await vendor.edit("anna", mid, "Hello")
    vendor.edited("anna", mid, "Hallo", 1)
    await vendor.react("anna", mid, "❤")
    await vendor.react("anna", mid, "🌱")
    await vendor.react("anna", mid, "🌱", take_back=True)
    vendor.read("anna", mid)
    await vendor.delete("anna", mid)
    events = (await setting.events())[-8:]
    assert [each["message_edit"] for each in events[:3]] == [
        {"mid": mid, "text": "Hallo", "num_edit": 1},
        {"mid": mid, "text": "Hello", "num_edit": 2},
        {"mid": mid, "text": "Hallo", "num_edit": 1},
    ]
    assert [each["reaction"] for each in events[3:6]] == [
        {"mid": mid, "action": "react", "reaction": "love", "emoji": "❤"},
        {"mid": mid, "action": "react", "reaction": "other", "emoji": "🌱"},
        {"mid": mid, "action": "unreact"},
    ]
    assert events[6]["read"] == {"mid": mid}
    assert events[7]["message"] == {"mid": mid, "is_deleted": True}


@pytest.mark.parametrize(
    "message",
    [
        content.story_mention("https://cdn/story"),
        content.story_reply("nice", "18", "https://cdn/story"),
        content.share("https://cdn/post", as_share=True),
        content.share("https://cdn/post"),
        content.reel("https://cdn/reel"),
        content.ephemeral(),
        content.like_heart(),
        content.unsupported(),
        content.attachment("image", url=None),
        {"text": "from an ad"} | content.ad(),
        {},
    ],
)
async def test_a_person_can_send_whatever_the_vendor_knows(setting: Setting, message: dict[str, Any]) -> None:
    mid = setting.vendor.sends("anna", message)
    assert (await setting.events())[-1]["message"] == {"mid": mid} | message


async def test_files_are_at_an_open_address_until_it_ends(setting: Setting) -> None:
    vendor = setting.vendor
    await vendor.say("anna", "", files=[File(f"{n}.png", "image/png", b"png") for n in range(5)])
    attachments = (await setting.events())[-1]["message"]["attachments"]
    assert [each["type"] for each in attachments] == ["image"] * 5
    async with aiohttp.ClientSession() as session:
        async with session.get(attachments[4]["payload"]["url"]) as response:
            assert await response.read() == b"png"
        vendor.graph.pace.forward(8 * 86_400)
        async with session.get(attachments[4]["payload"]["url"]) as response:
            assert response.status == 404


async def test_some_updates_are_no_messages(setting: Setting) -> None:
    vendor = setting.vendor
    vendor.refers("anna", content.link())
    vendor.postback("anna", "Prices", "icebreaker-1", mid=False)
    vendor.handover("anna", "take", previous_owner_app_id="1")
    await vendor.settled()
    vendor.change("comments", {"id": "1", "text": "nice"}, entry="0")
    await vendor.settled()
    vendor.standby = True
    await vendor.say("anna", "to another app")
    entries = (await setting.entries())[-5:]
    assert entries[0]["messaging"][0]["referral"]["source"] == "IGME"
    assert entries[1]["messaging"][0]["postback"] == {"title": "Prices", "payload": "icebreaker-1"}
    assert "take_thread_control" in entries[2]["messaging"][0]
    assert (entries[3]["id"], entries[3]["changes"][0]["field"]) == ("0", "comments")
    assert "messaging" not in entries[4]
    assert entries[4]["standby"][0]["message"]["text"] == "to another app"


async def test_ids_can_be_numbers_and_times_are_milliseconds(setting: Setting) -> None:
    setting.vendor.spelling = "number"
    await setting.vendor.say("anna", "Hello")
    entry = (await setting.entries())[-1]
    event = entry["messaging"][0]
    assert event["sender"]["id"] == int(setting.vendor.person("anna").igsid)
    assert event["timestamp"] > 1_600_000_000_000
    assert entry["time"] >= event["timestamp"]
