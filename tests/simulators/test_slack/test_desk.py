"""People at work in the workspace: cards and buttons, modals, shortcuts, commands, and who may be among them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack.event_delivery import Undelivered
from tests.simulators.slack.server import SlackVendor
from tests.simulators.test_slack.helpers import actions, button, refusal, section
from tests.simulators.test_slack.listener import Listener
from tests.simulators.vendor import File

OUTCOMES = [{"text": {"type": "plain_text", "text": text}, "value": text} for text in ("Solved", "Spam")]


def modal(**given: Any) -> dict[str, Any]:
    """Asks for an outcome and, if one likes, a note."""
    outcome = {"type": "static_select", "action_id": "outcome", "options": OUTCOMES}
    note = {"type": "plain_text_input", "action_id": "note"}
    blocks = [
        {"type": "input", "block_id": "a", "label": {"type": "plain_text", "text": "Outcome"}, "element": outcome},
        {"type": "input", "label": {"type": "plain_text", "text": "Note"}, "element": note, "optional": True},
    ]
    titles = {name: {"type": "plain_text", "text": name.title()} for name in ("title", "submit")}
    return {"type": "modal", "callback_id": "resolve", **titles, "blocks": blocks, **given}


async def card(slack: SlackVendor, client: AsyncWebClient) -> Any:
    """A card in the support channel, as the ledger has it."""
    room = slack.channel("support")
    slack.people.join(room, "Ben")
    blocks = [section("Ann needs help"), actions(button(action_id="claim", value="c1"))]
    await client.chat_postMessage(channel=room.id, text="Ann needs help", blocks=blocks)
    return slack.ledger.at(room.id)[0]


async def press_button(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> Any:
    """The payload of a press on a card's button."""
    await slack.choose("Ben", await card(slack, client), "Go")
    return next(each.payload for each in listener.received if b"payload=" in each.body)


async def test_a_card_is_claimed_and_changes(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """Who presses is in the payload; the card then has no button any more."""
    payload = await press_button(slack, listener, client)
    assert payload["user"]["id"] == slack.person("Ben").id
    assert payload["channel"]["name"] == "support"
    channel, ts = payload["channel"]["id"], payload["container"]["message_ts"]
    await client.chat_update(channel=channel, ts=ts, text="Claimed", blocks=[section("Claimed by Ben")])
    (shown,) = slack.ledger.at(channel)
    assert (shown.text, shown.choices) == ("Claimed by Ben", [])
    with pytest.raises(LookupError):
        await slack.choose("Ben", shown, "Go")


async def test_two_press_at_once(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """Both arrive, each as who they are."""
    shown = await card(slack, client)
    await asyncio.gather(*(slack.choose(name, shown, "Go") for name in ("Ben", "Cleo")))
    people = [each.payload["user"]["username"] for each in listener.received if b"payload=" in each.body]
    assert sorted(people) == ["ben", "cleo"]


async def test_people_talk_in_the_cards_thread(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """Members, guests, outsiders and bots; their edits, reactions and files arrive in the same thread."""
    shown = await card(slack, client)
    room = slack.channel("support")
    slack.people.join(room, "Gil", "guest")
    slack.people.join(room, "Otto", "outsider")
    slack.people.join(room, "Robo", "bot")
    said = [slack.people.say(name, f"by {name}", room, thread=shown.id) for name in ("Ben", "Gil", "Otto", "Robo")]
    slack.people.edit("Ben", said[0].ts, "by Ben, changed")
    slack.people.react("Ben", shown.id, "✅")
    slack.people.say("Ben", "see", room, thread=said[1].ts, files=[File("a.pdf", "application/pdf", b"%PDF")])
    slack.people.leave(room, "Gil")
    await slack.settled()
    replies = [event for event in listener.of_type("message") if event.get("thread_ts") == shown.id]
    assert [event["text"] for event in replies] == ["by Ben", "by Gil", "by Otto", "by Robo", "see"]
    assert {event["parent_user_id"] for event in replies} == {slack.bot.id}
    assert replies[2]["user_team"] != slack.workspace.team
    (changed,) = listener.of_type("message_changed")
    assert changed["message"]["thread_ts"] == shown.id
    (reaction,) = listener.of_type("reaction_added")
    assert (reaction["reaction"], reaction["item"]["ts"]) == ("white_check_mark", shown.id)
    assert len(listener.of_type("member_left_channel")) == 1


async def test_a_modal_is_opened_filled_in_and_closed(
    slack: SlackVendor, listener: Listener, client: AsyncWebClient
) -> None:
    """What was filled in comes under block and action; without an answer it closes."""
    payload = await press_button(slack, listener, client)
    await client.views_open(trigger_id=payload["trigger_id"], view=modal(private_metadata="c1"))
    with pytest.raises(ValueError, match="Outcome"):
        await slack.interactions.submit("Ben", {"Note": "no outcome"})
    assert await slack.interactions.submit("Ben", {"Outcome": "Solved", "note": "thanks"}) is None
    submitted = listener.received[-1].payload
    assert (submitted["type"], submitted["view"]["callback_id"]) == ("view_submission", "resolve")
    assert submitted["view"]["private_metadata"] == "c1"
    values = submitted["view"]["state"]["values"]
    assert values["a"]["outcome"]["selected_option"]["value"] == "Solved"
    assert [each["note"]["value"] for each in values.values() if "note" in each] == ["thanks"]
    with pytest.raises(LookupError):
        slack.interactions.view("Ben")


async def test_the_answer_to_a_submission(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """Shows errors, changes the view, puts another over it, or clears them all; no answer leaves it open."""
    payload = await press_button(slack, listener, client)
    await client.views_open(trigger_id=payload["trigger_id"], view=modal())
    submit = {"Outcome": "Spam"}
    listener.answers = [{"response_action": "errors", "errors": {"a": "Why?"}}]
    view = await slack.interactions.submit("Ben", submit)
    assert view is not None
    assert view.errors == {"a": "Why?"}
    listener.answers = [{"response_action": "update", "view": modal(callback_id="second")}]
    assert await slack.interactions.submit("Ben", submit) is view
    assert (view.body["callback_id"], view.errors) == ("second", {})
    listener.answers = [{"response_action": "push", "view": modal(callback_id="third")}]
    over = await slack.interactions.submit("Ben", submit)
    assert over is not None
    assert over.body["previous_view_id"] == view.id
    listener.answers = [500]
    with pytest.raises(Undelivered):
        await slack.interactions.submit("Ben", submit)
    assert slack.interactions.view("Ben") is over
    listener.answers = [{"response_action": "clear"}]
    assert await slack.interactions.submit("Ben", submit) is None


async def test_views_that_are_refused(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """A trigger is good once and for three seconds; titles are short; a changed view has another hash."""
    payload = await press_button(slack, listener, client)
    trigger = payload["trigger_id"]
    wrong = [
        modal(title={"type": "plain_text", "text": "x" * 25}),
        modal(submit=None),
        modal(blocks=[section("x")] * 101),
        modal(private_metadata="x" * 3_001),
        {"type": "window"},
    ]
    for view in wrong:
        code = await refusal(client.views_open(trigger_id=trigger, view=view))
        assert code in ("invalid_arguments", "invalid_blocks")
    assert await refusal(client.views_open(trigger_id="1.2.3", view=modal())) == "invalid_trigger_id"
    opened = (await client.views_open(trigger_id=trigger, view=modal(external_id="e1")))["view"]
    assert await refusal(client.views_open(trigger_id=trigger, view=modal())) == "exchanged_trigger_id"
    again = slack.views.trigger(slack.person("Ben"))
    taken = client.views_open(trigger_id=again, view=modal(external_id="e1"))
    assert await refusal(taken) == "duplicate_external_id"
    late = slack.views.trigger(slack.person("Ben"))
    slack.views.expire(late)
    assert await refusal(client.views_open(trigger_id=late, view=modal())) == "expired_trigger_id"
    await client.views_update(view_id=opened["id"], hash=opened["hash"], view=modal(callback_id="new"))
    stale = client.views_update(view_id=opened["id"], hash=opened["hash"], view=modal())
    assert await refusal(stale) == "hash_conflict"
    assert await refusal(client.views_update(view_id="V404", view=modal())) == "not_found"


async def test_closing_is_told_only_on_request(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """Most modals are closed in silence."""
    payload = await press_button(slack, listener, client)
    await slack.settled()
    await client.views_open(trigger_id=payload["trigger_id"], view=modal())
    before = len(listener.received)
    await slack.interactions.close("Ben")
    assert len(listener.received) == before
    trigger = slack.views.trigger(slack.person("Ben"))
    blocks = [actions(button(action_id="more"))]
    await client.views_open(trigger_id=trigger, view=modal(notify_on_close=True, blocks=blocks))
    await slack.interactions.press_in_view("Ben", "Go")
    await slack.interactions.close("Ben")
    inside, closed = (each.payload for each in listener.received[-2:])
    assert (inside["type"], inside["container"]["type"]) == ("block_actions", "view")
    assert closed["type"] == "view_closed"


async def test_shortcuts(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """From a message's menu they carry the message, from elsewhere only who asked; both may open a modal."""
    shown = await card(slack, client)
    await slack.interactions.shortcut("Ben", "assign", slack.post(shown.id))
    await slack.interactions.shortcut("Ben", "queue")
    on_message, everywhere = (each.payload for each in listener.received if b"payload=" in each.body)
    assert (on_message["type"], on_message["message_ts"]) == ("message_action", shown.id)
    assert on_message["message"]["text"] == "Ann needs help"
    assert (everywhere["type"], everywhere["callback_id"]) == ("shortcut", "queue")
    await client.views_open(trigger_id=everywhere["trigger_id"], view=modal())
    assert slack.interactions.view("Ben").body["callback_id"] == "resolve"


async def test_a_command_is_a_form(slack: SlackVendor, listener: Listener) -> None:
    """Signed like everything else; text in the answer is shown to who typed it."""
    slack.announcer.subscriptions.clear()
    room = slack.channel("support")
    listener.answers = [web_text("Nobody waits")]
    await slack.interactions.command("Ben", room, "/queue", "all")
    (received,) = listener.received
    assert received.is_signed
    assert (received.payload["command"], received.payload["text"]) == ("/queue", "all")
    assert received.payload["channel_name"] == "support"
    assert slack.ledger.shown[0].text == "Nobody waits"


def web_text(text: str) -> web.Response:
    return web.Response(text=text)


async def test_response_urls(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """They need no token, work five times, for the person, for all, or on the message that was pressed."""
    payload = await press_button(slack, listener, client)
    url, channel = payload["response_url"], payload["channel"]["id"]
    ben = slack.person("Ben").id
    seen = []
    async with aiohttp.ClientSession() as session:
        for body in (
            {"text": "Only you"},
            {"text": "All of you", "response_type": "in_channel"},
            {"text": "Claimed", "replace_original": True},
            {"text": ""},
            {"delete_original": True},
            {"text": "fifth"},
            {"text": "sixth"},
        ):
            async with session.post(url, json=body) as response:
                seen.append(response.status)
        async with session.post(url.replace(payload["team"]["id"], "T1") + "x", json={"text": "x"}) as response:
            assert (await response.json())["error"] == "expired_url"
    assert seen == [200, 200, 200, 400, 200, 200, 404]
    assert [shown.text for shown in slack.ledger.at(f"{channel}@{ben}")] == ["Only you", "fifth"]
    assert [shown.text for shown in slack.ledger.at(channel)] == ["All of you"]


async def test_the_home_tab(slack: SlackVendor, listener: Listener, client: AsyncWebClient) -> None:
    """It is published for one person, and is no modal."""
    ben = slack.person("Ben")
    await client.views_publish(user_id=ben.id, view={"type": "home", "blocks": [section("Your queue")]})
    assert slack.views.homes["Ben"]["blocks"][0]["text"]["text"] == "Your queue"
    assert await refusal(client.views_publish(user_id=ben.id, view=modal())) == "invalid_arguments"
