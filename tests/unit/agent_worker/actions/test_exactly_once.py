"""An action that was interrupted, or whose answer is not clear, is never done again, and somebody is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_worker.actions import ActionContext
from agent_worker.voice import DEFAULT_VOICE
from schemas import topics
from schemas.actions import ActionIntended
from schemas.conversation import OwnerRequested
from schemas.errors import BusUnavailable, Fenced
from schemas.messages import OutboundMessage
from schemas.ports import Record
from tests.simulators.payments import Mood
from tests.unit.agent_worker.actions.shop import Shop, another_worker, open_shop, refund
from tests.unit.agent_worker.worker_environment import LaneStub, wait_until

UNCLEAR = DEFAULT_VOICE.action_being_checked
DONE = "Refund R-1 of 12.50 is on its way."
LOST = DEFAULT_VOICE.action_check_failed
NOT_DONE = DEFAULT_VOICE.action_failed


async def cut_off(shop: Shop, lane: LaneStub) -> None:
    """The worker is gone in the middle of its call; somebody else gets the same records."""
    shop.payments.pause = 30
    running = asyncio.create_task(shop.worker.handle(lane))
    await wait_until(lambda: bool(shop.payments.done))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    shop.payments.pause = 0


@pytest.mark.parametrize("mood", ["slow_after", "error_after", "html_after", "drops_after"])
@pytest.mark.parametrize("declared", [False, True], ids=["python", "http"])
async def test_a_payment_that_was_made_without_a_clear_answer_is_looked_up_and_told(
    tmp_path: Path, mood: Mood, declared: bool
) -> None:
    async with open_shop(tmp_path, declared=declared) as shop:
        pending = await shop.ask()
        shop.payments.moods = [mood]
        await shop.hear(shop.yes(pending))
        assert await shop.last() == UNCLEAR
        assert await shop.resolve() == 0, "not before its due time: whoever was to do it may still be at it"
        shop.world.clock.advance(seconds=36)
        assert await shop.resolve() == 1
        assert await shop.last() == ("Done.\n\n- Refund: R-1\n- Amount: 12.50" if declared else DONE)
        assert shop.payments.effects() == {"A-1001 12.50": 1}
        assert shop.payments.asked["pay"] == 1
        assert await shop.outcomes() == ["refund unknown", "refund succeeded"]
        shop.world.clock.advance(seconds=600)
        assert await shop.resolve() == 0


async def test_an_answer_that_says_no_is_the_last_word(shop: Shop) -> None:
    pending = await shop.ask()
    shop.payments.moods = ["refuses"]
    await shop.hear(shop.yes(pending))
    assert await shop.last() == f"{DEFAULT_VOICE.action_refused} This order was paid back before."
    assert await shop.outcomes() == ["refund refused"]
    shop.world.clock.advance(seconds=60)
    assert await shop.resolve() == 0


@pytest.mark.parametrize(
    ("absent", "told", "owner"),
    [("unsure", LOST, "queue"), ("not_done", NOT_DONE, "agent")],
    ids=["unsure", "not_done"],
)
async def test_a_failed_lookup_hands_off_unless_it_proves_that_nothing_was_done(
    tmp_path: Path, absent: str, told: str, owner: str
) -> None:
    async with open_shop(tmp_path, declared=True, absent=absent) as shop:
        pending = await shop.ask()
        shop.payments.moods = ["error_before"]
        await shop.hear(shop.yes(pending))
        shop.world.clock.advance(seconds=36)
        assert await shop.resolve() == 1
        assert await shop.last() == told
        assert (await shop.world.known()).owner == owner
        assert shop.payments.done == []


async def test_a_provider_that_forgot_the_key_leaves_it_to_a_person_and_nothing_is_paid_twice(shop: Shop) -> None:
    pending = await shop.ask()
    shop.payments.moods, shop.payments.forgets = ["slow_after"], True
    await shop.hear(shop.yes(pending))
    shop.world.clock.advance(seconds=36)
    await shop.resolve()
    assert await shop.last() == LOST
    known = await shop.world.known()
    assert known.owner == "queue"
    notice = (await shop.world.replies())[-1]
    assert notice.author.kind == "system", "an owner change must not drop it"
    asked = await shop.world.payloads(topics.inbound("web"), topics.OWNER_REQUESTED, OwnerRequested)
    assert asked[-1].reason == "in doubt: refund"
    assert shop.payments.effects() == {"A-1001 12.50": 1}


async def test_a_look_up_that_fails_is_tried_again_and_given_up_on_after_ten_minutes(shop: Shop) -> None:
    pending = await shop.ask()
    shop.payments.moods, shop.payments.away = ["slow_after"], True
    await shop.hear(shop.yes(pending))
    shop.world.clock.advance(seconds=36)
    assert await shop.resolve() == 0
    assert await shop.resolve() == 0
    assert shop.payments.asked["find"] == 1, "not again at once"
    shop.world.clock.advance(seconds=6)
    assert await shop.resolve() == 0
    assert shop.payments.asked["find"] == 2
    shop.world.clock.advance(seconds=600)
    assert await shop.resolve() == 1
    assert await shop.last() == LOST


async def test_a_worker_cut_off_in_its_call_leaves_it_in_doubt_and_the_next_one_does_not_repeat_it(shop: Shop) -> None:
    pending = await shop.ask()
    lane = await shop.world.lane(shop.yes(pending))
    await cut_off(shop, lane)
    await another_worker(shop).handle(lane)
    assert await shop.last() == UNCLEAR
    assert shop.payments.asked["pay"] == 1
    assert (await shop.memory()).confirmation is None
    shop.world.clock.advance(seconds=36)
    await shop.resolve()
    assert await shop.last() == DONE
    assert shop.payments.effects() == {"A-1001 12.50": 1}


async def test_more_words_after_the_crash_do_not_ask_for_the_yes_once_more(shop: Shop) -> None:
    """The fold is another one then; what was begun under the yes is told all the same."""
    pending = await shop.ask()
    shop.payments.honours = False
    first = await shop.world.lane(shop.yes(pending))
    await cut_off(shop, first)
    again = await shop.world.lane(shop.yes(pending), shop.world.said("more", 'status {"order": "A-1001"}'))
    await shop.worker.handle(again)
    assert [reply.text for reply in (await shop.world.replies())[-2:]] == [UNCLEAR, "- Status: on its way"]
    assert (await shop.memory()).confirmation is None
    assert shop.payments.asked["pay"] == 1


async def test_a_turn_that_acted_before_it_was_cut_off_begins_nothing_else(shop: Shop) -> None:
    """A model that asks for something else the second time is told so; the contact may ask again."""
    lane = await shop.world.lane(shop.world.said("m1", 'note {"order": "A-1001"}'))
    await cut_off(shop, lane)
    more = await shop.world.lane(
        shop.world.said("m1", 'note {"order": "A-1001"}'), shop.world.said("m2", 'note {"order": "A-2002"}')
    )
    await shop.worker.handle(more)
    assert shop.payments.effects() == {"A-1001 note": 1}
    assert [result.reason for result in shop.model.results[-2:]] == ["interrupted_before"] * 2
    await shop.say("m3", 'note {"order": "A-2002"}')
    assert shop.payments.effects() == {"A-1001 note": 1, "A-2002 note": 1}


async def test_an_outcome_that_comes_late_is_told_by_whoever_resolves(shop: Shop) -> None:
    """The first worker was only slow: its word comes after the contact was told of the doubt."""
    pending = await shop.ask()
    lane = await shop.world.lane(shop.yes(pending))
    shop.payments.pause = 0.2
    slow = asyncio.create_task(shop.worker.handle(lane))
    await wait_until(lambda: bool(shop.payments.done))
    await another_worker(shop).handle(lane)
    assert await shop.last() == UNCLEAR
    with contextlib.suppress(Fenced):
        await slow
    shop.world.clock.advance(seconds=36)
    assert await shop.resolve() == 1
    assert await shop.last() == DONE
    assert shop.payments.asked["find"] == 0, "it was known"


async def test_a_person_who_takes_over_during_the_call_leaves_the_outcome_to_be_told(shop: Shop) -> None:
    """The turn's commit fails for the owner, and the next attempt answers nothing: what was done is told."""
    pending = await shop.ask()
    lane = await shop.world.lane(shop.yes(pending))
    shop.payments.pause = 0.15
    running = asyncio.create_task(shop.worker.handle(lane))
    await wait_until(lambda: bool(shop.payments.done))
    await shop.world.state.conversations.own(
        shop.world.conversation, "person", expected_epoch=0, request_id="claim", by="Rosa", now=shop.world.clock()
    )
    with pytest.raises(Fenced):
        await running
    await shop.worker.handle(lane)
    notice = (await shop.world.replies())[-1]
    assert (notice.text, notice.author.kind) == (DONE, "system")
    assert await shop.outcomes() == ["refund succeeded"]
    assert (await shop.memory()).confirmation is None
    assert shop.payments.asked["pay"] == 1


async def test_a_worker_cut_off_after_a_colleagues_yes_does_not_repeat_it_either(shop: Shop) -> None:
    pending = await shop.ask("80.00")
    await shop.hear(shop.yes(pending))
    (approval,) = (await shop.memory()).approvals
    lane = await shop.world.lane(await shop.decided(approval.id, "approve", "one"))
    await cut_off(shop, lane)
    await another_worker(shop).handle(lane)
    assert await shop.last() == UNCLEAR
    shop.world.clock.advance(seconds=36)
    await shop.resolve()
    assert await shop.last() == DONE.replace("12.50", "80.00")
    assert shop.payments.asked["pay"] == 1


@pytest.mark.parametrize("amount", ["12.50", "12.5"])
async def test_while_it_is_in_doubt_the_same_is_not_done_under_another_yes(shop: Shop, amount: str) -> None:
    """A contact who hears nothing asks again; with another amount it is another refund."""
    pending = await shop.ask()
    shop.payments.moods, shop.payments.forgets, shop.payments.honours = ["slow_after"], True, False
    await shop.hear(shop.yes(pending))
    await shop.say("again", f'refund {{"order": "A-1001", "amount": "{amount}"}}')
    assert await shop.last() == DEFAULT_VOICE.earlier_action_being_checked
    assert shop.model.results[-1].reason == "in_doubt"
    assert (await shop.memory()).confirmation is None
    shop.world.clock.advance(seconds=36)
    await shop.resolve()
    await shop.hear(shop.world.owner_asked("agent", 1, "back"))
    await shop.say("after", f'refund {{"order": "A-1001", "amount": "{amount}"}}')
    assert shop.model.results[-1].reason == "in_doubt", "a person has to find out"
    await shop.hear(shop.yes(await shop.ask("7.00", name="other"), "yes-other"))
    assert shop.payments.effects() == {"A-1001 12.50": 1, "A-1001 7.00": 1}


def _no_report(_context: object, _arguments: object, _result: object) -> str:
    raise KeyError("a mistake in the sentence")


async def test_a_report_that_fails_does_not_undo_what_was_done(tmp_path: Path) -> None:
    async with open_shop(tmp_path, actions=[replace(refund, report=_no_report)]) as shop:
        await shop.hear(shop.yes(await shop.ask()))
        assert await shop.last() == "Done.\n\n- Refund: R-1\n- Amount: 12.50"


async def _no_model(context: ActionContext, arguments: Any) -> Any:
    await refund.run(context, arguments)
    return {"refund": "R-1"}


async def test_an_answer_that_is_no_model_is_not_clear(tmp_path: Path) -> None:
    async with open_shop(tmp_path, actions=[replace(refund, run=_no_model)]) as shop:
        await shop.hear(shop.yes(await shop.ask()))
        assert await shop.last() == UNCLEAR
        shop.world.clock.advance(seconds=36)
        await shop.resolve()
        assert await shop.last() == DONE


class InterruptingLane(LaneStub):
    """Something arrives just when the turn begins to act."""

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        super().on_arrival(call)
        if self.more:
            self._queue, self.more = self.more, []
            self.arrived.set()

    more: list[Record] = []


async def test_a_message_that_arrives_before_the_first_write_is_read_first(shop: Shop) -> None:
    """Sealing: the yes is not acted upon while something newer from the contact waits."""
    pending = await shop.ask()
    lane = InterruptingLane(await shop.world.records(shop.yes(pending)))
    lane.more = await shop.world.records(shop.world.said("wait", "wait!"))
    await shop.worker.handle(lane)
    assert shop.payments.done == []
    assert (await shop.pending()).id != pending.id
    assert not lane.left


async def test_a_message_that_arrives_after_the_first_write_waits_for_the_next_turn(shop: Shop) -> None:
    pending = await shop.ask()
    lane = await shop.world.lane(shop.yes(pending))
    shop.payments.pause = 0.05  # well under the action's timeout
    running = asyncio.create_task(shop.worker.handle(lane))
    await wait_until(lambda: bool(shop.payments.done))
    lane.arrive(*await shop.world.records(shop.world.said("wait", "wait!")))
    await running
    assert await shop.last() == DONE
    assert len(lane.left) == 1


async def test_a_log_that_cannot_be_written_before_the_call_lets_the_turn_begin_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = await shop.ask()
    append = shop.world.bus.append

    async def broken(envelopes, **more):  # type: ignore[no-untyped-def]
        if any(event.type == topics.ACTION_INTENDED for event in envelopes):
            raise BusUnavailable("away")
        return await append(envelopes, **more)

    monkeypatch.setattr(shop.world.bus, "append", broken)
    lane = await shop.world.lane(shop.yes(pending))
    with pytest.raises(BusUnavailable):
        await shop.worker.handle(lane)
    assert shop.payments.done == []
    monkeypatch.undo()
    await shop.worker.handle(lane)
    assert shop.payments.effects() == {"A-1001 12.50": 1}
    assert await shop.last() == DONE


async def test_a_log_that_takes_too_long_lets_nothing_begin_after_the_deadline(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From then on others look whether it was done, and must not be overtaken by whoever does it."""
    pending = await shop.ask()
    append = shop.world.bus.append

    async def slow(envelopes, **more):  # type: ignore[no-untyped-def]
        if any(event.type == topics.ACTION_INTENDED for event in envelopes):
            shop.world.clock.advance(seconds=6)
        return await append(envelopes, **more)

    monkeypatch.setattr(shop.world.bus, "append", slow)
    await shop.hear(shop.yes(pending))
    assert shop.payments.asked["pay"] == 0
    assert await shop.last() == NOT_DONE
    assert await shop.outcomes() == ["refund failed"]


async def test_a_log_that_cannot_be_written_after_the_call_loses_no_outcome(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = await shop.ask()
    append = shop.world.bus.append

    async def broken(envelopes, **more):  # type: ignore[no-untyped-def]
        if any(event.type == topics.ACTION_SETTLED for event in envelopes):
            raise BusUnavailable("away")
        return await append(envelopes, **more)

    monkeypatch.setattr(shop.world.bus, "append", broken)
    lane = await shop.world.lane(shop.yes(pending))
    with pytest.raises(BusUnavailable):
        await shop.worker.handle(lane)
    monkeypatch.undo()
    await shop.worker.handle(lane)
    assert await shop.last() == DONE
    assert shop.payments.asked["pay"] == 1
    (settled,) = await shop.settled()
    assert settled.outcome == "succeeded"


async def test_the_intent_is_on_the_log_before_the_call_with_all_that_is_needed_to_look(shop: Shop) -> None:
    pending = await shop.ask()
    lane = await shop.world.lane(shop.yes(pending))
    await cut_off(shop, lane)
    (intended,) = await shop.facts(topics.ACTION_INTENDED, ActionIntended)
    assert intended.key == shop.payments.done[0]["key"]
    assert intended.arguments == {"order": "A-1001", "amount": "12.50", "currency": "EUR"}
    assert (intended.authority, intended.contact_id) == (pending.id, "contact-1")
    assert intended.due > intended.deadline > intended.at
    assert await shop.settled() == []


async def test_the_answer_of_the_turn_is_the_same_message_however_often_it_is_tried(shop: Shop) -> None:
    pending = await shop.ask()
    lane = await shop.world.lane(shop.yes(pending))
    await cut_off(shop, lane)
    for _ in range(3):
        await another_worker(shop).handle(lane)
    replies: list[OutboundMessage] = await shop.world.replies()
    assert [reply.text for reply in replies[1:]] == [UNCLEAR]
