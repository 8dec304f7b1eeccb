"""The Web API takes what Slack takes and refuses what Slack refuses; spoken to by Slack's SDK as it comes."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack.limits import Limits
from tests.simulators.slack.server import SlackVendor
from tests.simulators.test_slack.helpers import MARK, Clock, actions, button, refusal, section


async def test_tokens(slack: SlackVendor, client: AsyncWebClient) -> None:
    """Each method wants its own kind of token, and says what is wrong with another."""
    base = slack.api_base
    slack.place("Ann")
    assert (await client.auth_test())["user_id"] == slack.bot.id
    assert await refusal(AsyncWebClient(base_url=base).auth_test()) == "not_authed"
    assert await refusal(AsyncWebClient("xoxb-other", base_url=base).auth_test()) == "invalid_auth"
    assert await refusal(AsyncWebClient(slack.app_token, base_url=base).auth_test()) == "not_allowed_token_type"
    assert await refusal(client.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
    assert (await client.apps_connections_open(app_token=slack.app_token))["url"].startswith("ws://127.0.0.1")
    assert [each["id"] for each in (await client.users_conversations(types="im"))["channels"]] == [slack.place("Ann")]
    assert await refusal(client.users_conversations(types="im,nonsense")) == "invalid_types"
    slack.scopes.discard("mpim:read")
    assert await refusal(client.users_conversations(types="im,mpim")) == "missing_scope"
    slack.scopes.discard("im:history")
    assert await refusal(client.conversations_history(channel=slack.place("Ann"))) == "missing_scope"
    await client.conversations_history(channel=slack.channel("support").id)
    slack.scopes.discard("chat:write")
    assert await refusal(client.chat_postMessage(channel=slack.place("Ann"), text="x")) == "missing_scope"
    slack.lose_token()
    assert await refusal(client.auth_test()) == "token_revoked"


async def test_requests_that_are_malformed(slack: SlackVendor) -> None:
    """Content types, JSON and names of methods are Slack's."""
    said = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {slack.bot_token}"}) as session:
        for method, data, kind in (
            ("chat.postMessage", b"<x/>", "text/xml"),
            ("chat.postMessage", b"{nonsense", "application/json"),
            ("chat.postMessage", b"[]", "application/json"),
            ("chat.postMessage", b"{}", "application/json"),
            ("conversations.history", b'{"channel": "C1"}', "application/json"),
            ("chat.whisper", b"{}", "application/json"),
        ):
            headers = {"Content-Type": kind}
            async with session.post(slack.api_base + method, data=data, headers=headers) as response:
                assert response.status == 200
                said.append((await response.json())["error"])
    assert said[:3] == ["invalid_post_type", "invalid_json", "json_not_object"]
    assert said[3:] == ["invalid_arguments", "invalid_arguments", "unknown_method"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"channel": "C404", "text": "x"}, "channel_not_found"),
        ({"channel": "#away", "text": "x"}, "not_in_channel"),
        ({"text": ""}, "no_text"),
        ({"text": " \n"}, "no_text"),
        ({"text": "x", "markdown_text": "y"}, "markdown_text_conflict"),
        ({"markdown_text": "y" * 12_001}, "msg_too_long"),
        ({"text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
        ({"text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "a", "event_payload": {"id": "y" * 9_000}}}, "metadata_too_large"),
        ({"text": "x", "attachments": [{"text": "a"}] * 101}, "too_many_attachments"),
        ({"blocks": [section("x")] * 51}, "invalid_blocks"),
        ({"blocks": [section("x" * 3_001)]}, "invalid_blocks"),
        ({"blocks": [section("")]}, "invalid_blocks"),
        ({"blocks": [{"type": "banner"}]}, "invalid_blocks"),
        ({"blocks": [section("x" * 2_700)] * 5}, "msg_blocks_too_long"),
        ({"blocks": "[not json"}, "invalid_blocks_format"),
        ({"blocks": [actions()]}, "invalid_blocks"),
        ({"blocks": [actions(*[button(action_id=str(n)) for n in range(26)])]}, "invalid_blocks"),
        ({"blocks": [actions(button(text={"type": "plain_text", "text": "x" * 76}))]}, "invalid_blocks"),
        ({"blocks": [actions(button(text={"type": "mrkdwn", "text": "x"}))]}, "invalid_blocks"),
        ({"blocks": [actions(button(value="x" * 2_001))]}, "invalid_blocks"),
        ({"blocks": [actions(button(action_id="x" * 256))]}, "invalid_blocks"),
        ({"blocks": [actions(button(style="loud"))]}, "invalid_blocks"),
        ({"blocks": [actions(button(action_id="a"), button(action_id="a"))]}, "invalid_blocks"),
        ({"blocks": [section("x") | {"block_id": "a"}] * 2}, "invalid_blocks"),
    ],
)
async def test_messages_that_are_refused(
    slack: SlackVendor, client: AsyncWebClient, given: dict[str, Any], code: str
) -> None:
    """Nothing is shown, and the code says why."""
    slack.channel("away", with_bot=False)
    message = {"channel": slack.place("Ann"), **given}
    assert await refusal(client.api_call("chat.postMessage", json=message)) == code
    assert slack.ledger.shown == []


async def test_messages_at_the_limits_are_taken(slack: SlackVendor, client: AsyncWebClient) -> None:
    """One less than what is refused."""
    slack.limits.enforced = False
    choices = actions(*[button(action_id=str(n)) for n in range(25)])
    longest = button(text={"type": "plain_text", "text": "x" * 75}, action_id="x" * 255, value="x" * 2_000)
    for blocks in ([section("x" * 3_000)], [section("x")] * 50, [choices], [actions(longest)]):
        await client.chat_postMessage(channel=slack.place("Ann"), text="x", blocks=blocks)
    assert len(slack.ledger.shown) == 4


async def test_too_long_text_is_cut_when_posted_and_refused_when_updated(
    slack: SlackVendor, client: AsyncWebClient
) -> None:
    """40,000 characters there, 4,000 bytes here."""
    posted = await client.chat_postMessage(channel=slack.place("Ann"), text="x" * 40_001)
    assert len(slack.ledger.shown[0].text) == 40_000
    assert posted["response_metadata"]["warnings"] == ["message_truncated"]
    change = {"channel": posted["channel"], "ts": posted["ts"]}
    await client.chat_update(**change, text="ü" * 2_000)
    assert await refusal(client.chat_update(**change, text="ü" * 2_001)) == "msg_too_long"


async def test_our_mark_is_found_in_the_history(slack: SlackVendor, client: AsyncWebClient) -> None:
    """Its payload is told only to who asks; an update keeps it, and an empty object takes it away."""
    sent = await client.chat_postMessage(channel=slack.place("Ann"), text="hello", metadata=MARK)
    channel, ts = sent["channel"], sent["ts"]
    assert slack.ledger.shown[0].marker == "reply-1"

    async def told(**given: Any) -> Any:
        return (await client.conversations_history(channel=channel, **given))["messages"][0].get("metadata")

    assert await told(include_all_metadata=True) == MARK
    assert await told() == {"event_type": "parley_message"}
    await client.chat_update(channel=channel, ts=ts, text="hello again")
    assert await told(include_all_metadata=True) == MARK
    await client.chat_update(channel=channel, ts=ts, text="hello again", metadata={})
    assert await told(include_all_metadata=True) == {}
    await client.chat_update(
        channel=channel, ts=ts, text="once more", metadata={**MARK, "event_type": "parley.message"}
    )
    assert await told(include_all_metadata=True) == {}


async def test_history_and_replies_come_in_pages(slack: SlackVendor, client: AsyncWebClient) -> None:
    """History newest first and without replies, replies oldest first with their root."""
    room = slack.channel("support")
    said = [slack.people.say("Ann", str(number), room) for number in range(5)]
    replies = [slack.people.say("Ben", f"re {number}", room, thread=said[0].ts) for number in range(3)]
    seen: list[str] = []
    async for page in await client.conversations_history(channel=room.id, limit=2):
        seen += [message["text"] for message in page["messages"]]
    assert seen == ["4", "3", "2", "1", "0"]
    since = await client.conversations_history(channel=room.id, oldest=said[3].ts, inclusive=True)
    assert [message["text"] for message in since["messages"]] == ["4", "3"]
    thread = await client.conversations_replies(channel=room.id, ts=said[0].ts)
    assert [message["text"] for message in thread["messages"]] == ["0", "re 0", "re 1", "re 2"]
    assert thread["messages"][0]["reply_count"] == 3
    late = await client.conversations_replies(channel=room.id, ts=said[0].ts, oldest=replies[0].ts)
    assert [message["text"] for message in late["messages"]] == ["0", "re 1", "re 2"]
    assert await refusal(client.conversations_replies(channel=room.id, ts="1.000001")) == "thread_not_found"
    assert await refusal(client.conversations_history(channel=room.id, cursor="x")) == "invalid_cursor"


async def test_threads(slack: SlackVendor, client: AsyncWebClient) -> None:
    """A reply to a reply is in the same thread; each thread of a channel is a place of its own."""
    room = slack.channel("support")
    root = slack.people.say("Ann", "help", room)
    reply = slack.people.say("Ben", "me too", room, thread=root.ts)
    sent = await client.chat_postMessage(channel=room.id, text="Which plant?", thread_ts=reply.ts)
    assert sent["message"]["thread_ts"] == root.ts
    (shown,) = slack.ledger.at(f"{room.id}:{root.ts}")
    assert (shown.text, shown.reply_to) == ("Which plant?", root.ts)
    await client.chat_postMessage(channel=room.id, text="All done", thread_ts=root.ts, reply_broadcast=True)
    history = await client.conversations_history(channel=room.id)
    assert [message["text"] for message in history["messages"]] == ["All done", "help"]


async def test_only_our_own_messages_can_be_changed(slack: SlackVendor, client: AsyncWebClient) -> None:
    """And the ledger says what stands there now."""
    theirs = slack.people.say("Ann", "hello")
    ours = await client.chat_postMessage(channel=theirs.room.id, text="helo")
    about: dict[str, Any] = {"channel": theirs.room.id, "ts": theirs.ts}
    assert await refusal(client.chat_update(**about, text="x")) == "cant_update_message"
    assert await refusal(client.chat_delete(**about)) == "cant_delete_message"
    assert await refusal(client.chat_delete(channel=theirs.room.id, ts="1.000001")) == "message_not_found"
    await client.chat_update(channel=ours["channel"], ts=ours["ts"], text="hello")
    assert [shown.text for shown in slack.ledger.at(theirs.room.id)] == ["hello"]
    await client.chat_delete(channel=ours["channel"], ts=ours["ts"])
    assert slack.ledger.at(theirs.room.id) == []
    assert slack.ledger.shown[0].deleted


async def test_an_ephemeral_message_is_shown_to_one_member_and_in_no_history(
    slack: SlackVendor, client: AsyncWebClient
) -> None:
    """It has a place of its own, and is in no history."""
    room = slack.channel("support")
    ben = slack.people.join(room, "Ben")
    await client.chat_postEphemeral(channel=room.id, user=ben.id, text="psst")
    assert [shown.text for shown in slack.ledger.at(f"{room.id}@{ben.id}")] == ["psst"]
    history = await client.conversations_history(channel=room.id)
    assert "psst" not in [message["text"] for message in history["messages"]]
    outside = slack.person("Zoe").id
    assert await refusal(client.chat_postEphemeral(channel=room.id, user=outside, text="x")) == "user_not_in_channel"


async def test_a_screen_shows_blocks_entities_and_whom_it_calls(slack: SlackVendor, client: AsyncWebClient) -> None:
    """Blocks hide the text beside them; mentions notify only where Slack reads them as such."""
    ann = slack.person("Ann")
    said = f"<@{ann.id}> see <https://example.com|the page> &amp; <!channel>"
    await client.chat_postMessage(channel=slack.place("Ann"), text="fallback", blocks=[section(said)])
    (shown,) = slack.ledger.shown
    assert shown.text == "@Ann see the page & @channel"
    assert [who for who, _ in slack.notified] == [ann.id, "!channel"]
    plain = {"type": "section", "text": {"type": "plain_text", "text": "<!here> escaped"}}
    await client.chat_postMessage(channel=slack.place("Ann"), text="x", blocks=[plain])
    await client.chat_postMessage(channel=slack.place("Ann"), text="&lt;!here&gt;")
    assert len(slack.notified) == 2


async def test_reactions(slack: SlackVendor, client: AsyncWebClient) -> None:
    """Each once by each."""
    post = slack.people.say("Ann", "hello")
    about: dict[str, Any] = {"channel": post.room.id, "timestamp": post.ts}
    await client.reactions_add(**about, name="eyes")
    assert await refusal(client.reactions_add(**about, name="eyes")) == "already_reacted"
    assert await refusal(client.reactions_add(**about, name="no such!")) == "invalid_name"
    got = await client.reactions_get(**about)
    assert got["message"]["reactions"] == [{"name": "eyes", "users": [slack.bot.id], "count": 1}]
    await client.reactions_remove(**about, name="eyes")
    assert await refusal(client.reactions_remove(**about, name="eyes")) == "no_reaction"


async def test_members_guests_and_outsiders_are_described_as_slack_does(
    slack: SlackVendor, client: AsyncWebClient
) -> None:
    """Members have an address, guests are restricted, outsiders belong elsewhere and their address is not told."""
    room = slack.channel("shared", shared=True)
    ann, guest = slack.people.join(room, "Ann"), slack.people.join(room, "Gil", "guest")
    outsider, bot = slack.people.join(room, "Otto", "outsider"), slack.people.join(room, "Robo", "bot")
    users = {each: (await client.users_info(user=each.id))["user"] for each in (ann, guest, outsider, bot)}
    assert users[ann]["profile"]["email"] == "ann@example.com"
    assert (users[guest]["is_restricted"], users[ann]["is_restricted"]) == (True, False)
    assert users[outsider]["team_id"] != slack.workspace.team
    assert "email" not in users[outsider]["profile"]
    assert users[bot]["is_bot"]
    assert (await client.bots_info(bot=bot.bot_id))["bot"]["user_id"] == bot.id
    assert (await client.users_lookupByEmail(email="ann@example.com"))["user"]["id"] == ann.id
    assert await refusal(client.users_info(user="U404")) == "user_not_found"
    members = await client.conversations_members(channel=room.id)
    assert members["members"] == [slack.bot.id, ann.id, guest.id, outsider.id, bot.id]
    info = (await client.conversations_info(channel=room.id, include_num_members=True))["channel"]
    assert (info["is_ext_shared"], info["is_member"], info["num_members"]) == (True, True, 5)
    opened = await client.conversations_open(users=[ann.id])
    assert opened["channel"]["id"] == slack.place("Ann")
    assert await refusal(client.conversations_open(users=[bot.id])) == "cannot_dm_bot"
    hidden = slack.channel("hidden", private=True, with_bot=False)
    assert await refusal(client.conversations_info(channel=hidden.id)) == "channel_not_found"


async def test_one_message_a_second_in_a_channel(clock: Clock) -> None:
    """A short burst passes; then 429 with the seconds to wait, and nothing is shown."""
    slack = SlackVendor(now=clock)
    async with slack.serving():
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_base, retry_handlers=[])
        place = slack.place("Ann")
        for _ in range(3):
            await client.chat_postMessage(channel=place, text="x")
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=place, text="x")
        assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "1")
        await client.chat_postMessage(channel=slack.place("Ben"), text="x")
        clock.now += 1
        await client.chat_postMessage(channel=place, text="x")
        assert len(slack.ledger.at(place)) == 4


async def test_the_sdk_waits_as_it_is_told(slack: SlackVendor) -> None:
    """Its own handler repeats after Retry-After, and the message is there once."""
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_base)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    slack.limits = Limits(slack.now, burst=1)
    for text in ("one", "two"):
        await client.chat_postMessage(channel=slack.place("Ann"), text=text)
    assert [shown.text for shown in slack.ledger.shown] == ["one", "two"]
    assert [request.status for request in slack.ledger.requests] == [200, 429, 200]


async def test_history_is_rare_for_apps_outside_of_the_marketplace(slack: SlackVendor) -> None:
    """Once a minute, fifteen at a time."""
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_base, retry_handlers=[])
    slack.limits.commercial = True
    room = slack.channel("support")
    for number in range(20):
        slack.people.say("Ann", str(number), room)
    assert len((await client.conversations_history(channel=room.id, limit=100))["messages"]) == 15
    assert await refusal(client.conversations_history(channel=room.id)) == "ratelimited"
