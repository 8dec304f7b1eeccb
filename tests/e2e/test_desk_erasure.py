"""Posts about a contact go from the desk with the contact: cards say so, everything else of ours is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connectors.desk.contents import ErasureNotice
from tests.e2e.slack_desk import DeskInstallation, open_visitor, wait_for_transcript
from tests.e2e.test_erasure import Person, erase, find_contacts
from tests.harness.chat_client import Contact
from tests.simulators.slack.message_contents import labels, words
from tests.simulators.slack.workspace import Post

NOTICE = ErasureNotice().text


@pytest.fixture
async def bob(stage: DeskInstallation) -> AsyncIterator[Contact]:
    async with open_visitor(stage, "bob") as contact:
        yield contact


async def bring_to_desk(stage: DeskInstallation, person: Person) -> Post:
    """The contact asks for somebody and says more; returns the card."""
    cards = len(stage.cards)
    await person.contact.say(f"I want to talk to a person please, about {person.canary}")
    await wait_for_transcript(person.contact, lambda lines: any("A colleague" in line["text"] for line in lines))
    await stage.until(lambda: len(stage.cards) > cards)
    card = next(each for each in stage.cards if person.canary in words(each.body))
    await stage.claimed("Mo", card)
    await person.contact.say(f"It is about {person.canary}")
    await stage.in_thread(card, f"It is about {person.canary}")
    return card


def shown_at_desk(stage: DeskInstallation, canary: str) -> list[str]:
    """Everything in the channel that contains the text."""
    posts = [*stage.room.top(), *(reply for card in stage.cards for reply in stage.thread(card))]
    return [words(post.body) for post in posts if canary in f"{words(post.body)} {post.body!r}"]


async def test_posts_about_an_erased_contact_are_removed_and_counted(
    stage: DeskInstallation, ann: Contact, bob: Contact
) -> None:
    gone, kept = Person(ann), Person(bob)
    card, other = await bring_to_desk(stage, gone), await bring_to_desk(stage, kept)
    await stage.press("Mo", card, "Draft")
    await stage.until(lambda: len(stage.thread(card)) >= 2)
    await find_contacts(stage.parley, [gone, kept])
    shown = len(shown_at_desk(stage, gone.canary))
    assert shown >= 2
    done = await erase(stage.parley, gone)
    assert shown_at_desk(stage, gone.canary) == []
    assert done["stores"]["desk_posts"] >= shown
    assert "desk_posts_left" not in done["stores"]
    (left,) = [each for each in stage.cards if each.ts == card.ts]
    assert NOTICE in words(left.body)
    assert labels(left.body) == []
    assert len(shown_at_desk(stage, kept.canary)) >= 2
    assert "with Mo" in words(next(each for each in stage.cards if each.ts == other.ts).body)


async def test_somebody_who_comes_back_gets_a_card_of_their_own(stage: DeskInstallation, ann: Contact) -> None:
    person = Person(ann)
    card = await bring_to_desk(stage, person)
    await find_contacts(stage.parley, [person])
    await erase(stage.parley, person)
    again = Person(ann)
    following = await bring_to_desk(stage, again)
    assert following.ts != card.ts
    assert NOTICE in words(next(each for each in stage.cards if each.ts == card.ts).body)
