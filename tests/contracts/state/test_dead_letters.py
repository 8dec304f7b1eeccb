"""Dead letters: kept once, seen by their tenant alone, replayed by number."""

from __future__ import annotations

import asyncio

import pytest

from schemas.conversation import DeadLetter
from schemas.errors import InvalidRequest, NotFound
from schemas.ports import State
from tests.contracts.state.samples import NOW, later, new_id


def letter(tenant: str = "plantstore", *, age: float = 0, id_: str = "", reason: str = "too many tries") -> DeadLetter:
    return DeadLetter(
        id=id_ or new_id(),
        code="handler_failed",
        reason=reason,
        attempts=5,
        topic="parley.inbound.web",
        partition=2,
        offset=41,
        tenant=tenant,
        channel="web",
        conversation_id=new_id(),
        headers={"ce_id": "e"},
        value="AP8=",
        first_at=NOW,
        last_at=later(age),
    )


async def test_a_letter_is_kept_as_it_was_first_added(state: State) -> None:
    first = letter()
    await state.dead_letters.add(first)
    await state.dead_letters.add(letter(id_=first.id, reason="again"))
    assert await state.dead_letters.get("plantstore", first.id) == first
    assert (await state.dead_letters.list_page("plantstore"))[0] == [first]


async def test_a_tenant_sees_its_own_letters_alone(state: State) -> None:
    ours, theirs = letter(), letter("other")
    await state.dead_letters.add(ours)
    await state.dead_letters.add(theirs)
    assert await state.dead_letters.get("plantstore", theirs.id) is None
    assert await state.dead_letters.list_page("plantstore") == ([ours], "")
    with pytest.raises(NotFound):
        await state.dead_letters.count_replay("plantstore", theirs.id)


async def test_letters_are_listed_newest_first_in_pages(state: State) -> None:
    letters = [letter(age=n // 2) for n in range(5)]
    for one in letters:
        await state.dead_letters.add(one)
    wanted = sorted(letters, key=lambda one: (one.last_at, one.id), reverse=True)
    first, cursor = await state.dead_letters.list_page("plantstore", limit=2)
    await state.dead_letters.add(letter(age=99))
    second, cursor = await state.dead_letters.list_page("plantstore", after=cursor, limit=2)
    third, cursor = await state.dead_letters.list_page("plantstore", after=cursor, limit=2)
    assert [*first, *second, *third] == wanted
    assert cursor == ""
    with pytest.raises(InvalidRequest):
        await state.dead_letters.list_page("plantstore", after="nonsense")


async def test_replays_are_numbered_from_one_and_no_number_is_given_twice(state: State) -> None:
    one = letter()
    await state.dead_letters.add(one)
    numbers = await asyncio.gather(*(state.dead_letters.count_replay("plantstore", one.id) for _ in range(10)))
    assert sorted(numbers) == list(range(1, 11))
    kept = await state.dead_letters.get("plantstore", one.id)
    assert kept == one.model_copy(update={"replays": 10})
    assert (await state.dead_letters.list_page("plantstore"))[0] == [kept]


async def test_a_removed_letter_is_gone_and_the_others_stay(state: State) -> None:
    removed, kept = letter(), letter()
    for each in (removed, kept):
        await state.dead_letters.add(each)
    await state.dead_letters.count_replay("plantstore", removed.id)
    for _ in range(2):
        await state.dead_letters.remove("plantstore", removed.id)
    assert await state.dead_letters.get("plantstore", removed.id) is None
    assert await state.dead_letters.list_page("plantstore") == ([kept], "")
    await state.dead_letters.add(removed)
    assert await state.dead_letters.get("plantstore", removed.id) == removed, "its count of replays is gone, too"
