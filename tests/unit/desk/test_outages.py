"""Slack refuses, stumbles or is away: nothing is lost, nothing is shown twice, and all comes in order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.outbound import sender
from connectors.slack.desk.desk import SlackDesk
from infra.deploy.process import free_port
from schemas import ids
from schemas.errors import Parked
from tests.simulators.slack.message_contents import words
from tests.simulators.vendor import Fault
from tests.unit.desk.conftest import TENANT, DeskEnvironment
from tests.unit.desk.desk_crashes import look_and_die, until_done


def list_shown_lines(world: DeskEnvironment) -> list[str]:
    shown = "\n".join(world.texts())
    return sorted((f"line {number}" for number in range(6) if f"line {number}" in shown), key=shown.index)


async def test_messages_during_a_slack_outage_are_posted_in_order_afterwards(world: DeskEnvironment) -> None:
    await world.hand_off()
    world.slack.faults.always = lambda request: Fault("limit", retry_after=60)
    for number in range(6):
        await world.say(f"line {number}")
        keeper = world.keeper()
        with pytest.raises(Parked):
            await world.look(keeper)
        await keeper.close()
    world.slack.faults.always = lambda request: None
    await until_done(world)
    assert list_shown_lines(world) == [f"line {number}" for number in range(6)]
    assert len(world.cards) == 1


@pytest.mark.parametrize("kind", ["drop_after", "fail_after", "garbage", "drop"])
async def test_a_post_whose_answer_never_came_is_there_once(
    world: DeskEnvironment, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlackDesk, "policy", replace(SlackDesk.policy, deadline=1.0))
    await world.hand_off()
    for number in range(3):
        await world.say(f"line {number}")
    world.slack.faults.next(*(Fault(kind, "chat.postMessage") for _ in range(2)))  # type: ignore[arg-type]
    await until_done(world)
    shown = "\n".join(words(post.body) for post in world.thread)
    assert [shown.count(f"line {number}") for number in range(3)] == [1, 1, 1]
    assert len(world.cards) == 1


@pytest.mark.parametrize("point", ["connector.after_intent", "connector.after_send", "connector.after_record"])
@pytest.mark.parametrize("passage", range(1, 5))
async def test_a_keeper_that_is_killed_anywhere_is_followed_by_one_that_shows_every_line_once(
    world: DeskEnvironment, point: str, passage: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.hand_off()
    for number in range(3):
        await world.say(f"line {number}")
    await look_and_die(world, monkeypatch, point, passage)
    await world.say("line 3")
    await until_done(world)
    assert list_shown_lines(world) == [f"line {number}" for number in range(4)]
    shown = "\n".join(world.texts())
    assert all(shown.count(f"line {number}") == 1 for number in range(4))
    assert len(world.cards) == 1


def count_unreachable(world: DeskEnvironment) -> float | None:
    return world.metrics.registry.get_sample_value("parley_desk_unreachable_total", {"tenant": TENANT})


async def test_a_channel_that_takes_nothing_is_tried_again_later_and_counted(world: DeskEnvironment) -> None:
    """The count is there from the start: whoever watches it sees the first time."""
    await world.keeper().close()
    assert count_unreachable(world) == 0
    room = world.slack.workspace.rooms[world.room]
    room.members.remove(world.slack.bot.id)
    await world.hand_off()
    keeper = world.keeper()
    with pytest.raises(Parked) as parked:
        await world.look(keeper)
    await keeper.close()
    assert parked.value.until > world.clock.now + timedelta(minutes=1)
    assert count_unreachable(world) == 1
    room.members.append(world.slack.bot.id)
    await until_done(world)
    assert len(world.cards) == 1


async def test_desk_posts_are_no_lines_of_the_transcript(world: DeskEnvironment) -> None:
    await world.hand_off()
    line = await world.say("hello")
    await until_done(world)
    assert [each.id for each in await world.state.transcript.read(world.conversation)] == [line.id]
    told = await world.state.deliveries.outcome(world.conversation, ids.derived_id(line.id, "desk"))
    assert told is not None
    assert await world.state.deliveries.by_external_id("shop", "slack", "main", told.external_id) is not None


async def test_while_slack_cannot_be_reached_at_all_everything_waits_and_then_comes_once(
    world: DeskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "get_pause", lambda *_: sender.MAX_WAIT + 1)  # it gives up at once
    here = world.account(TENANT, "slack", "main")
    gone = here.settings.model_copy(update={"api_base": f"http://127.0.0.1:{free_port()}/api/"})
    world.known = replace(here, settings=gone)
    await world.hand_off()
    for number in range(3):
        await world.say(f"line {number}")
        keeper = world.keeper()
        with pytest.raises(Parked):
            await world.look(keeper)
        await keeper.close()
    assert world.slack.ledger.requests == []
    world.known = here
    await until_done(world)
    assert list_shown_lines(world) == [f"line {number}" for number in range(3)]
    assert len(world.cards) == 1
