"""Support teams take over in Slack, answer the customer where the customer is, and give the conversation back."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.e2e.slack_desk import DeskInstallation, wait_for_transcript
from tests.harness.chat_client import Contact
from tests.simulators.slack.message_contents import labels, marks, words
from tests.simulators.vendor import Fault, File

PHOTO = File("pot.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(64))


async def test_a_person_takes_over_answers_and_gives_back(stage: DeskInstallation, ann: Contact) -> None:
    await ann.say("Do you add a heat pack in winter?")
    await wait_for_transcript(ann, lambda lines: len(lines) == 2)
    await ann.say("I want to talk to a person please")
    card = await stage.card()
    assert "waiting for a person" in words(card.body)
    assert "heat pack" in words(card.body)

    await stage.claimed("Mo", card)
    written = stage.reply("Mo", card, "Hello, this is *Mo*. What can I do?")
    await wait_for_transcript(ann, lambda lines: any("this is" in line["text"] for line in lines))
    said = next(line for line in await ann.transcript() if "this is" in line["text"])
    assert said["author"] == {"kind": "person", "name": "Mo"}
    await stage.until(lambda: marks(written))
    assert len(marks(written)) == 1

    await ann.say("My plant is ill")
    await stage.in_thread(card, "My plant is ill")
    stage.reply("Mo", card, "// let us look into the greenhouse")
    stage.reply("Mo", card, "Please send a photo")
    await wait_for_transcript(ann, lambda lines: any("photo" in line["text"] for line in lines))
    assert not any("greenhouse" in line["text"] for line in await ann.transcript())

    await stage.press("Mo", card, "Return to agent")
    await stage.until(lambda: "back with the agent" in words(card.body))
    assert labels(card.body) == ["Take over"]
    asked = await ann.say("How long can I return a pot?")
    answer = await ann.answered(asked.message_id)
    assert "30 days" in answer["text"]

    await ann.say("I want to talk to a person please")
    await stage.in_thread(card, "again")
    assert len(stage.cards) == 1


async def test_files_edits_and_deletions_go_both_ways_with_a_customer_on_slack(stage: DeskInstallation) -> None:
    slack = stage.slack
    place = slack.place("Ann")
    await slack.say("Ann", "I want to talk to a person please")
    card = await stage.card()
    await stage.claimed("Mo", card)
    await slack.say("Ann", "This is my plant", files=[PHOTO])
    first = await slack.say("Ann", "It has two leaves")
    second = await slack.say("Ann", "My address is 5 Main Street")
    await stage.in_thread(card, "5 Main Street")

    def file_there() -> bool:
        names = [file["name"] for post in stage.thread(card) for file in post.body.get("files", [])]
        return "pot.png" in names

    await stage.until(file_there)
    await slack.edit("Ann", first, "It has three leaves")
    await slack.delete("Ann", second)
    await stage.in_thread(card, "three leaves")
    await stage.in_thread(card, "Deleted by the customer")
    assert not any("5 Main Street" in words(post.body) for post in stage.thread(card))

    stage.reply("Mo", card, "Here is how it should look", files=[PHOTO])

    def heard_it() -> bool:
        shown = slack.ledger.at(place)
        return any("how it should look" in each.text for each in shown) and any(
            file.data == PHOTO.data for each in shown for file in each.files
        )

    await stage.until(heard_it)
    await stage.press("Mo", card, "Return to agent")
    await stage.until(lambda: "back with the agent" in words(card.body))
    await slack.delete("Ann", first)
    await stage.until(lambda: not any("three leaves" in words(post.body) for post in stage.thread(card)))
    assert not any("Mo" in words(post.body) for post in stage.thread(card) if post.author is slack.bot)


async def test_of_five_who_claim_at_once_one_has_it_and_the_others_are_told(
    stage: DeskInstallation, ann: Contact
) -> None:
    await ann.say("I want to talk to a person please")
    card = await stage.card()
    names = ["Ada", "Ben", "Cleo", "Dan", "Eve"]
    for name in names:
        stage.slack.people.join(stage.room, name)
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(stage.press(name, card, "Claim"))

    def holder() -> str:
        return next((name for name in names if f"with {name}" in words(card.body)), "")

    winner = await stage.until(holder)

    def told() -> set[str]:
        people = {stage.slack.person(name).id: name for name in names}
        return {people[post.to] for post in stage.room.posts.values() if post.to in people}

    await stage.until(lambda: told() == set(names) - {winner})


async def test_while_slack_is_away_the_customer_is_told_and_people_see_all_of_it_in_order_afterwards(
    stage: DeskInstallation, ann: Contact
) -> None:
    stage.slack.faults.always = lambda request: Fault("limit", retry_after=1)
    await ann.say("I want to talk to a person please")
    await wait_for_transcript(ann, lambda lines: any("colleague" in line["text"] for line in lines))
    texts = [f"Message number {number}" for number in range(4)]
    for text in texts:
        await ann.say(text)
    tried = await stage.until(lambda: [each for each in stage.slack.ledger.requests if each.status == 429])
    assert tried
    stage.slack.faults.always = lambda request: None
    card = await stage.card()
    await stage.in_thread(card, texts[-1])
    shown = "\n".join(words(post.body) for post in stage.thread(card))
    places = [shown.index(text) for text in texts]
    assert places == sorted(places)
    assert [len([post for post in stage.thread(card) if text in words(post.body)]) for text in texts] == [1] * 4
    assert len(stage.cards) == 1


async def test_a_card_that_somebody_deleted_comes_again_and_the_conversation_goes_on_there(
    stage: DeskInstallation, ann: Contact
) -> None:
    await ann.say("I want to talk to a person please")
    card = await stage.card()
    stage.slack.remove(card)
    await ann.say("Are you there?")
    again = await stage.card()
    assert again is not card
    await stage.in_thread(again, "Are you there?")
    await stage.claimed("Mo", again)
    stage.reply("Mo", again, "Yes, I am here")
    await wait_for_transcript(ann, lambda lines: any("Yes, I am here" in line["text"] for line in lines))


async def test_processes_that_are_killed_lose_no_word_in_either_direction(
    stage: DeskInstallation, ann: Contact
) -> None:
    await ann.say("I want to talk to a person please")
    card = await stage.card()
    await stage.claimed("Mo", card)
    for number in range(3):
        await ann.say(f"Customer says {number}")
        stage.reply("Mo", card, f"Person says {number}")
        for role in stage.parley.all_roles:
            await stage.parley.kill(role)
        await stage.parley.start()
        await stage.slack.settled()  # else the next one might be told first
    for number in range(3):
        await stage.in_thread(card, f"Customer says {number}")

    def spoken(lines: list[dict[str, Any]]) -> list[str]:
        return [line["text"] for line in lines if line["author"]["kind"] == "person"]

    wanted = [f"Person says {number}" for number in range(3)]
    await wait_for_transcript(ann, lambda lines: spoken(lines) == wanted, deadline=60)
    assert len(stage.cards) == 1
