"""Several things in the messages that wait together: each is answered, or named."""

from __future__ import annotations

import pytest

from agent_worker.voice import DEFAULT_VOICE
from tests.unit.agent_worker.worker_environment import WorkerEnvironment

HEAT, RETURN = "Do you add a heat pack in winter?", "Within how many days can I return pots?"
LEAVE, CUP = "On which days do parcels leave the nursery?", "Who won the world cup in 2014?"
OFFER = DEFAULT_VOICE.person_offer


async def send_and_list_replies(world: WorkerEnvironment, *texts: str) -> list[str]:
    await world.handle(*(world.said(f"m{n}-{text[:20]}", text) for n, text in enumerate(texts)))
    return [reply.text for reply in await world.replies()]


async def test_unanswerable_questions_are_named_beside_the_answered_ones(world: WorkerEnvironment) -> None:
    (text,) = await send_and_list_replies(world, HEAT, CUP)
    assert "heat pack to every parcel" in text
    assert text.endswith(f"\n\nI found nothing about “{CUP}”. {OFFER}")
    (reply,) = await world.replies()
    assert [choice.id for choice in reply.choices] == ["person"]
    (turn,) = await world.turns()
    assert "no answer to 1 of the questions" in turn.reasons


async def test_questions_in_one_message_are_treated_like_messages(world: WorkerEnvironment) -> None:
    (text,) = await send_and_list_replies(world, f"Hi! {HEAT} {CUP} {RETURN} Thanks!")
    assert "heat pack to every parcel" in text
    assert "within 30 days" in text
    assert f"“{CUP}”" in text


async def test_four_that_wait_are_all_answered_in_the_order_asked_with_a_title_each(world: WorkerEnvironment) -> None:
    (text,) = await send_and_list_replies(world, LEAVE, HEAT, RETURN, CUP)
    places = [text.index(part) for part in (f"“{LEAVE}”", f"“{HEAT}”", "heat pack to", f"“{RETURN}”", "within 30 days")]
    assert places == sorted(places)
    (reply,) = await world.replies()
    assert [one.n for one in reply.citations] == list(range(1, len(reply.citations) + 1))


async def test_none_of_ten_is_dropped(world: WorkerEnvironment) -> None:
    """Eight are looked up; the others are named, to be sent again."""
    asked = [HEAT, RETURN, LEAVE, *(f"Do you sell {thing} for spaceships?" for thing in "abcdefg")]
    (text,) = await send_and_list_replies(world, *asked)
    assert all(f"“{one}”" in text for one in asked)
    assert "I have not answered “Do you sell f for spaceships?”, “Do you sell g for spaceships?” yet." in text


async def test_when_none_is_answered_all_are_named(world: WorkerEnvironment) -> None:
    (text,) = await send_and_list_replies(world, CUP, "Who is the king of France?")
    assert text == f"I found nothing about “{CUP}”, “Who is the king of France?”. {OFFER}"
    assert (await world.known()).facts.declined_in_a_row == 1


async def test_a_wish_for_a_person_is_granted_below_the_answer(world: WorkerEnvironment) -> None:
    (text,) = await send_and_list_replies(world, HEAT, "I want to talk to a human")
    assert "heat pack to every parcel" in text
    assert text.endswith("A colleague comes.")
    assert (await world.turns())[0].outcome == "person"


@pytest.mark.parametrize("other", ["Hello!", "Thanks a lot!", "bye"])
async def test_courtesy_beside_a_question_needs_no_answer(world: WorkerEnvironment, other: str) -> None:
    (text,) = await send_and_list_replies(world, HEAT, other)
    assert "heat pack to every parcel" in text
    assert OFFER not in text


async def test_a_correction_overrides_what_it_corrects(world: WorkerEnvironment) -> None:
    await world.put(
        "zones", "# Zones\n\n| Zone | Price |\n|---|---|\n| Austria | 11.95 euro |\n| Norway | 32.95 euro |"
    )
    await world.library.search("shop", "norway", wait=5)
    (text,) = await send_and_list_replies(
        world, "What is the price to Austria?", RETURN, "no wait, to Norway not Austria"
    )
    assert "32.95 euro" in text
    assert "11.95" not in text
    assert "within 30 days" in text


async def test_an_edit_of_a_waiting_message_is_what_is_answered(world: WorkerEnvironment) -> None:
    await world.handle(world.said("m0", CUP), world.said("m1", RETURN), world.edited("m0", HEAT))
    (reply,) = await world.replies()
    assert "heat pack to every parcel" in reply.text
    assert CUP not in reply.text


ARRIVAL = """# Arrival

## When can I check in?

Check-in is from 3 pm to 9 pm.

## Pets

Dogs are welcome at 12 euro per night. Tell us that you bring a dog when you book.

## Kitchen

The guest kitchen has a stove and an oven.
"""


@pytest.mark.parametrize(
    ("text", "said", "named"),
    [
        ("When is check in and when is check out?", "from 3 pm to 9 pm", "“when is check out?”"),
        ("Is there a kitchen and a swimming pool?", "guest kitchen", "“Is there a swimming pool?”"),
        ("Do I have to tell you that I bring a dog and does it cost anything?", "12 euro per night", ""),
    ],
)
async def test_the_second_half_of_a_sentence_is_answered_or_named(
    world: WorkerEnvironment, text: str, said: str, named: str
) -> None:
    await world.put("arrival", ARRIVAL)
    await world.library.search("shop", "check in", wait=5)
    (reply,) = await send_and_list_replies(world, text)
    assert said in reply
    assert named in reply
    assert bool(named) == ("“" in reply)
