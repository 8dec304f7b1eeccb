"""Turns: the newest 200 of each conversation, each once, oldest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.conversation import ActionRecord, CitedPassage, Turn
from schemas.ports import State

AT = datetime(2026, 5, 4, 9, 30, 15, 250_000, tzinfo=UTC)


def turn(number: int, *, route: str = "answer") -> Turn:
    return Turn(id=f"turn-{number}", handled=[f"in-{number}"], route=route, at=AT + timedelta(seconds=number))


async def test_a_turn_comes_back_whole(state: State) -> None:
    whole = turn(1).model_copy(
        update={
            "confidence": 0.75,
            "stages": {"retrieve": 4.25},
            "passages": [CitedPassage(document="d", heading="h", score=0.5, cited=True)],
            "actions": [ActionRecord(name="cancel", arguments={"order": "Ä-1"}, outcome="refused", key="k")],
        }
    )
    await state.turns.add("whole", whole)
    assert await state.turns.list_newest("whole") == [whole]


async def test_adding_a_turn_again_changes_nothing(state: State) -> None:
    await state.turns.add("again", turn(1))
    await state.turns.add("again", turn(1, route="person"))
    assert await state.turns.list_newest("again") == [turn(1)]


async def test_turns_are_listed_oldest_first_and_the_newest_are_the_ones_kept(state: State) -> None:
    for number in (3, 1, 2):
        await state.turns.add("order", turn(number))
    assert await state.turns.list_newest("order") == [turn(1), turn(2), turn(3)]
    assert await state.turns.list_newest("order", limit=2) == [turn(2), turn(3)]


async def test_two_hundred_are_kept(state: State) -> None:
    for number in range(203):
        await state.turns.add("many", turn(number))
    kept = await state.turns.list_newest("many", limit=500)
    assert [item.id for item in kept] == [f"turn-{number}" for number in range(3, 203)]


async def test_conversations_do_not_see_each_other(state: State) -> None:
    await state.turns.add("mine", turn(1))
    assert await state.turns.list_newest("yours") == []
