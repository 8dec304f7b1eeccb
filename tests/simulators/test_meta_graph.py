"""The parts of the simulated Graph that WhatsApp and Instagram share: tokens, limits, webhooks and their delivery."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.simulators.meta import Graph, Instagram, WhatsApp
from tests.simulators.meta.client import Client, client_of
from tests.simulators.vendor import all_of
from tests.simulators.vendor_clock import VendorClock
from tests.simulators.webhook_receiver import ReceivedRequest, Receiver

DAY = 86_400
ODD = 'ä 日本 🌱 / </script> 50% @you "quoted" \u202e\n'


@dataclass
class Setting:
    whatsapp: WhatsApp
    instagram: Instagram
    receiver: Receiver

    @property
    def graph(self) -> Graph:
        return self.whatsapp.graph

    async def settled(self) -> list[ReceivedRequest]:
        await self.whatsapp.settled()
        return self.receiver.requests


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    """Both on one Graph; waiting takes no time."""
    graph = Graph(pace=VendorClock(scale=0))
    whatsapp, instagram, receiver = WhatsApp(graph), Instagram(graph), Receiver()
    async with receiver.serving(), all_of(whatsapp, instagram):
        whatsapp.call(receiver.url + "/whatsapp")
        instagram.call(receiver.url + "/instagram")
        yield Setting(whatsapp, instagram, receiver)


@pytest.fixture
async def client(setting: Setting) -> AsyncIterator[Client]:
    async with client_of(setting.whatsapp.settings()) as client:
        yield client


def _messages(received: ReceivedRequest) -> list[dict[str, Any]]:
    changes = [change for entry in received.json["entry"] for change in entry["changes"]]
    return [message for change in changes for message in change["value"].get("messages", [])]


async def test_a_token_must_be_there_whole_valid_and_of_the_account(setting: Setting, client: Client) -> None:
    number, token = setting.whatsapp.number.id, setting.whatsapp.token
    assert (await client.get(number)).status == 200
    client.token = ""
    assert ((await client.get(number)).status, (await client.get(number)).code[0]) == (401, 104)
    assert (await client.get(number, access_token=token.value)).status == 200
    client.token = token.value + "x"
    assert (await client.get(number)).code == (190, None)
    client.token = setting.instagram.token.value
    assert (await client.get(f"{setting.graph.url}/v26.0/{number}")).code == (100, 33)
    assert (await client.get(number)).code == (190, None)
    client.token = token.value
    assert (await client.get("12345")).code == (100, 33)
    token.expires_at = setting.graph.pace.now() + 60
    assert (await client.get(number)).status == 200
    setting.graph.pace.forward(61)
    assert (await client.get(number)).code == (190, 463)
    token.expires_at, token.revoked = 0, True
    assert (await client.get(number)).code == (190, 460)


async def test_a_failed_log_in_names_no_node_it_may_not_see(setting: Setting, client: Client) -> None:
    client.token = "none"
    assert (await client.get("12345")).code == (190, None)


async def test_the_remaining_life_of_a_token_can_be_queried(setting: Setting, client: Client) -> None:
    token, app = setting.whatsapp.token, setting.whatsapp.app
    token.expires_at = setting.graph.pace.now() + 60
    client.token = f"{app.id}|{app.secret}"
    data = (await client.get("debug_token", input_token=token.value)).body["data"]
    assert (data["is_valid"], data["expires_at"], data["app_id"]) == (True, int(token.expires_at), app.id)
    setting.graph.pace.forward(61)
    data = (await client.get("debug_token", input_token=token.value)).body["data"]
    assert (data["is_valid"], data["error"]["subcode"]) == (False, 463)
    assert (await client.get("debug_token", input_token="none")).body["data"]["is_valid"] is False
    client.token = f"{app.id}|none"
    assert (await client.get("debug_token", input_token=token.value)).code[0] == 190


async def test_version_and_host_can_be_left_out(setting: Setting, client: Client) -> None:
    number = setting.whatsapp.number.id
    for base in ("", "/v25.0", "/graph.facebook.com", "/graph.facebook.com/v25.0"):
        assert (await client.get(f"{setting.graph.url}{base}/{number}")).status == 200
    assert (await client.get(f"{setting.graph.url}/v26.0/{number}/messages/more")).code[0] == 2500


async def test_every_answer_tells_what_is_used_and_the_hour_has_a_limit(setting: Setting, client: Client) -> None:
    setting.graph.usage.calls_per_hour = 4
    number = setting.whatsapp.number.id
    answers = [await client.get(number) for _ in range(5)]
    used = [json.loads(each.headers["X-App-Usage"])["call_count"] for each in answers]
    assert used == [25, 50, 75, 100, 100]
    assert answers[4].code[0] == 4
    case = json.loads(answers[4].headers["X-Business-Use-Case-Usage"])[setting.whatsapp.app.id][0]
    assert case["estimated_time_to_regain_access"] == 60
    setting.graph.pace.forward(3601)
    assert (await client.get(number)).status == 200


async def test_a_body_that_is_no_json_object_is_refused(setting: Setting, client: Client) -> None:
    path, json_ = f"{setting.whatsapp.number.id}/messages", {"Content-Type": "application/json"}
    url = f"{client.base}/{path}?access_token={client.token}"
    for data in (b"{", b"[]", b'"x"'):
        async with client.session.post(url, data=data, headers=json_) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, 100)
    async with client.session.post(url, data=b"{}", headers={"Content-Type": "text/plain"}) as response:
        assert "messaging_product" in (await response.json())["error"]["message"]


async def test_the_signature_is_over_the_escaped_bytes(setting: Setting) -> None:
    await setting.whatsapp.say("anna", ODD)
    await setting.instagram.say("anna", ODD)
    requests = await setting.settled()
    for vendor in (setting.whatsapp, setting.instagram):
        received = next(each for each in requests if each.url.endswith(vendor.name))
        key = vendor.app.secret.encode()
        wanted = "sha256=" + hmac.new(key, received.body, hashlib.sha256).hexdigest()
        assert received.headers["X-Hub-Signature-256"] == wanted
        assert received.headers["Content-Type"] == "application/json"
        assert received.body.isascii()
        for escaped in (rb"\u00e4", rb"\ud83c\udf31", rb"\/", rb"\u003C", rb"\u0025", rb"\u0040"):
            assert escaped in received.body
        again = json.dumps(received.json, ensure_ascii=False, separators=(",", ":")).encode()
        assert hmac.new(key, again, hashlib.sha256).hexdigest() not in received.headers["X-Hub-Signature-256"]
        assert repr(ODD)[1:-1] in str(received.json)
    assert setting.whatsapp.app.secret != setting.instagram.app.secret


async def test_a_forger_can_be_played(setting: Setting) -> None:
    setting.graph.webhooks.alter = lambda headers: {name: headers[name] for name in ("Content-Type", "X-Hub-Signature")}
    await setting.whatsapp.say("anna", "Hello")
    (received,) = await setting.settled()
    assert "X-Hub-Signature-256" not in received.headers


async def test_nothing_is_delivered_before_the_handshake(setting: Setting) -> None:
    setting.receiver.verify_token = setting.whatsapp.app.verify_token
    await setting.whatsapp.say("anna", "Hello")
    await setting.instagram.say("anna", "Hello")
    assert [each.url.rpartition("/")[2] for each in await setting.settled()] == ["whatsapp"]
    shakes = [each["hub.verify_token"] for each in setting.receiver.handshakes]
    assert shakes[0] == setting.whatsapp.app.verify_token
    assert set(shakes[1:]) == {setting.instagram.app.verify_token}
    (lost,) = setting.graph.webhooks.webhook_sender.lost
    assert set(lost.outcomes) == {403}
    setting.receiver.handshakes.clear()
    await setting.whatsapp.say("anna", "again")
    await setting.settled()
    assert setting.receiver.handshakes == []


async def test_only_a_200_is_an_answer_and_the_bytes_stay_the_same(setting: Setting) -> None:
    setting.receiver.statuses = [503, 204, 302, 0, 500]
    await setting.whatsapp.say("anna", "Hello")
    requests = await setting.settled()
    assert [each.status for each in requests] == [503, 204, 302, 0, 500, 200]
    assert len({each.body for each in requests}) == 1
    assert len({each.headers["X-Hub-Signature-256"] for each in requests}) == 1
    waited = setting.graph.webhooks.webhook_sender.sent[0].waited
    assert waited == 0 + 15 + 30 + 60 + 120


@pytest.mark.parametrize(("channel", "days"), [("whatsapp", 7), ("instagram", 1.5)])
async def test_deliveries_are_dropped_after_the_time_of_their_kind(setting: Setting, channel: str, days: float) -> None:
    setting.receiver.statuses = [500] * 200
    await getattr(setting, channel).say("anna", "Hello")
    await setting.settled()
    (parcel,) = setting.graph.webhooks.webhook_sender.lost
    assert (days - 0.25) * DAY < parcel.waited <= days * DAY
    assert len(setting.receiver.requests) == len(parcel.outcomes) < 60


async def test_a_retry_waits_for_the_vendors_clock() -> None:
    graph = Graph(pace=VendorClock(scale=1))
    vendor, receiver = WhatsApp(graph), Receiver()
    async with receiver.serving(), vendor.serving():
        vendor.call(receiver.url)
        receiver.statuses = [500, 500]
        await vendor.say("anna", "Hello")
        await receiver.until(lambda: len(receiver.requests) == 2)
        await graph.webhooks.webhook_sender.resting()
        assert len(receiver.requests) == 2
        graph.pace.forward(15)
        await receiver.until(lambda: len(receiver.requests) == 3)
        await vendor.settled()


async def test_a_batch_holds_at_most_a_thousand_updates(setting: Setting) -> None:
    async with setting.graph.webhooks.held():
        for n in range(1001):
            await setting.whatsapp.say(f"person {n % 7}", str(n))
        await setting.settled()
        assert setting.receiver.requests == []
    requests = await setting.settled()
    assert sorted(len(_messages(each)) for each in requests) == [1, 1000]
    value = max(requests, key=lambda each: len(each.body)).json["entry"][0]["changes"][0]["value"]
    assert len(value["contacts"]) == 7


async def test_one_batch_can_hold_siblings_several_accounts_and_any_order(setting: Setting) -> None:
    vendor = setting.whatsapp
    sibling = vendor.add_number("+1 555-0101")
    stranger = vendor.add_number("+1 555-0102", waba="104")
    async with setting.graph.webhooks.held(merge=False, shuffle=3):
        for number in (vendor.number, sibling, stranger) * 3:
            vendor.says("anna", number.display, number=number)
        await setting.instagram.say("anna", "elsewhere")
    requests = await setting.settled()
    batches = [each.json for each in requests if each.url.endswith("whatsapp")]
    assert len({each.url for each in requests}) == 2
    changes = [change for batch in batches for entry in batch["entry"] for change in entry["changes"]]
    owners = [change["value"]["metadata"]["phone_number_id"] for change in changes]
    assert sorted(owners) == sorted([vendor.number.id, sibling.id, stranger.id] * 3)
    assert owners != [vendor.number.id, sibling.id, stranger.id] * 3
    assert {entry["id"] for batch in batches for entry in batch["entry"]} == {vendor.waba, "104"}


async def test_messages_of_one_person_set_out_in_order(setting: Setting) -> None:
    for n in range(30):
        await setting.whatsapp.say("anna", str(n))
    requests = await setting.settled()
    assert [_messages(each)[0]["text"]["body"] for each in requests] == [str(n) for n in range(30)]


@pytest.mark.parametrize(("in_order", "wanted"), [(False, "1 1 2 1"), (True, "1 1 1 2")])
async def test_one_that_is_tried_again_is_overtaken_unless_order_is_asked_for(
    setting: Setting, in_order: bool, wanted: str
) -> None:
    setting.graph.pace.scale = 1
    setting.graph.webhooks.webhook_sender.in_order = in_order
    setting.receiver.statuses = [500, 500]
    await setting.whatsapp.say("anna", "1")
    await setting.receiver.until(lambda: len(setting.receiver.requests) == 2)
    await setting.whatsapp.say("anna", "2")
    if not in_order:
        await setting.receiver.until(lambda: len(setting.receiver.requests) == 3)
    # The failed attempt may still be on its way back.
    await setting.graph.webhooks.webhook_sender.resting()
    setting.graph.pace.forward(15)
    requests = await setting.settled()
    assert " ".join(_messages(each)[0]["text"]["body"] for each in requests) == wanted


async def test_a_message_can_be_announced_again(setting: Setting) -> None:
    message = await setting.whatsapp.say("anna", "Hello")
    setting.whatsapp.redeliver(message, times=2)
    setting.whatsapp.redeliver(message, at_once=True)
    requests = await setting.settled()
    assert len(requests) == 4
    assert len({each.body for each in requests}) == 1


async def test_nothing_is_left_when_it_closes() -> None:
    before = asyncio.all_tasks()
    vendor = WhatsApp()
    async with vendor.serving():
        vendor.call("http://127.0.0.1:9/nobody")
        await vendor.say("anna", "Hello")
        with pytest.raises(TimeoutError):
            await vendor.settled(deadline=0.1)
        port = vendor.graph.port
    assert asyncio.all_tasks() == before
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_the_same_seed_gives_the_same_ids() -> None:
    one, two, other = WhatsApp(Graph(seed=1)), WhatsApp(Graph(seed=1)), WhatsApp(Graph(seed=2))
    assert one.settings()["access_token"] == two.settings()["access_token"] != other.settings()["access_token"]
    assert one.person("anna") is one.person("anna")
    assert one.place("anna") == two.place("anna")
