"""Acts of people at the desk, from Slack's event to the customer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from connectors.desk.commands import reply_edits
from connectors.desk.inbound.permissions import RECHECK_BURST
from schemas import topics
from schemas.conversation import Conversation
from schemas.desk import DeskCommand, HandoffResolved
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, Parked
from schemas.ports import Batch, Bus, Position
from tests.simulators.vendor import Fault, File
from tests.unit.desk.conftest import DeskEnvironment
from tests.unit.desk.slack_team import COLLEAGUES, GROUP, DeskThread, Team, wait_until

PDF = File("offer.pdf", "application/pdf", b"%PDF-1.4\n%%EOF\n")


@pytest.fixture
async def team(world: DeskEnvironment) -> AsyncIterator[Team]:
    async with Team(world).at_work() as team:
        yield team


@pytest.fixture
async def patient(world: DeskEnvironment) -> AsyncIterator[Team]:
    """Holds replies until somebody does something about them."""
    async with Team(world, undo=30.0).at_work() as team:
        yield team


async def test_the_holders_reply_goes_to_the_customer_and_nobody_elses_does(team: Team) -> None:
    talk = await team.open()
    talk.say("Ben", "who takes this?")
    await talk.claim("Ben")
    talk.say("Ben", "Hello & welcome", files=[PDF])
    talk.say("Cleo", "be nice to them")
    await team.quiet()
    assert await team.seen() == {talk.id: [("Hello & welcome", 1)]}
    assert team.whispers("Cleo") == ["Ben holds this conversation, so what you write here stays internal."]
    assert team.carrier.strays == []


async def test_a_reply_reads_the_same_elsewhere_and_names_whom_it_mentions(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    talk.say("Ben", "*Hello*, @Cleo knows :+1:")
    await team.quiet()
    assert await team.seen() == {talk.id: [("**Hello**, @Cleo knows 👍", 0)]}


async def test_a_claim_is_decided_when_slack_is_answered(team: Team) -> None:
    talk = await team.open()
    await talk.press("Ben", "Claim")
    found = await talk.now()
    assert found.owner == "person"
    assert found.holder is not None
    assert (found.holder.by, found.holder.name) == (f"slack:{team.slack.person('Ben').id}", "Ben")
    (asked,) = await team.inbound(topics.OWNER_REQUESTED)
    assert asked.conversation == talk.id


async def test_of_five_who_claim_at_once_one_wins_and_the_others_are_told_who(team: Team) -> None:
    talk = await team.open()
    await asyncio.gather(*(talk.press(name, "Claim") for name in COLLEAGUES))
    found = await talk.now()
    assert found.holder is not None
    assert found.epoch == 2
    winner = found.holder.name
    for name in COLLEAGUES:
        assert team.whispers(name) == ([] if name == winner else [f"Claimed by {winner}."])


async def test_a_claim_that_lost_takes_nothing_when_it_is_told_again(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    await talk.claim("Cleo")
    lost = team.slack.event_delivery.log[-1]
    await talk.press("Ben", "Release")
    await team.quiet()
    assert (await talk.now()).owner == "queue"
    team.slack.event_delivery.again(lost, times=3)
    await team.quiet()
    assert (await talk.now()).owner == "queue"


async def test_an_undone_reply_never_goes_out(patient: Team) -> None:
    talk = await patient.open()
    await talk.claim("Ben")
    talk.say("Ben", "wrong window")
    await patient.slack.interactions.press("Ben", await talk.offered("Ben"), "Undo")
    await patient.quiet()
    assert await patient.seen() == {}
    assert patient.whispers("Ben")[1:] == [reply_edits.KEPT_INTERNAL]


async def test_a_reply_that_was_set_aside_can_be_undone_like_any_other(patient: Team, world: DeskEnvironment) -> None:
    """What comes while something of the conversation is parked joins it; the Undo is seen all the same."""
    do, refused = patient.acts.perform, list[str]()

    async def not_at_first(found: Conversation, acted: DeskCommand, batch: Batch) -> None:
        if acted.kind == "reply" and not refused:
            refused.append(acted.id)
            raise Parked("Slack wants us to wait", until=world.clock() + timedelta(minutes=1))
        await do(found, acted, batch)

    vars(patient.acts)["perform"] = not_at_first
    talk = await patient.open()
    await talk.claim("Ben")
    talk.say("Ben", "wrong window")
    await wait_until(lambda: _is_parked(world, talk))
    world.clock.now += timedelta(minutes=2)
    await patient.slack.interactions.press("Ben", await talk.offered("Ben"), "Undo")
    await wait_until(lambda: _is_parked(world, talk, False))
    assert await patient.seen() == {}
    assert patient.whispers("Ben")[1:] == [reply_edits.KEPT_INTERNAL]


async def _is_parked(world: DeskEnvironment, talk: DeskThread, wanted: bool = True) -> bool:
    return bool(await world.state.parking.read(GROUP, talk.id, limit=1)) is wanted


async def test_held_replies_go_out_in_order_before_the_conversation_is_given_back(patient: Team) -> None:
    talk = await patient.open()
    await talk.claim("Ben")
    for text in ("one", "two", "three"):
        talk.say("Ben", text)
    await talk.react("Ben", "🔁")
    await patient.quiet()
    assert await patient.seen() == {talk.id: [("one", 0), ("two", 0), ("three", 0)]}
    assert (await talk.now()).owner == "agent"


async def test_resolving_asks_for_an_outcome_and_tells_it(team: Team) -> None:
    talk = await team.open()
    await talk.press("Ben", "Claim")
    await talk.press("Ben", "Resolve")
    form = {"Outcome": "Solved", "Tags": ["refund"], "Note for colleagues": "sent a new one"}
    assert await team.slack.interactions.submit("Ben", form) is None
    await team.quiet()
    assert (await talk.now()).owner == "closed"
    (told,) = await team.inbound(topics.HANDOFF_RESOLVED)
    word = told.payload(HandoffResolved)
    assert (word.outcome, word.tags, word.note, word.ask) == ("Solved", ["refund"], "sent a new one", True)


async def test_a_rating_that_is_not_wanted_is_not_asked_for(team: Team) -> None:
    talk = await team.open()
    await talk.press("Ben", "Resolve")
    await team.slack.interactions.submit("Ben", {"Outcome": "Not solved", "Rating": []})
    await team.quiet()
    (told,) = await team.inbound(topics.HANDOFF_RESOLVED)
    assert told.payload(HandoffResolved).ask is False


async def test_only_its_holder_resolves_what_somebody_holds(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    await talk.react("Cleo", "✅")
    await team.quiet()
    assert (await talk.now()).owner == "person"
    assert team.whispers("Cleo") == ["Ben holds this conversation. Release it first."]


async def test_it_is_passed_on_to_a_colleague_whose_replies_count_from_then_on(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    await talk.press("Ben", "Transfer")
    await team.slack.interactions.submit("Ben", {"To a colleague": team.slack.person("Cleo").id})
    await team.quiet()
    talk.say("Ben", "I have said all")
    talk.say("Cleo", "Hello from Cleo")
    await team.quiet()
    assert await team.seen() == {talk.id: [("Hello from Cleo", 0)]}


async def test_guests_outsiders_and_bots_do_nothing_and_are_told_so(team: Team) -> None:
    talk = await team.open()
    for name, kind in (("Gil", "guest"), ("Otto", "outsider"), ("Robo", "bot")):
        team.slack.people.join(team.room, name, kind)  # type: ignore[arg-type]
    for name in ("Gil", "Otto"):
        await talk.press(name, "Claim")
        talk.say(name, "me!")
    talk.say("Robo", "beep")
    await team.quiet()
    assert (await talk.now()).owner == "queue"
    assert await team.seen() == {}
    assert all("Only members" in text for name in ("Gil", "Otto") for text in team.whispers(name))
    assert team.whispers("Gil")


async def claims_from_outside(talk: DeskThread, name: str) -> None:
    """Of a channel that they only look at."""
    team = talk.team
    await team.bring(*team.captured(lambda: team.slack.people.react(name, talk.root, "👀")))


async def test_a_new_member_may_act_at_once_also_after_others_were_refused(team: Team) -> None:
    talk = await team.open()
    for name in ("Gus", "Hal"):
        await claims_from_outside(talk, name)
        assert (await talk.now()).owner == "queue"
    team.captured(lambda: team.slack.people.react("Gus", talk.root, "👀", removed=True))
    team.slack.people.join(team.room, "Gus")
    await talk.claim("Gus")
    holder = (await talk.now()).holder
    assert holder is not None
    assert holder.name == "Gus"


async def test_repeated_refusals_do_not_use_up_the_rate_limit(team: Team) -> None:
    """Slack lets an app ask so often and no more."""
    talk = await team.open()
    for number in range(3 * RECHECK_BURST):
        await claims_from_outside(talk, f"Gus {number}")
    asked = [each for each in team.slack.ledger.requests if each.operation == "conversations.members"]
    assert 2 <= len(asked) < 2 * RECHECK_BURST
    assert (await talk.now()).owner == "queue"


async def test_while_slack_cannot_say_who_may_act_it_is_told_to_come_again(team: Team) -> None:
    talk = await team.open()
    team.slack.faults.next(Fault("refuse", "conversations.members", status=503))
    team.slack.pace = 0.0
    team.slack.event_delivery.pace = 0.0
    await talk.claim("Ben")
    await team.quiet()
    assert (await talk.now()).owner == "person"
    assert len(team.slack.event_delivery.log[-1].outcomes) == 2


async def test_a_file_that_cannot_be_had_is_told_and_the_words_go_out(team: Team) -> None:
    talk = await team.open()
    await talk.claim("Ben")
    big = File("film.pdf", "application/pdf", b"%PDF-1.4" + b"x" * 2_000_000)
    talk.say("Ben", "see this", files=[big])
    talk.say("Ben", "", files=[big])
    await team.quiet()
    assert await team.seen() == {talk.id: [("see this", 0)]}
    assert team.whispers("Ben") == ["“film.pdf” was not sent to the customer: it is too large."] * 2


class Flaky:
    """The bus, which fails when it is first asked for something of each kind, after it was written or before."""

    def __init__(self, bus: Bus, *, after: bool) -> None:
        self._bus = bus
        self._after = after
        self.failed: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def append(self, envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
        kind = envelopes[-1].type
        if kind in self.failed:
            return await self._bus.append(envelopes, topic=topic)
        self.failed.add(kind)
        if self._after:
            await self._bus.append(envelopes, topic=topic)
        raise BusUnavailable("away for a moment", retry_after_ms=10)


@pytest.mark.parametrize("after", [False, True], ids=["before it is written", "after it is written"])
async def test_an_act_that_breaks_off_at_any_append_is_done_once_in_the_end(
    world: DeskEnvironment, after: bool
) -> None:
    world.bus = Flaky(world.bus, after=after)  # type: ignore[assignment]
    made = Team(world)
    made.slack.event_delivery.pace = 0.0
    async with made.at_work() as team:
        talk = await team.open()
        await talk.claim("Ben")
        said = talk.say("Ben", "Hello")
        team.slack.people.edit("Ben", said.ts, "Hello there")
        await talk.react("Ben", "✅")
        await team.quiet()
        # Either is right: the edit may have come in time.
        assert await team.seen() in ({talk.id: [("Hello", 0)]}, {talk.id: [("Hello there", 0)]})
        assert (await talk.now()).owner == "closed"
        assert len({event.id for event in await team.inbound(topics.HANDOFF_RESOLVED)}) == 1
        assert world.bus.failed >= {topics.OWNER_REQUESTED, topics.DESK_COMMAND, topics.MESSAGE_RECEIVED}  # type: ignore[attr-defined]


async def test_a_reply_that_is_held_when_its_lane_moves_on_is_held_by_the_next_and_goes_out_once(
    world: DeskEnvironment,
) -> None:
    made = Team(world, undo=30.0)
    async with made.at_work() as team:
        talk = await team.open()
        await talk.claim("Ben")
        talk.say("Ben", "Hello")
        await talk.offered("Ben")
    made = Team(world, undo=30.0, number=1)
    async with made.at_work() as team:
        talk.team = team
        await talk.react("Ben", "🔁")
        await team.quiet()
        assert await team.seen() == {talk.id: [("Hello", 0)]}


async def test_shortcuts_on_messages_do_what_buttons_and_reactions_do(patient: Team) -> None:
    talk = await patient.open()
    card = patient.slack.post(talk.root)
    await patient.slack.interactions.shortcut("Ben", "parley_claim", card)
    assert (await talk.now()).owner == "person"
    kept = talk.say("Ben", "only for us")
    await patient.heard()
    await patient.slack.interactions.shortcut("Ben", "parley_note", kept)
    await patient.quiet()
    await patient.slack.interactions.shortcut("Ben", "parley_resolve", talk.say("Cleo", "done?"))
    assert patient.slack.interactions.view("Ben").body["callback_id"] == "parley-desk:resolve"
    await patient.slack.interactions.shortcut("Ben", "parley_return", card)
    await patient.quiet()
    assert await patient.seen() == {}
    assert (await talk.now()).owner == "agent"
