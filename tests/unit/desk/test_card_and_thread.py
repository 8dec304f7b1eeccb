"""A conversation at the desk: one card, and below it every line, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_worker.router import decision
from connectors.desk.posts.post_erasure import closing_id
from connectors.desk.rules import DeskTimesRules
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.render_card import AUTHOR_ICONS
from schemas import topics
from schemas.conversation import DeliveryOutcome
from schemas.desk import IN_DANGER, DeskUpdate
from schemas.messages import Citation
from tests.simulators.slack.message_contents import labels, words
from tests.unit.desk.conftest import DeskBatch, DeskEnvironment


async def test_a_handoff_is_one_card_that_says_who_waits_and_why(world: DeskEnvironment) -> None:
    await world.say("Do you deliver to islands?")
    await world.say("I am not sure.", "agent", name="Fern")
    await world.hand_off("asked for a person", summary=["Wants delivery to an island", "No order yet"])
    keeper = world.keeper()
    for _ in range(2):
        await world.look(keeper)
    await keeper.close()
    (card,) = world.cards
    said = words(card.body)
    for part in (
        f"Web visitor {world.contact[:4]} · Web",
        "waiting for a person",
        "asked for a person",
        "No order yet",
        "I am not sure.",
    ):
        assert part in said
    assert labels(card.body) == ["Claim", "Return to agent", "Transfer", "Resolve"]
    about = card.body["metadata"]
    assert about["event_type"] == "parley_desk"
    assert about["event_payload"].items() >= {"conversation": world.conversation, "tenant": "shop"}.items()
    assert world.thread == []


async def test_the_card_says_each_thing_once_and_the_talk_in_its_order(world: DeskEnvironment) -> None:
    cited = Citation(n=1, document="islands", title="Islands", quote="We do not.")
    await world.say("Do you deliver to islands?")
    await world.say("We do not. [1]", "agent", name="Fern", citations=[cited])
    await world.say("A person please")
    await world.hand_off(decision.PERSON_REQUESTED, summary=["Asked: x", "Open: the contact asked for a person"])
    keeper = world.keeper()
    await world.look(keeper)
    await keeper.close()
    said = words(world.cards[0].body)
    assert said.count("asked for a person") == 1
    assert "The customer has been waiting since" not in said
    assert "[1]" not in said
    places = [said.index(text) for text in ("to islands?", "We do not.", "A person please")]
    assert places == sorted(places)


async def test_danger_to_life_stands_out_and_calls_people_at_once(world: DeskEnvironment) -> None:
    """Also if nobody is called about late answers, and whoever has the conversation by then."""
    calls = []
    for number, times in enumerate((DeskTimesRules(), DeskTimesRules(escalate_to="alarm", mention="channel")), 1):
        times = replace(times, escalate_to=times.escalate_to and world.slack.channel(times.escalate_to).id)
        keeper = world.keeper(times=times)
        await world.say("I do not want to live any more.")
        await world.hand_off(f"{IN_DANGER}; {decision.PERSON_REQUESTED}", number=number)
        for _ in range(2):
            await world.look(keeper, owner=True)
        await keeper.close()
        room = world.slack.workspace.rooms[times.escalate_to or world.room]
        calls += [words(post.body) for post in room.top() if post.author is world.slack.bot]
        assert "🆘 Danger to life · Web visitor" in words(world.cards[0].body)
        assert IN_DANGER in words(world.cards[0].body)
        await world.own("agent")
    called = [text for text in calls if "needs a person now" in text]
    assert ["<!here>" in called[0], "<!channel>" in called[1], len(called)] == [True, True, 2]
    keeper = world.keeper()
    await world.look(keeper, owner=True)
    await keeper.close()
    assert "Danger" not in words(world.cards[0].body), "it is over"


async def test_what_was_said_at_the_end_stands_in_the_thread_once(world: DeskEnvironment) -> None:
    told = {"by": "console:anna", "name": "Anna", "at": world.clock(), "number": 1}
    full = {**told, "id": "r1", "outcome": "Solved", "tags": ["refund"], "note": "Sent a *new* <!here> pot."}
    keeper = world.keeper()
    await world.hand_off()
    await world.look(keeper)
    await world.own("closed", by="console:anna", name="Anna")
    for resolutions in ([full, {**told, "id": "r2"}], [{**full, "score": 4}, {**told, "id": "r2"}]):
        await world.change(resolutions=resolutions)
        for _ in range(2):
            await world.look(keeper, owner=True)
    await keeper.close()
    assert world.texts() == [
        "✅ Resolved by Anna · Solved · refund\n📝 Sent a *new* <!here> pot.",
        "⭐ The customer's rating: 4 of 5",
    ]
    note = world.thread[0].body["blocks"][1]["text"]
    assert note["type"] == "plain_text", "a note calls nobody"


async def test_days_are_told_inside_the_words_that_they_follow() -> None:
    told = kit.date_token(datetime(2026, 5, 4, 9, 30, tzinfo=UTC), after="since")
    assert told == "<!date^1777887000^since {date_short_pretty} at {time}|since 2026-05-04 09:30 UTC>"


async def test_without_a_handoff_nobody_at_the_desk_sees_anything(world: DeskEnvironment) -> None:
    await world.say("Do you deliver to islands?")
    keeper = world.keeper()
    await world.look(keeper)
    await keeper.close()
    assert world.cards == []


@pytest.mark.parametrize("is_later", [False, True])
async def test_an_erasure_ends_the_posts_also_when_it_arrives_while_others_are_gathered(
    world: DeskEnvironment, is_later: bool
) -> None:
    await world.say("Do you deliver to islands?")
    await world.hand_off()
    erased = world.record(topics.DESK_UPDATE, DeskUpdate(erased=True, at=world.clock()))
    batch = DeskBatch(world.conversation, [world.touched(owner=True)], behind=[erased])
    if not is_later:
        batch.take_more()
    keeper = world.keeper()
    await keeper.handle(batch)
    closed = await world.state.deliveries.outcome(world.conversation, closing_id(world.conversation))
    assert closed is not None
    await world.look(keeper, owner=True)
    await keeper.close()
    assert world.cards == []


async def test_lines_that_came_meanwhile_are_posted_together_and_once(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    for text in ("one", "two", "three"):
        await world.say(text)
    for _ in range(2):
        await world.look(keeper)
    await world.say("four")
    await world.look(keeper)
    await keeper.close()
    first, second = world.texts()
    assert [first.index(text) for text in ("one", "two", "three")] == sorted(
        first.index(text) for text in ("one", "two", "three")
    )
    assert "four" in second
    assert len(world.cards) == 1


async def test_a_claim_is_on_the_card_at_once_and_other_changes_within_five_seconds(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    await world.own("person", name="Mo")
    await world.look(keeper, owner=True)
    assert "with Mo" in words(world.cards[0].body)
    assert labels(world.cards[0].body)[0] == "Release"
    await world.own("agent", name="Mo")
    await world.look(keeper, owner=True)
    assert "back with the agent" in words(world.cards[0].body)
    await keeper.close()


async def test_a_long_message_is_split_and_all_of_it_is_in_the_thread(world: DeskEnvironment) -> None:
    text = " ".join(f"word{number}" for number in range(1500))
    await world.hand_off()
    await world.say(text)
    keeper = world.keeper()
    await world.look(keeper)
    await keeper.close()
    shown = " ".join("\n".join(world.texts()).split())
    assert all(f"word{number}" in shown for number in range(1500))


async def test_a_long_message_from_before_the_handoff_is_whole_in_the_thread(world: DeskEnvironment) -> None:
    await world.say("a" * 100 + " " + "b" * 1000)
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    await keeper.close()
    assert "b" * 1000 in "".join(world.texts())
    assert "b" * 1000 not in words(world.cards[0].body)


async def test_a_long_message_from_before_the_handoff_that_is_taken_back_is_nowhere_any_more(
    world: DeskEnvironment,
) -> None:
    line = await world.say("secret " * 200)
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    assert "secret" in "".join(world.texts())
    await world.state.transcript.edit(world.conversation, line.id, "")
    await world.state.transcript.mark(world.conversation, [line.id], "deleted")
    await world.look(keeper)
    await keeper.close()
    assert "secret" not in str([post.body for post in [*world.cards, *world.thread]])


async def test_names_and_words_of_customers_call_nobody(world: DeskEnvironment) -> None:
    await world.hand_off("<!channel> *now*")
    await world.say("<!here> <@U123> @channel & <b>", name="<!everyone>")
    keeper = world.keeper()
    await world.look(keeper)
    await keeper.close()
    assert world.slack.notified == []
    assert "<!here> <@U123> @channel & <b>" in world.texts()[0]
    (words,) = [block for block in world.thread[0].body["blocks"] if block["type"] == "section"]
    assert words["text"]["type"] == "plain_text"
    assert "<" not in world.thread[0].body["text"]


@pytest.mark.parametrize(
    "words",
    [
        "[https://acme.okta.com/login](https://evil.example/x)",
        "[login](https://evil.example/x)",
        "<https://evil.example/x|acme.okta.com>",
        "&lt;https://evil.example/x|acme.okta.com&gt;",
    ],
)
async def test_a_customer_never_chooses_what_a_link_is_called(world: DeskEnvironment, words: str) -> None:
    await world.say(words)
    await world.hand_off(f"Asked: {words}")
    await world.say(words, name=words)
    keeper = world.keeper()
    await world.look(keeper)
    await keeper.close()
    for post in [*world.cards, *world.thread]:
        shown = [post.body["text"], *(text["text"] for text in texts_of(post.body) if text["type"] == "mrkdwn")]
        assert not [link for text in shown for link in re.findall(r"<(?!!date)[^<>]*\|[^<>]*>", text)]
    assert words in world.texts()[-1]


def texts_of(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for block in body["blocks"]:
        yield from (each for each in [block.get("text"), *block.get("elements", [])] if each and "text" in each)


async def test_an_edit_and_a_deletion_change_the_post(world: DeskEnvironment) -> None:
    await world.hand_off()
    first = await world.say("two pots")
    second = await world.say("my address is secret")
    keeper = world.keeper()
    await world.look(keeper)
    await world.state.transcript.edit(world.conversation, first.id, "three pots", revision=1)
    await world.state.transcript.edit(world.conversation, second.id, "")
    await world.state.transcript.mark(world.conversation, [second.id], "deleted")
    for _ in range(2):
        await world.look(keeper)
    await keeper.close()
    (shown,) = world.texts()
    assert "three pots" in shown
    assert "(edited)" in shown
    assert "Deleted by the customer" in shown
    assert "secret" not in shown
    assert "secret" not in str(world.thread[0].body)


async def test_files_stand_below_the_line_that_they_came_with(world: DeskEnvironment) -> None:
    kept = await world.blobs.put("shop", "pot.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(64))
    await world.hand_off()
    await world.say("here it is", files=[kept])
    await world.say("do you see it?")
    keeper = world.keeper()
    for _ in range(2):
        await world.look(keeper)
    await keeper.close()
    said, file, after = world.thread
    assert "here it is" in words(said.body)
    assert [each["name"] for each in file.body["files"]] == ["pot.png"]
    assert "do you see it?" in words(after.body)


async def test_a_file_that_is_fetched_after_its_words_were_shown_comes_once_and_goes_with_them(
    world: DeskEnvironment,
) -> None:
    await world.hand_off()
    line = await world.say("here it is")
    keeper = world.keeper()
    await world.look(keeper)
    kept = await world.blobs.put("shop", "pot.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(64))
    await world.state.transcript.attach(world.conversation, line.id, [kept])
    for _ in range(3):
        await world.look(keeper)
    assert [file["name"] for post in world.thread for file in post.body.get("files", [])] == ["pot.png"]
    await world.state.transcript.edit(world.conversation, line.id, "")
    await world.state.transcript.mark(world.conversation, [line.id], "deleted")
    for _ in range(2):
        await world.look(keeper)
    await keeper.close()
    assert not any(shown.files for shown in world.slack.ledger.shown if not shown.deleted)


async def test_a_message_that_its_author_took_back_leaves_no_file_behind(world: DeskEnvironment) -> None:
    kept = await world.blobs.put("shop", "pot.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(64))
    await world.hand_off()
    line = await world.say("here it is", files=[kept])
    keeper = world.keeper()
    await world.look(keeper)
    assert [len(shown.files) for shown in world.slack.ledger.shown][-1] == 1
    await world.state.transcript.edit(world.conversation, line.id, "")
    await world.state.transcript.mark(world.conversation, [line.id], "deleted")
    for _ in range(2):
        await world.look(keeper)
    await keeper.close()
    assert not any(shown.files for shown in world.slack.ledger.shown if not shown.deleted)
    assert "here it is" not in str([post.body for post in world.thread])


async def test_a_persons_reply_from_the_thread_is_not_posted_again_and_carries_one_mark(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    await world.own("person")
    written = world.slack.people.say("Mo", "We do", world.slack.channel("support"), thread=world.cards[0].ts)
    line = await world.say("We do", "person", name="Mo", state="sent")
    await world.placed(line, written.ts)
    seen = []
    for state in ("sent", "delivered", "read"):
        await world.state.transcript.mark(world.conversation, [line.id], state)
        await world.look(keeper)
        seen.append([each["name"] for each in written.body.get("reactions", [])])
    await keeper.close()
    assert seen == [["envelope"], ["white_check_mark"], ["eyes"]]
    assert [post.ts for post in world.thread] == [written.ts]


async def test_a_reply_that_failed_says_so_with_the_reason(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    line = await world.say("We do", "person", name="Mo", state="failed")
    await world.placed(line, world.slack.people.say("Mo", "We do", world.slack.channel("support")).ts)
    await world.look(keeper)
    await keeper.close()
    (told,) = world.texts()
    assert "Not delivered" in told


async def test_a_reply_of_the_agent_that_was_refused_says_so_with_its_reason(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    line = await world.say("A colleague will answer", "agent", state="failed")
    refused = DeliveryOutcome(message_id=line.id, state="failed", reason="the account is closed", at=world.clock())
    await world.state.deliveries.record(world.conversation, refused)
    await world.look(keeper)
    await keeper.close()
    *_, told = [str(post.body) for post in world.thread]
    assert "Not delivered" in told
    assert "the account is closed" in told
    assert AUTHOR_ICONS["agent"] in told


async def test_an_answer_that_may_be_lost_is_marked_and_can_be_sent_again_from_the_thread(
    world: DeskEnvironment,
) -> None:
    await world.say("Do you deliver to islands?", "contact")
    await world.say("We do", "agent", state="unknown")
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    await keeper.close()
    shown = str([post.body for post in world.thread])
    assert "may not have arrived" in str(world.cards[-1].body)
    assert "This may not have reached the customer" in shown
    assert "Send again" in shown


async def test_a_card_that_was_deleted_is_followed_by_another_and_nothing_is_lost(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    world.slack.remove(world.cards[0])
    await world.say("are you there?")
    await world.look(keeper)
    await world.own("person")
    await world.look(keeper, owner=True)
    await keeper.close()
    assert len(world.cards) == 1
    assert "are you there?" in world.texts()[0]
    assert "with Mo" in words(world.cards[0].body)


async def test_a_card_that_slack_says_is_deleted_is_replaced_though_nothing_else_has_changed(
    world: DeskEnvironment,
) -> None:
    """The news of one that was replaced before changes nothing."""
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    for _ in range(2):
        (card,) = world.cards
        world.slack.remove(card)
        deleted = DeskUpdate(deleted_card=f"{card.room.id}/{card.ts}", at=world.clock())
        for _ in range(2):
            await world.look(keeper, world.record(topics.DESK_UPDATE, deleted))
            assert len(world.cards) == 1
    await keeper.close()


async def test_a_second_handoff_is_said_in_the_thread_of_the_same_card(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    await world.own("agent")
    world.clock.now += timedelta(minutes=1)
    await world.hand_off("unhappy with the answer")
    for _ in range(2):
        await world.look(keeper, owner=True)
    await keeper.close()
    assert len(world.cards) == 1
    (told,) = world.texts()
    assert "again" in told
    assert "unhappy with the answer" in told
