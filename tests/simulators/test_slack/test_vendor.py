"""As the harness drives it: what people do arrives at the app, what the app says is in the ledger."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack.event_delivery import Undelivered
from tests.simulators.slack.server import SlackVendor
from tests.simulators.test_slack.listener import Listener
from tests.simulators.vendor import Fault, File, Vendor

BUTTONS: list[dict[str, Any]] = [
    {
        "type": "actions",
        "elements": [
            {"type": "button", "text": {"type": "plain_text", "text": "Yes"}, "action_id": "yes", "value": "1"},
            {"type": "button", "text": {"type": "plain_text", "text": "No"}, "action_id": "no", "value": "0"},
        ],
    }
]


async def test_it_is_a_vendor(slack: SlackVendor) -> None:
    """A function that takes any vendor takes it."""

    async def drive(vendor: Vendor) -> str:
        return await vendor.say("Ann", "hello")

    assert await drive(slack) in slack.workspace.direct(slack.person("Ann")).posts


async def test_a_customers_message_arrives_signed_in_direct_messages(slack: SlackVendor, listener: Listener) -> None:
    """Slack's own verifier accepts the bytes, which carry non-ASCII and slashes escaped."""
    ts = await slack.say("Ann", "Grüße & <so on> https://example.com/a")
    await slack.settled()
    (received,) = listener.received
    assert received.is_signed
    assert rb"\u00fc" in received.body
    assert rb"https:\/\/" in received.body
    assert received.event["text"] == "Grüße &amp; &lt;so on&gt; <https://example.com/a>"
    assert (received.event["ts"], received.event["channel_type"]) == (ts, "im")
    assert received.event["channel"] == slack.place("Ann")
    assert received.payload["authorizations"][0]["user_id"] == slack.bot.id


async def test_another_secret_does_not_verify(slack: SlackVendor, listener: Listener) -> None:
    """A forged delivery is told from a real one."""
    slack.hooks.secret = "somebody else's"
    await slack.say("Ann", "hello")
    await slack.settled()
    assert not listener.received[0].is_signed


async def test_an_edit_arrives_with_what_stood_there_before(slack: SlackVendor, listener: Listener) -> None:
    """It is a hidden message_changed under another timestamp."""
    ts = await slack.say("Ann", "one")
    await slack.edit("Ann", ts, "two")
    await slack.settled()
    (event,) = listener.of_type("message_changed")
    assert event["hidden"]
    assert event["ts"] != ts
    assert (event["message"]["ts"], event["message"]["text"]) == (ts, "two")
    assert event["message"]["edited"]["user"] == slack.person("Ann").id
    assert event["previous_message"]["text"] == "one"


async def test_nobody_edits_what_another_wrote(slack: SlackVendor) -> None:
    """Not even our own messages."""
    ts = await slack.say("Ann", "one")
    with pytest.raises(PermissionError):
        await slack.edit("Ben", ts, "two")


async def test_a_deletion_arrives(slack: SlackVendor, listener: Listener) -> None:
    """It names the message that is gone."""
    ts = await slack.say("Ann", "one")
    await slack.delete("Ann", ts)
    await slack.settled()
    (event,) = listener.of_type("message_deleted")
    assert (event["deleted_ts"], event["previous_message"]["text"]) == (ts, "one")


async def test_a_reaction_and_its_removal_arrive(
    slack: SlackVendor, listener: Listener, client: AsyncWebClient
) -> None:
    """With Slack's name for the emoji, and the author of what was reacted to."""
    ts = (await client.chat_postMessage(channel=slack.place("Ann"), text="done?"))["ts"]
    await slack.react("Ann", ts, "👍")
    await slack.react("Ann", ts, "👍", take_back=True)
    await slack.settled()
    (added,), (removed,) = listener.of_type("reaction_added"), listener.of_type("reaction_removed")
    assert (added["reaction"], added["item"]["ts"], added["item_user"]) == ("+1", ts, slack.bot.id)
    assert removed["user"] == slack.person("Ann").id


async def test_a_choice_is_the_button_that_was_pressed(
    slack: SlackVendor, listener: Listener, client: AsyncWebClient
) -> None:
    """It comes as a signed form with the action, the message and a trigger."""
    sent = await client.chat_postMessage(channel=slack.place("Ann"), text="Sure?", blocks=BUTTONS)
    (shown,) = slack.ledger.at(slack.place("Ann"))
    assert shown.choices == ["Yes", "No"]
    await slack.choose("Ann", shown, "No")
    pressed = next(each for each in listener.received if b"payload=" in each.body)
    assert pressed.is_signed
    assert pressed.payload["type"] == "block_actions"
    assert pressed.payload["actions"][0]["value"] == "0"
    assert pressed.payload["container"]["message_ts"] == sent["ts"]
    assert pressed.payload["user"]["id"] == slack.person("Ann").id
    with pytest.raises(LookupError):
        await slack.choose("Ann", shown, "Maybe")


async def test_a_press_that_fails_is_pressed_again(
    slack: SlackVendor, listener: Listener, client: AsyncWebClient
) -> None:
    """By the person, so it is another press: Slack itself does not retry interactions."""
    slack.announcer.subscriptions.clear()
    await client.chat_postMessage(channel=slack.place("Ann"), text="Sure?", blocks=BUTTONS)
    listener.answers = [500]
    stamp = await slack.choose("Ann", slack.ledger.shown[0], "Yes")
    first, second = (each.payload for each in listener.received)
    assert first["trigger_id"] != second["trigger_id"]
    assert second["actions"][0]["action_ts"] == stamp
    listener.answers = [500, 500, 500]
    with pytest.raises(Undelivered):
        await slack.choose("Ann", slack.ledger.shown[0], "Yes")
    await slack.settled()


async def test_settled_says_what_was_given_up(slack: SlackVendor, listener: Listener) -> None:
    """After the third retry Slack loses an event; the next call starts afresh."""
    listener.answers = [503] * 4
    await slack.say("Ann", "hello")
    with pytest.raises(Undelivered, match="http_error"):
        await slack.settled()
    assert len(listener.received) == 4
    await slack.settled()


async def test_redelivery_repeats_the_event(slack: SlackVendor, listener: Listener) -> None:
    """Under its event id with the headers of a retry, or under others without them."""
    ts = await slack.say("Ann", "hello")
    await slack.settled()
    slack.redeliver(ts, times=2)
    slack.redeliver(ts, times=3, at_once=True)
    await slack.settled()
    assert len({each.payload["event_id"] for each in listener.received}) == 1
    numbers = [each.headers.get("X-Slack-Retry-Num") for each in listener.received]
    assert numbers[:3] == [None, "1", "2"] or sorted(map(str, numbers)) == ["1", "1", "2", "2", "3", "None"]
    assert listener.received[1].headers["X-Slack-Retry-Reason"] == "http_timeout"
    slack.redeliver(ts, times=10, other_event_ids=True)
    await slack.settled()
    assert len({each.payload["event_id"] for each in listener.received}) == 11
    assert {each.event["ts"] for each in listener.received} == {ts}
    assert "X-Slack-Retry-Num" not in listener.received[-1].headers


async def test_a_file_is_shared_and_can_be_fetched_with_the_token(slack: SlackVendor, listener: Listener) -> None:
    """Without it Slack answers its login page, and 200."""
    await slack.say("Ann", "", files=[File("leaf.png", "image/png", b"\x89PNG leaf")])
    await slack.settled()
    (event,) = listener.of_type("file_share")
    assert "client_msg_id" not in event
    url = event["files"][0]["url_private_download"]
    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers={"Authorization": f"Bearer {slack.bot_token}"}) as response:
            assert (await response.read(), response.content_type) == (b"\x89PNG leaf", "image/png")
        async with session.get(url, headers={"Authorization": "Bearer wrong"}) as response:
            assert (response.status, response.content_type) == (200, "text/html")
        slack.lose_token()
        async with session.get(url, headers={"Authorization": f"Bearer {slack.bot_token}"}) as response:
            assert response.content_type == "text/html"
    assert len(listener.of_type("file_shared")) == 1


@pytest.mark.parametrize(
    ("fault", "is_shown", "error"),
    [
        (Fault("refuse", "chat.postMessage", status=503, code="service_unavailable"), False, SlackApiError),
        (Fault("refuse", "chat.postMessage", status=200, code="restricted_action"), False, SlackApiError),
        (Fault("limit", "chat.postMessage", retry_after=7), False, SlackApiError),
        (Fault("drop", "chat.postMessage"), False, aiohttp.ClientConnectionError),
        (Fault("lose", "chat.postMessage", status=502), False, SlackApiError),
        (Fault("fail_after", "chat.postMessage", status=500, code="fatal_error"), True, SlackApiError),
        (Fault("drop_after", "chat.postMessage"), True, aiohttp.ClientConnectionError),
        (Fault("garbage", "chat.postMessage"), True, SlackApiError),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_faults(slack: SlackVendor, fault: Fault, is_shown: bool, error: type[Exception]) -> None:
    """The SDK fails; whether the person sees the message is the fault's own."""
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_base, retry_handlers=[])
    slack.faults.next(fault)
    await client.auth_test()
    with pytest.raises(error):
        await client.chat_postMessage(channel=slack.place("Ann"), text="hello")
    assert slack.faults.left == 0
    assert bool(slack.ledger.at(slack.place("Ann"))) == is_shown
    assert [request.did for request in slack.ledger.requests] == [True, is_shown]
    await client.chat_postMessage(channel=slack.place("Ann"), text="hello")


async def test_a_slow_answer_comes_after_the_message(slack: SlackVendor) -> None:
    """Who gives up waiting does not know that it was sent."""
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_base, timeout=1, retry_handlers=[])
    slack.faults.next(Fault("slow", seconds=30))
    with pytest.raises(asyncio.TimeoutError):
        await client.chat_postMessage(channel=slack.place("Ann"), text="hello")
    assert slack.ledger.at(slack.place("Ann"))[0].text == "hello"


async def test_the_ways_of_saying_too_fast(slack: SlackVendor) -> None:
    """429 with Retry-After, 429 without it, and HTTP 200."""
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_base, retry_handlers=[])
    slack.faults.next(Fault("limit", retry_after=7), Fault("limit", retry_after=0, code="rate_limited"))
    slack.faults.next(Fault("limit", status=200))
    seen = []
    for _ in range(3):
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=slack.place("Ann"), text="hello")
        response = caught.value.response
        seen.append((response.status_code, response["error"], response.headers.get("Retry-After")))
    assert seen == [(429, "ratelimited", "7"), (429, "rate_limited", None), (200, "ratelimited", None)]


async def test_faults_reach_uploads_downloads_and_response_urls(slack: SlackVendor, client: AsyncWebClient) -> None:
    """Each is an operation of its own name."""
    slack.faults.next(Fault("lose", "files.upload", status=503), Fault("lose", "files.download", status=502))
    with pytest.raises(Exception, match="503"):
        await client.files_upload_v2(content=b"x", filename="a.txt", channel=slack.place("Ann"))
    about = slack.file(File("a.txt", "text/plain", b"x"), slack.person("Ann"))
    async with aiohttp.ClientSession() as session, session.get(about["url_private"]) as response:
        assert response.status == 502


async def test_slack_itself_is_gone_for_a_while() -> None:
    """Nobody answers; when it is back at its address everything is there still, and nothing waits to be delivered."""
    vendor = SlackVendor()
    async with vendor.serving():
        port = int(vendor.origin.rpartition(":")[2])
        client = AsyncWebClient(vendor.bot_token, base_url=vendor.api_base, retry_handlers=[])
        vendor.call("http://127.0.0.1:9/")
        ts = await vendor.say("Ann", "hello")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.auth_test()
    async with vendor.serving(port):
        history = await client.conversations_history(channel=vendor.place("Ann"))
        assert history["messages"][0]["ts"] == ts
        await vendor.settled()


async def test_private_rooms_are_private(slack: SlackVendor, client: AsyncWebClient) -> None:
    """Nobody writes or presses in another's direct messages, nor in a private channel they are not in."""
    await client.chat_postMessage(channel=slack.place("Ann"), text="Sure?", blocks=BUTTONS)
    with pytest.raises(PermissionError):
        await slack.choose("Ben", slack.ledger.shown[0], "Yes")
    with pytest.raises(PermissionError):
        await slack.say("Ben", "me too", reply_to=slack.ledger.shown[0].id)
    with pytest.raises(PermissionError):
        slack.people.say("Ben", "hello", slack.channel("board", private=True))


async def test_settings_fit_the_mode() -> None:
    """Over HTTP events are signed, over sockets the app's token opens them."""
    assert set(SlackVendor().settings()) == {"mode", "bot_token", "signing_secret", "api_base"}
    assert set(SlackVendor(mode="socket").settings()) == {"mode", "bot_token", "app_token", "api_base"}


async def test_a_seed_repeats_tokens_and_ids() -> None:
    """So a failing run can be run again."""
    assert SlackVendor(seed=3).settings() == SlackVendor(seed=3).settings()
    assert SlackVendor(seed=3).settings() != SlackVendor(seed=4).settings()
