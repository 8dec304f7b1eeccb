"""Acts of people on the simulated WhatsApp, and their webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulators.meta import whatsapp_content as content
from tests.simulators.test_whatsapp.environment import Setting, changes_of
from tests.simulators.vendor import File


async def test_a_person_with_a_hidden_number_is_known_and_reached_by_user_id_alone(setting: Setting) -> None:
    vendor = setting.vendor
    anna = vendor.person("anna")
    anna.number_hidden, anna.username = True, "anna.green"
    await vendor.say("anna", "It is me")
    value = (await setting.told())[-1]
    assert value["contacts"] == [{"profile": {"name": "anna", "username": "anna.green"}, "user_id": anna.user_id}]
    assert "from" not in value["messages"][0]
    assert value["messages"][0]["from_user_id"] == anna.user_id
    body = setting.body("text", {"body": "Hello"}, recipient=anna.user_id)
    del body["to"]
    answer = await setting.client.post(f"{vendor.number.id}/messages", body)
    assert answer.body["contacts"] == [{"input": anna.user_id, "user_id": anna.user_id}]
    assert "recipient_id" not in (await setting.statuses())[-1]
    assert [each.place for each in vendor.ledger.shown] == [vendor.place("anna")]


async def test_without_user_ids_only_numbers_are_told(setting: Setting) -> None:
    setting.vendor.bsuid = False
    await setting.vendor.say("anna", "Hello")
    value = (await setting.told())[-1]
    assert "from_user_id" not in value["messages"][0]
    assert value["contacts"][0].keys() == {"profile", "wa_id"}


async def test_a_new_number_is_told_in_the_old_ones_name_and_brings_a_new_user_id(setting: Setting) -> None:
    vendor = setting.vendor
    old, old_id, place = vendor.person("anna").wa_id, vendor.person("anna").user_id, vendor.place("anna")
    vendor.change_number("anna", "4915199999999")
    system, update = (await setting.told())[-2:]
    assert "contacts" not in system
    assert system["messages"][0]["from"] == old
    assert system["messages"][0]["system"]["wa_id"] == "4915199999999"
    assert update["user_id_update"][0]["user_id"] == {"previous": old_id, "current": vendor.person("anna").user_id}
    await setting.send("text", {"body": "still you?"})
    assert [each.place for each in vendor.ledger.shown] == [place]


async def test_a_new_user_id_names_the_old_one_only_in_a_webhook_of_its_own(setting: Setting) -> None:
    vendor = setting.vendor
    vendor.person("anna").number_hidden = True
    old = vendor.person("anna").user_id
    vendor.change_user_id("anna", "DE.1399")
    system, update = (await setting.told())[-2:]
    assert not {"from", "from_user_id"} & system["messages"][0].keys()
    assert system["messages"][0]["system"]["user_id"] == "DE.1399"
    assert update["user_id_update"][0]["user_id"] == {"previous": old, "current": "DE.1399"}


async def test_edits_and_deletions_name_the_original_and_have_ids_of_their_own(setting: Setting) -> None:
    vendor = setting.vendor
    message = await vendor.say("anna", "Helo")
    await vendor.edit("anna", message, "Hello")
    await vendor.delete("anna", message)
    edit, revoke = (await setting.messages())[-2:]
    assert edit["edit"] == {"original_message_id": message, "message": content.text("Hello")}
    assert revoke["revoke"] == {"original_message_id": message}
    assert len({message, edit["id"], revoke["id"]}) == 3
    vendor.number.coexistence = False
    await vendor.edit("anna", message, "Hullo")
    assert (await setting.messages())[-1]["errors"][0]["code"] == 131051
    vendor.graph.pace.forward(16 * 60)
    with pytest.raises(ValueError, match="too late"):
        await vendor.edit("anna", message, "Hallo")


async def test_reactions_go_both_ways_and_are_taken_back_with_nothing(setting: Setting) -> None:
    vendor = setting.vendor
    await setting.send("text", {"body": "Hello"})
    (shown,) = vendor.ledger.shown
    await vendor.react("anna", shown.id, "👍")
    await vendor.react("anna", shown.id, "👍", take_back=True)
    given, taken = (await setting.messages())[-2:]
    assert given["reaction"] == {"message_id": shown.id, "emoji": "👍"}
    assert taken["reaction"]["emoji"] == ""
    await setting.send("reaction", {"message_id": given["id"], "emoji": "❤"})
    assert vendor.reactions == {given["id"]: "❤"}
    assert vendor.ledger.shown == [shown]


@pytest.mark.parametrize(
    ("what", "type_"),
    [
        (content.location(52.5, 13.4, name="Shop"), "location"),
        (content.contacts("Ben"), "contacts"),
        (content.build_order(("nepenthes", 2, 9.5)), "order"),
        (content.flow_reply("not json"), "interactive"),
        (content.unsupported(), "unsupported"),
        (content.unsupported("foo"), "foo"),
        (content.text("from an ad") | content.referral(), "text"),
        (content.text("passed on") | content.forwarded(often=True), "text"),
        (content.text("to all") | content.in_group("group-1"), "text"),
        (content.revoke("wamid.unknown"), "revoke"),
    ],
)
async def test_a_person_can_send_whatever_the_vendor_knows(setting: Setting, what: dict[str, Any], type_: str) -> None:
    setting.vendor.sends("anna", what)
    message = (await setting.messages())[-1]
    assert message["type"] == type_
    assert what.items() <= message.items()


async def test_a_voice_note_says_so(setting: Setting) -> None:
    await setting.vendor.say("anna", "", files=[File("note.ogg", "audio/ogg", b"ogg")])
    audio = (await setting.messages())[-1]["audio"]
    assert (audio["voice"], audio["mime_type"]) == (True, "audio/ogg; codecs=opus")


async def test_updates_about_the_account_contain_no_message(setting: Setting) -> None:
    setting.vendor.account_field("account_update", {"event": "ACCOUNT_VIOLATION"})
    setting.vendor.account_error(131042, "payment")
    field, error = (await setting.told())[-2:]
    assert field == {"event": "ACCOUNT_VIOLATION"}
    assert error["errors"][0]["code"] == 131042
    assert "messages" not in error


async def test_an_answer_of_a_colleague_in_the_app_is_told_in_a_field_of_its_own(setting: Setting) -> None:
    id_ = setting.vendor.human("anna", "I take over")
    (echo,) = (await setting.told())[-1]["message_echoes"]
    assert changes_of(setting.receiver.accepted[-1])[0]["field"] == "smb_message_echoes"
    assert (echo["id"], echo["to"], echo["from"]) == (id_, setting.vendor.person("anna").wa_id, "15550100")
    assert setting.vendor.ledger.shown == []


async def test_identities_can_be_missing_or_other_than_expected(setting: Setting) -> None:
    vendor = setting.vendor
    anna = vendor.person("anna")
    odd = {"wa_id": anna.user_id, "user_id": anna.user_id}
    vendor.sends("anna", content.text("x") | {"from": anna.user_id}, contacts=[odd])
    vendor.sends("anna", content.text("y"), contacts=[])
    one, two = (await setting.told())[-2:]
    assert (one["messages"][0]["from"], one["contacts"]) == (anna.user_id, [odd])
    assert "contacts" not in two
