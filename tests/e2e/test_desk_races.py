"""Slack tells twice, in the wrong order and once more later, and somebody deletes what a thread stands on: what the
customer reads and who holds the conversation are as if nothing had been."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from tests.e2e.conftest import ENGINES
from tests.e2e.slack_desk import DeskInstallation, open_desk, open_visitor, wait_for_transcript
from tests.harness.chat_client import Contact
from tests.harness.processes import ForkServer
from tests.simulators.slack.event_delivery import Delivery
from tests.simulators.slack.message_contents import words
from tests.simulators.slack.workspace import Post

PERSON_PLEASE = "I want to talk to a person please"


@pytest.fixture(scope="module", params=ENGINES)
async def stage(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DeskInstallation]:
    folder = tmp_path_factory.mktemp("races")
    async with open_desk(request, fork_server, folder, f"t-{uuid.uuid4().hex[:8]}.") as stage:
        for name in ("Mo", "Eve"):
            stage.slack.people.join(stage.room, name)
        yield stage


@pytest.fixture
async def ann(stage: DeskInstallation) -> AsyncIterator[Contact]:
    async with open_visitor(stage, f"ann-{uuid.uuid4().hex[:6]}") as contact:
        yield contact


async def card_of(stage: DeskInstallation, contact: Contact) -> Post:
    """The newest of this conversation."""

    def found() -> Post | None:
        cards = [post for post in stage.cards if contact.conversation in str(post.body.get("metadata"))]
        return cards[-1] if cards else None

    post: Post = await stage.until(found)
    return post


async def wait_for_claim(stage: DeskInstallation, card: Post) -> None:
    stage.slack.people.react("Mo", card.ts, "👀")
    await stage.until(lambda: "with Mo" in words(card.body))


def of_people(lines: list[dict[str, Any]]) -> list[str]:
    return [line["text"] for line in lines if line["author"]["kind"] == "person" and line["text"]]


@pytest.mark.parametrize("seed", range(3))
async def test_events_delivered_twice_in_any_order_count_once(stage: DeskInstallation, ann: Contact, seed: int) -> None:
    slack, began = stage.slack, len(stage.slack.event_delivery.log)
    await ann.say(PERSON_PLEASE)
    card = await card_of(stage, ann)
    slack.event_delivery.twice = lambda delivery: True
    await wait_for_claim(stage, card)
    slack.event_delivery.hold()
    kept, changed, gone = (stage.reply("Mo", card, text) for text in ("It is ill", "Water it", "What a mess"))
    slack.people.edit("Mo", changed.ts, "Water it with rain")
    slack.people.delete("Mo", gone.ts)
    stage.reply("Mo", card, "// between us")
    stage.reply("Eve", card, "Hear, hear")
    slack.event_delivery.release(Random(seed).shuffle)
    wanted = ["It is ill", "Water it with rain"]
    await wait_for_transcript(ann, lambda lines: sorted(of_people(lines)) == wanted)
    await slack.settled()
    slack.people.react("Mo", card.ts, "🔁")
    await stage.until(lambda: "back with the agent" in words(card.body))
    slack.event_delivery.twice = lambda delivery: False
    redeliver_events(stage, began)
    await slack.settled()
    await ann.answered((await ann.say("How long can I return a pot?")).message_id)
    # The desk's lane has done all of it once it shows what comes behind it.
    await ann.say(PERSON_PLEASE)
    await stage.in_thread(card, "Handed over to people again")
    lines = await ann.transcript()
    assert sorted(of_people(lines)) == wanted
    assert len([line for line in lines if "30 days" in line["text"]]) == 1
    shown = await stage.parley.admin("GET", f"conversations/{ann.conversation}")
    assert shown["owner"] == "queue"
    assert await card_of(stage, ann) is card
    assert kept.ts in card.room.posts


def redeliver_events(stage: DeskInstallation, began: int) -> None:
    """All events since then, each as an event of its own: Slack does so for up to an hour."""
    told: list[Delivery] = [each for each in stage.slack.event_delivery.log[began:] if each.what == "events_api"]
    assert len(told) > 10
    for delivery in told:
        stage.slack.event_delivery.again(delivery, event_ids=[f"Ev{uuid.uuid4().hex[:10].upper()}"])


async def test_a_card_that_is_deleted_while_somebody_holds_the_conversation_is_followed_by_one_that_says_so(
    stage: DeskInstallation, ann: Contact
) -> None:
    """Though nothing else has changed. What was written below the old one has gone out; what is written below the new
    one does. Below the old one, which Slack leaves as a gap, stands what was shown there; nothing stands twice."""
    await ann.say(PERSON_PLEASE)
    card = await card_of(stage, ann)
    await wait_for_claim(stage, card)
    stage.reply("Mo", card, "One moment")
    stage.slack.remove(card)
    await wait_for_transcript(ann, lambda lines: of_people(lines) == ["One moment"])
    await stage.until(lambda: len([each for each in stage.cards if ann.conversation in str(each.body)]) == 1)
    fresh = await card_of(stage, ann)
    assert fresh is not card
    await stage.until(lambda: "with Mo" in words(fresh.body))
    await ann.say("Are you still there?")
    await stage.in_thread(fresh, "Are you still there?")
    stage.reply("Mo", fresh, "I am")
    await wait_for_transcript(ann, lambda lines: of_people(lines) == ["One moment", "I am"])
    await ann.say("Good to know")
    await stage.in_thread(fresh, "Good to know")
    both = "\n".join(words(post.body) for each in (card, fresh) for post in stage.thread(each))
    assert [both.count(text) for text in ("Are you still there?", "Good to know")] == [1, 1]
