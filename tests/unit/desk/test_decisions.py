"""Drafts and approvals: sent, discarded and decided once, by whoever may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from connectors.desk.commands import decisions
from connectors.desk.contents import Button
from connectors.desk.inbound.pipeline import READ_ONLY
from connectors.desk.rules import DeskPerson
from connectors.slack.desk.block_kit import button
from schemas import topics
from schemas.actions import ActionMemory, ApprovalDecided, PendingApproval
from schemas.desk import DraftRequested, DraftSettled
from schemas.messages import Author, TranscriptMessage
from tests.simulators.slack.workspace import Post
from tests.unit.desk.conftest import DeskEnvironment
from tests.unit.desk.slack_team import DeskThread, Team


@pytest.fixture
async def team(world: DeskEnvironment) -> AsyncIterator[Team]:
    async with Team(world).at_work() as team:
        yield team


def build_post(talk: DeskThread, payload: dict[str, str], *buttons: tuple[str, str, str]) -> Post:
    """A post of the keeper's in the thread."""
    team = talk.team
    body = {
        "user": team.slack.bot.id,
        "bot_id": team.slack.bot.bot_id,
        "text": "A request",
        "thread_ts": talk.root,
        "blocks": [{"type": "actions", "block_id": "b", "elements": [button(Button(*each)) for each in buttons]}],
        "metadata": {"event_type": "parley_desk", "event_payload": payload},
    }
    return team.slack.publish(team.room, team.slack.bot, body)


def draft(talk: DeskThread, text: str = "We deliver to islands.") -> Post:
    acts = (("send_draft", "Send"), ("edit_draft", "Edit"), ("discard_draft", "Discard"))
    buttons = [(act, label, "draft-1") for act, label in acts]
    return build_post(talk, {"id": "m", "draft": "draft-1", "text": text, "model": "local"}, *buttons)


async def list_decided_drafts(team: Team) -> list[tuple[str, str, str]]:
    """Each with the model that wrote it, which training data names."""
    told = {event.id: event.payload(DraftSettled) for event in await team.told(topics.DRAFT_SETTLED)}
    assert {each.model for each in told.values()} <= {"local"}
    return [(each.draft, each.sent, each.outcome) for each in told.values()]


async def test_a_draft_is_asked_for_in_somebodys_name(team: Team) -> None:
    talk = await team.open()
    await talk.press("Ben", "Draft")
    await team.quiet()
    (asked,) = await team.inbound(topics.DRAFT_REQUESTED)
    assert asked.payload(DraftRequested).name == "Ben"


async def test_a_draft_that_is_sent_goes_to_the_customer_once_whoever_presses_again(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    post = draft(talk)
    for _ in range(3):
        await team.slack.interactions.press("Ben", post, "Send")
        await team.quiet()
    assert await team.seen() == {talk.id: [("We deliver to islands.", 0)]}
    assert await list_decided_drafts(team) == [("We deliver to islands.", "We deliver to islands.", "sent")]
    assert set(team.whispers("Ben")) == {decisions.DRAFT_USED}


async def test_an_edited_draft_is_recorded_with_its_original(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    await team.slack.interactions.press("Ben", draft(talk), "Edit")
    assert await team.slack.interactions.submit("Ben", {"To the customer": "We do, from 4.50 euro."}) is None
    await team.quiet()
    assert await team.seen() == {talk.id: [("We do, from 4.50 euro.", 0)]}
    assert await list_decided_drafts(team) == [("We deliver to islands.", "We do, from 4.50 euro.", "edited")]


async def test_only_the_holder_sends_a_draft_and_a_refused_one_can_still_be_sent(team: Team) -> None:
    talk = await team.open()
    post = draft(talk)
    await team.slack.interactions.press("Cleo", post, "Send")
    await team.quiet()
    assert await team.seen() == {}
    assert team.whispers("Cleo") == ["The draft was not sent. Claim it first."]
    await talk.claim("Ben")
    await team.slack.interactions.press("Ben", post, "Send")
    await team.quiet()
    assert await team.seen() == {talk.id: [("We deliver to islands.", 0)]}


async def test_a_discarded_draft_is_told_and_cannot_be_sent_any_more(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    post = draft(talk)
    await team.slack.interactions.press("Ben", post, "Discard")
    await team.quiet()
    await team.slack.interactions.press("Ben", post, "Send")
    await team.quiet()
    assert await team.seen() == {}
    assert await list_decided_drafts(team) == [("We deliver to islands.", "", "discarded")]


async def test_the_words_of_another_message_are_never_sent_as_a_draft(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    post = build_post(talk, {"id": "m", "draft": "another", "text": "secret"}, ("send_draft", "Send", "draft-1"))
    await team.slack.interactions.press("Ben", post, "Send")
    await team.quiet()
    assert await team.seen() == {}
    assert team.whispers("Ben") == ["This draft no longer exists. Please ask for another one."]


async def test_a_line_that_may_be_lost_is_sent_again_once_by_whoever_holds_the_conversation(team: Team) -> None:
    talk = await team.open()
    now = team.world.clock()
    line = TranscriptMessage(
        id="line-1", author=Author(kind="agent"), text="We deliver to islands.", created_at=now, state="unknown"
    )
    await team.world.state.transcript.add(talk.id, line)
    post = build_post(talk, {"id": "m"}, ("resend", "Send again", "line-1"))
    await team.slack.interactions.press("Cleo", post, "Send again")
    await team.quiet()
    assert (await team.seen(), team.whispers("Cleo")) == ({}, ["Claim it first."])
    await talk.claim("Ben")
    for _ in range(2):
        await team.slack.interactions.press("Ben", post, "Send again")
        await team.quiet()
    assert await team.seen() == {talk.id: [("We deliver to islands.", 0)]}
    assert team.whispers("Ben") == [decisions.RESENT]


async def test_a_line_that_arrived_after_all_is_not_sent_again(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    now = team.world.clock()
    line = TranscriptMessage(id="line-1", author=Author(kind="agent"), text="We do.", created_at=now, state="unknown")
    await team.world.state.transcript.add(talk.id, line)
    await team.world.state.transcript.mark(talk.id, ["line-1"], "delivered")
    await team.slack.interactions.press(
        "Ben", build_post(talk, {"id": "m"}, ("resend", "Send again", "line-1")), "Send again"
    )
    await team.quiet()
    assert (await team.seen(), team.whispers("Ben")) == ({}, [decisions.ARRIVED])


async def start_approval(team: Team, talk: DeskThread, *, minutes: float = 60, **more: Any) -> Post:
    """An action of this conversation that waits for a yes, and the request for it."""
    now = team.world.clock()
    approval = PendingApproval(
        id="approval-1",
        action="refund",
        arguments={"amount": "90"},
        digest="d",
        contact_id="c",
        reason="over the limit",
        requested_at=now,
        expires_at=now + timedelta(minutes=minutes),
        **more,
    )
    team.world.conversation = talk.id
    await team.world.change(actions=ActionMemory(approvals=[approval]).model_dump())
    buttons = [(act, act.title(), approval.id) for act in ("approve", "deny")]
    return build_post(talk, {"id": "m"}, *buttons)


async def test_a_members_yes_is_told_with_their_name(team: Team) -> None:
    talk = await team.open()
    post = await start_approval(team, talk)
    await team.slack.interactions.press("Ben", post, "Approve")
    await team.quiet()
    (told,) = await team.inbound(topics.APPROVAL_DECIDED)
    word = told.payload(ApprovalDecided)
    assert (word.approval_id, word.decision, word.by) == ("approval-1", "approve", "Ben")


async def test_a_guest_approves_nothing(team: Team) -> None:
    talk = await team.open()
    post = await start_approval(team, talk)
    team.slack.people.join(team.room, "Gil", "guest")
    await asyncio.gather(*(team.slack.interactions.press("Gil", post, label) for label in ("Approve", "Deny")))
    await team.quiet()
    assert await team.inbound(topics.APPROVAL_DECIDED) == []


async def test_an_expired_or_unknown_request_is_not_decided(team: Team) -> None:
    talk = await team.open()
    late = await start_approval(team, talk, minutes=-1)
    other = build_post(talk, {"id": "m"}, ("approve", "Approve", "approval-of-nobody"))
    for post in (late, other):
        await team.slack.interactions.press("Ben", post, "Approve")
    await team.quiet()
    assert await team.inbound(topics.APPROVAL_DECIDED) == []
    assert team.whispers("Ben") == [decisions.ALREADY_DECIDED] * 2


# ── roles and four eyes ──────────────────────────────────────────────────────────────────────────────────────────────

PEOPLE = {
    "Ben": DeskPerson("admin", "operator:ben"),
    "Cleo": DeskPerson("viewer", "operator:cleo"),
    "Dan": DeskPerson(None, "operator:dan"),
    "Eve": DeskPerson("owner", "operator:eve"),
}
"""Fay is no operator, so she has the role of the desk."""


@pytest.fixture
async def ranked(world: DeskEnvironment) -> AsyncIterator[Team]:
    async with Team(world, people=PEOPLE).at_work() as team:
        yield team


@pytest.mark.parametrize("name", ["Cleo", "Dan"])
async def test_whoever_may_only_read_or_not_even_that_cannot_act(ranked: Team, name: str) -> None:
    talk = await ranked.open()
    post = await start_approval(ranked, talk)
    for label in ("Approve", "Deny"):
        await ranked.slack.interactions.press(name, post, label)
    await ranked.quiet()
    assert await ranked.inbound(topics.APPROVAL_DECIDED) == []
    assert ranked.whispers(name) == [READ_ONLY] * 2


@pytest.mark.parametrize(
    ("least", "name", "is_decided"),
    [
        ("agent", "Fay", True),
        ("agent", "Ben", True),
        ("admin", "Fay", False),
        ("admin", "Ben", True),
        ("owner", "Ben", False),
        ("owner", "Eve", True),
    ],
)
async def test_an_approval_takes_the_role_that_the_action_names(
    ranked: Team, least: str, name: str, is_decided: bool
) -> None:
    talk = await ranked.open()
    post = await start_approval(ranked, talk, role=least)
    await ranked.slack.interactions.press(name, post, "Approve")
    await ranked.quiet()
    assert len(await ranked.inbound(topics.APPROVAL_DECIDED)) == is_decided
    assert ranked.whispers(name) == ([] if is_decided else [decisions.APPROVAL_OBJECTIONS["role_too_low"]])


async def test_the_first_of_two_is_told_that_another_has_to_approve(ranked: Team) -> None:
    talk = await ranked.open()
    post = await start_approval(ranked, talk, people=2)
    await ranked.slack.interactions.press("Ben", post, "Approve")
    await ranked.quiet()
    (told,) = await ranked.inbound(topics.APPROVAL_DECIDED)
    assert told.payload(ApprovalDecided).person == "operator:ben"
    assert ranked.whispers("Ben") == [decisions.FIRST_OF_TWO]


async def test_nobody_approves_twice(ranked: Team) -> None:
    talk = await ranked.open()
    post = await start_approval(ranked, talk, people=2, approved_by=["operator:ben"])
    for name in ("Ben", "Fay"):
        await ranked.slack.interactions.press(name, post, "Approve")
    await ranked.quiet()
    told = [event.payload(ApprovalDecided) for event in await ranked.inbound(topics.APPROVAL_DECIDED)]
    assert [word.person for word in told] == [f"slack:{ranked.slack.person('Fay').id}"]
    assert ranked.whispers("Ben") == [decisions.APPROVAL_OBJECTIONS["same_person"]]
    assert ranked.whispers("Fay") == []
