"""The Events API over HTTP: what is announced, how often it is tried, and when Slack stops."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack import event_delivery
from tests.simulators.slack.event_delivery import Delivery, Undelivered
from tests.simulators.slack.server import SlackVendor
from tests.simulators.test_slack.helpers import Clock, refusal, section
from tests.simulators.test_slack.listener import Listener
from tests.simulators.vendor import File


async def test_three_retries_say_their_number_and_reason(slack: SlackVendor, listener: Listener) -> None:
    """At once, after a minute and after five, with one event id and a signature of their own time."""
    listener.answers = [500, 404, 302]
    await slack.say("Ann", "hello")
    await slack.settled()
    assert event_delivery.RETRIES == (0.0, 60.0, 300.0)
    numbers = [each.headers.get("X-Slack-Retry-Num") for each in listener.received]
    assert numbers == [None, "1", "2", "3"]
    assert {each.headers["X-Slack-Retry-Reason"] for each in listener.received[1:]} == {"http_error"}
    assert len({each.payload["event_id"] for each in listener.received}) == 1
    assert all(each.is_signed for each in listener.received)


async def test_an_answer_that_is_late_counts_as_none(slack: SlackVendor, listener: Listener) -> None:
    """So the app may hear twice what it handled once."""
    slack.hooks.ack_seconds = 0.05
    listener.gate.clear()
    await slack.say("Ann", "hello")
    await slack.ledger.until(lambda: len(listener.received) > 1)
    listener.gate.set()
    await slack.settled()
    assert listener.received[1].headers["X-Slack-Retry-Reason"] == "http_timeout"


async def test_nobody_listens(slack: SlackVendor, listener: Listener) -> None:
    """That is a failed connection, and retried like everything else."""
    slack.call("http://127.0.0.1:9/hook")
    await slack.say("Ann", "hello")
    with pytest.raises(Undelivered, match="connection_failed"):
        await slack.settled()


async def test_an_app_can_ask_for_no_retry(slack: SlackVendor, listener: Listener) -> None:
    """With a header, beside an error."""
    listener.answers = [web.Response(status=500, headers={"X-Slack-No-Retry": "1"})]
    await slack.say("Ann", "hello")
    with pytest.raises(Undelivered):
        await slack.settled()
    assert len(listener.received) == 1


async def test_redirects_are_followed_twice(slack: SlackVendor, listener: Listener) -> None:
    """A third is one too many."""
    listener.answers = [web.Response(status=307, headers={"Location": listener.url}) for _ in range(3)]
    await slack.say("Ann", "hello")
    await slack.settled()
    assert listener.received[-1].headers["X-Slack-Retry-Reason"] == "too_many_redirects"


async def test_a_mention_in_a_channel_is_told_twice(slack: SlackVendor, listener: Listener) -> None:
    """As two events about one message; in direct messages it is one."""
    room = slack.channel("support")
    post = slack.people.say("Ann", "@Parley how much light?", room)
    slack.people.say("Ann", "@Parley how much light?")
    await slack.settled()
    (mention,) = listener.of_type("app_mention")
    assert (mention["ts"], mention["channel"]) == (post.ts, room.id)
    assert mention["text"] == f"<@{slack.bot.id}> how much light?"
    same = [each.payload for each in listener.received if each.event["ts"] == post.ts]
    assert len({payload["event_id"] for payload in same}) == 2
    assert len(listener.received) == 3


async def test_our_own_messages_are_announced_too(
    slack: SlackVendor, listener: Listener, client: AsyncWebClient
) -> None:
    """With our bot's ids, and of the metadata only the type; so are our own changes."""
    sent = await client.chat_postMessage(
        channel=slack.place("Ann"), text="hello", metadata={"event_type": "a", "event_payload": {"id": "1"}}
    )
    await client.chat_update(channel=sent["channel"], ts=sent["ts"], text="hello!")
    named = await client.chat_postMessage(channel=slack.place("Ann"), text="hello", username="Ann (web)")
    await slack.settled()
    first, changed, other = listener.events
    assert (first["bot_id"], first["user"]) == (slack.bot.bot_id, slack.bot.id)
    assert first["metadata"] == {"event_type": "a"}
    assert (changed["subtype"], changed["message"]["ts"]) == ("message_changed", sent["ts"])
    assert (other["subtype"], other["ts"]) == ("bot_message", named["ts"])
    assert "user" not in other


async def test_messages_of_all_kinds(slack: SlackVendor, listener: Listener) -> None:
    """Other bots have no user; a broadcast names its root; a preview changes a message without an edit; a root that
    is deleted under its replies becomes a tombstone."""
    room = slack.channel("support")
    slack.people.join(room, "Robo", "bot")
    slack.people.say("Robo", "beep", room)
    root = slack.people.say("Ann", "see https://example.com", room)
    slack.people.say("Ben", "for everybody", room, thread=root.ts, broadcast=True)
    slack.people.unfurl(root.ts, "Example")
    slack.people.delete("Ann", root.ts)
    await slack.settled()
    (bot,) = listener.of_type("bot_message")
    assert "user" not in bot
    (broadcast,) = listener.of_type("thread_broadcast")
    assert (broadcast["thread_ts"], broadcast["root"]["ts"]) == (root.ts, root.ts)
    unfurled, tombstone = listener.of_type("message_changed")
    assert unfurled["message"]["text"] == unfurled["previous_message"]["text"]
    assert "edited" not in unfurled["message"]
    assert (tombstone["message"]["subtype"], tombstone["message"]["ts"]) == ("tombstone", root.ts)
    assert listener.of_type("message_deleted") == []
    assert len(listener.of_type("member_joined_channel")) == len(listener.of_type("channel_join")) == 1


async def test_events_that_nobody_typed_are_delivered(
    slack: SlackVendor, listener: Listener, client: AsyncWebClient
) -> None:
    """Messages without text, what Slack says of somebody, events of unknown kinds, and files that are deleted."""
    room = slack.channel("support")
    slack.people.post("Ann", {"text": None, "blocks": [section("only blocks")]}, room)
    slack.people.notice(room, "Ann", "channel_topic", "set the topic")
    slack.event_delivery.send("events_api", slack.announcer.wrap({"type": "sun_shone"}))
    ts = await slack.say("Ann", "", files=[File("a.txt", "text/plain", b"a"), File("b.txt", "text/plain", b"b")])
    slack.people.delete_file("Ann", ts)
    await slack.settled()
    said = [event["text"] for event in listener.of_type("message") if event["channel"] == room.id]
    assert said == [None, "set the topic"]
    assert len(listener.of_type("sun_shone")) == 1
    (changed,) = listener.of_type("message_changed")
    assert [file["mode"] for file in changed["message"]["files"]] == ["tombstone", "hosted"]
    assert await refusal(client.files_info(file=changed["message"]["files"][0]["id"])) == "file_deleted"
    assert (await slack.check_ssl()).heard
    assert listener.received[-1].payload["ssl_check"] == "1"


async def test_a_shared_channel(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """Outsiders carry their own team, and a file is only a stub until one asks for it."""
    room = slack.channel("shared", shared=True)
    slack.people.join(room, "Otto", "outsider")
    slack.people.say("Otto", "look", room, files=[File("leaf.png", "image/png", b"leaf")])
    await slack.settled()
    (received,) = [each for each in listener.received if each.event.get("subtype") == "file_share"]
    assert received.payload["is_ext_shared_channel"]
    assert received.payload["team_id"] == slack.workspace.team
    assert received.event["user_team"] == slack.person("Otto").team != slack.workspace.team
    (stub,) = received.event["files"]
    assert stub["file_access"] == "check_file_info"
    assert "url_private" not in stub
    assert (await client.files_info(file=stub["id"]))["file"]["name"] == "leaf.png"


async def test_unsubscribed_lost_and_foreign_events_are_not_delivered(slack: SlackVendor, listener: Listener) -> None:
    """Channels it is not in, events it did not subscribe, and what Slack loses."""
    slack.people.say("Ann", "behind closed doors", slack.channel("board", with_bot=False))
    slack.announcer.subscriptions.discard("reaction_added")
    ts = await slack.say("Ann", "hello")
    await slack.react("Ann", ts, "tada")
    slack.event_delivery.losing = True
    await slack.say("Ann", "into the void")
    slack.event_delivery.losing = False
    await slack.settled()
    assert [event["text"] for event in listener.events] == ["hello"]
    assert [each.event["text"] for each in slack.event_delivery.dropped] == ["into the void"]


async def test_an_assistant_is_opened(slack: SlackVendor, listener: Listener) -> None:
    """With the channel beside it; what is said there is in its thread."""
    room = slack.channel("support")
    root = slack.people.open_assistant("Ann", viewing=room.id)
    await slack.say("Ann", "hello", reply_to=root)
    slack.people.view_beside("Ann", root, slack.channel("sales").id)
    slack.people.open_home("Ann")
    await slack.settled()
    (started,), (said,) = listener.of_type("assistant_thread_started"), listener.of_type("message")
    (changed,), (home,) = listener.of_type("assistant_thread_context_changed"), listener.of_type("app_home_opened")
    assert started["assistant_thread"]["thread_ts"] == root
    assert started["assistant_thread"]["context"]["channel_id"] == room.id
    assert (said["thread_ts"], said["channel_type"]) == (root, "im")
    assert changed["assistant_thread"]["context"]["channel_id"] == slack.channel("sales").id
    assert home["tab"] == "home"


async def test_an_app_that_is_removed_hears_it_and_then_nothing(slack: SlackVendor, listener: Listener) -> None:
    """Its token is worth nothing from then on."""
    slack.lose_token("account_inactive")
    await slack.say("Ann", "hello?")
    await slack.settled()
    assert [event["type"] for event in listener.events] == ["tokens_revoked", "app_uninstalled"]
    assert listener.events[0]["tokens"]["bot"] == [slack.bot.id]


async def test_too_many_events(slack: SlackVendor, listener: Listener) -> None:
    """Above 30,000 an hour the app gets one app_rate_limited, which has no inner event, instead of them."""
    assert slack.event_delivery.hourly == 30_000
    slack.event_delivery.hourly = 2
    for number in range(5):
        await slack.say("Ann", str(number))
    await slack.settled()
    payloads = [each.payload for each in listener.received]
    assert [payload["event"]["text"] for payload in payloads if "event" in payload] == ["0", "1"]
    (limited,) = [payload for payload in payloads if "event" not in payload]
    assert (limited["type"], limited["team_id"]) == ("app_rate_limited", slack.workspace.team)


async def test_an_app_that_fails_for_an_hour_is_cut_off(slack: SlackVendor, listener: Listener) -> None:
    """Below one delivery in twenty, unless it gets few events."""
    listener.answers = [500] * 8
    for _ in range(2):
        await slack.say("Ann", "hello")
        with pytest.raises(Undelivered):
            await slack.settled()
    assert not slack.event_delivery.disabled
    slack.event_delivery.exempt = 8
    listener.answers = [500]
    await slack.say("Ann", "once more")
    await slack.ledger.until(lambda: len(listener.received) >= 9)
    await slack.say("Ann", "unheard")
    assert [each.event["text"] for each in slack.event_delivery.dropped] == ["unheard"]
    await slack.settled()


async def test_order_and_disorder(slack: SlackVendor, listener: Listener) -> None:
    """In one channel first attempts keep their order; what was held comes as the test arranges it; and some events
    come twice."""
    listener.gate.clear()
    for number in range(5):
        await slack.say("Ann", str(number))
    await slack.say("Ben", "beside it")
    await slack.ledger.until(lambda: len(listener.received) == 2)
    assert {event["text"] for event in listener.events} == {"0", "beside it"}
    listener.gate.set()
    await slack.settled()
    said = [event["text"] for event in listener.events if event["channel"] == slack.place("Ann")]
    assert said == [str(number) for number in range(5)]
    listener.received.clear()
    slack.event_delivery.hold()
    for text in ("a", "b", "c"):
        await slack.say("Ann", text)

    def only_last(held: list[Delivery]) -> None:
        del held[:-1]

    slack.event_delivery.release(only_last)
    await slack.settled()
    assert [event["text"] for event in listener.events] == ["c"]
    slack.event_delivery.twice = lambda _: True
    await slack.say("Ben", "d")
    await slack.ledger.until(lambda: len(listener.received) == 3)
    assert [event["text"] for event in listener.events] == ["c", "d", "d"]


async def test_bolt_answers_the_handshake_and_an_event(slack: SlackVendor, clock: Clock) -> None:
    """Slack's own framework accepts what is sent here, and nothing that is signed otherwise."""
    app = AsyncApp(token=slack.bot_token, signing_secret=slack.signing_secret)
    app.client.base_url = slack.api_base
    heard: list[str] = []

    @app.event("message")
    async def hear(event: dict[str, str]) -> None:
        heard.append(event["text"])

    async def forward(request: web.Request) -> web.Response:
        headers: dict[str, str | Sequence[str]] = {name.lower(): value for name, value in request.headers.items()}
        answer = await app.async_dispatch(AsyncBoltRequest(body=await request.text(), headers=headers))
        return web.Response(status=answer.status, text=answer.body, content_type="application/json")

    server = web.Application()
    server.router.add_post("/", forward)
    runner = web.AppRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        slack.call(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        assert (await slack.verify_url()).heard
        await slack.say("Ann", "hello")
        await slack.settled()
        await slack.ledger.until(lambda: heard)
        slack.hooks.secret = "other"
        assert not (await slack.verify_url()).heard
    finally:
        await runner.cleanup()
    assert heard == ["hello"]
