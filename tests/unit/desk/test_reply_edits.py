"""Edits and deletions of replies after the customer has them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connectors.desk.commands import reply_edits
from schemas import topics
from schemas.conversation_activity import MessageDeleted, MessageEdited
from tests.simulators.slack.workspace import Post
from tests.unit.desk.conftest import DeskEnvironment
from tests.unit.desk.slack_team import DeskThread, Team

OUT = topics.outbound("web")


@pytest.fixture
async def team(world: DeskEnvironment) -> AsyncIterator[Team]:
    async with Team(world, revises=frozenset({"web"})).at_work() as team:
        yield team


async def send_reply(team: Team) -> tuple[DeskThread, Post]:
    """A reply of Ben's that the customer has."""
    talk = await team.open()
    await talk.claim("Ben")
    post = talk.say("Ben", "Hello")
    await team.quiet()
    await team.deliver()
    return talk, post


async def edits(team: Team) -> list[str]:
    return [event.payload(MessageEdited).text for event in await team.told(topics.MESSAGE_REVISE, OUT)]


async def test_an_edit_of_what_is_out_is_made_for_the_customer_too(team: Team) -> None:
    talk, post = await send_reply(team)
    team.slack.people.edit("Ben", post.ts, "Hello there")
    await team.quiet()
    (told,) = await team.told(topics.MESSAGE_REVISE, OUT)
    change = told.payload(MessageEdited)
    (reply,) = await team.inbound(topics.MESSAGE_RECEIVED)
    assert (change.text, told.conversation) == ("Hello there", talk.id)
    known = await team.world.state.deliveries.outcome(talk.id, change.message_id)
    assert known is not None
    assert known.external_id == "x"
    assert change.message_id != reply.id
    assert team.whispers("Ben") == []


async def test_a_deletion_of_what_is_out_is_made_for_the_customer_too(team: Team) -> None:
    talk, post = await send_reply(team)
    await talk.press("Ben", "Return")
    await talk.is_with("agent")
    team.slack.people.delete("Ben", post.ts)
    await team.quiet()
    (told,) = await team.told(topics.MESSAGE_RETRACT, OUT)
    assert told.payload(MessageDeleted).place == "visitor-1"


@pytest.mark.parametrize("text", ["// they are difficult", "🔒 difficult"])
async def test_an_edit_that_makes_a_note_of_what_is_out_is_not_told_to_the_customer(team: Team, text: str) -> None:
    _, post = await send_reply(team)
    team.slack.people.edit("Ben", post.ts, text)
    await team.quiet()
    assert await edits(team) == []
    assert team.whispers("Ben") == [reply_edits.UNCHANGED]


async def test_a_former_owner_cannot_edit_replies(team: Team) -> None:
    talk, post = await send_reply(team)
    await talk.press("Ben", "Return")
    await talk.is_with("agent")
    team.slack.people.edit("Ben", post.ts, "Hello there")
    await team.quiet()
    assert await edits(team) == []
    assert team.whispers("Ben") == [reply_edits.UNCHANGED]


async def test_a_reply_that_stayed_inside_is_nothing_to_change(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    post = talk.say("Cleo", "difficult")
    await team.quiet()
    team.slack.people.edit("Cleo", post.ts, "not so difficult")
    team.slack.people.delete("Cleo", post.ts)
    await team.quiet()
    assert await edits(team) == []
    assert await team.told(topics.MESSAGE_RETRACT, OUT) == []


async def test_a_change_does_not_overtake_the_reply_that_it_changes(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    post = talk.say("Ben", "Hello")
    await team.quiet()
    team.slack.people.edit("Ben", post.ts, "Hello there")
    await team.heard()
    assert await edits(team) == []
    await team.deliver()
    await team.quiet()
    assert await edits(team) == ["Hello there"]


async def test_the_author_is_told_when_a_reply_cannot_be_edited(world: DeskEnvironment) -> None:
    async with Team(world).at_work() as team:
        _, post = await send_reply(team)
        team.slack.people.edit("Ben", post.ts, "Hello there")
        team.slack.people.delete("Ben", post.ts)
        await team.quiet()
        assert await edits(team) == []
        assert team.whispers("Ben") == [reply_edits.UNCHANGED, reply_edits.NOT_DELETABLE]
