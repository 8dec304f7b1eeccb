"""Strikes: records whose code ran when their process stalled or died."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.ports import State, Strike, TopicPartition

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = TopicPartition("parley.inbound.web", 2)


def strike(offset: int, incident: str) -> Strike:
    return Strike("parley.worker.web", *SOURCE, offset, incident, "process_stalled", AT)


async def test_an_incident_counts_once_for_a_record_however_often_it_is_told(state: State) -> None:
    for _ in range(2):
        await state.strikes.add([strike(7, "a"), strike(8, "a")])
    await state.strikes.add([strike(7, "b")])
    found = await state.strikes.of("parley.worker.web", SOURCE)
    assert sorted(found) == [strike(7, "a"), strike(7, "b"), strike(8, "a")]


async def test_strikes_are_of_one_group_and_one_partition(state: State) -> None:
    await state.strikes.add([strike(7, "a")])
    assert await state.strikes.of("parley.receipts.web", SOURCE) == []
    assert await state.strikes.of("parley.worker.web", SOURCE._replace(partition=1)) == []


async def test_a_record_that_is_done_has_no_strikes_any_more(state: State) -> None:
    await state.strikes.add([strike(7, "a"), strike(7, "b"), strike(8, "a")])
    await state.strikes.clear([strike(7, "a"), strike(7, "b")])
    assert await state.strikes.of("parley.worker.web", SOURCE) == [strike(8, "a")]
