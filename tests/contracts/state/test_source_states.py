"""The states and memories of document sources, on each engine: shared, never half changed, and only the holder's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.documents.crawl_state import CrawlState
from gateway.documents.document_sources import DocumentSource
from gateway.documents.source_lease import TTL_S, SourceLease
from gateway.documents.source_state import SourceState, SourceStates
from schemas.errors import Conflict, Fenced
from schemas.ports import State

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
SOURCE = DocumentSource("notion://", "notion://", options={"token": "hush"})


def count_failure(state: SourceState) -> None:
    state.failures += 1


async def test_changes_at_the_same_time_are_all_made(state: State) -> None:
    processes = [SourceStates(state.leases, lambda: NOW) for _ in range(3)]
    await asyncio.gather(*(each.change("shop", SOURCE.id, count_failure) for each in processes * 4))
    assert (await processes[0].read("shop", SOURCE.id)).failures == 12
    assert (await processes[0].read("other", SOURCE.id)).failures == 0


async def test_a_change_that_is_refused_leaves_the_state_as_it_was(state: State) -> None:
    states = SourceStates(state.leases, lambda: NOW)

    def refuse(found: SourceState) -> None:
        found.failures = 99
        raise Conflict("not now")

    await states.change("shop", SOURCE.id, count_failure)
    with pytest.raises(Conflict):
        await states.change("shop", SOURCE.id, refuse)
    assert (await states.change("shop", SOURCE.id, count_failure)).failures == 2


async def test_only_the_holder_of_the_lease_saves_the_memory_and_the_next_one_finds_it(state: State) -> None:
    at = [NOW]
    first, second = (SourceLease(state.leases, "shop", SOURCE, lambda: at[0]) for _ in range(2))
    assert (await first.acquire(), await second.acquire()) == (True, False)
    memory = CrawlState(under=first.state_of(SOURCE).under, hashes={"a": "1"}, noted={"pages": {"ä": "\ud800"}})
    first.set_state(SOURCE, memory)
    await first.save()
    at[0] += timedelta(seconds=TTL_S + 1)
    assert await second.acquire()
    await second.load()
    assert second.state_of(SOURCE) == memory
    with pytest.raises(Fenced):
        await first.save()
    assert not await first.acquire()
    other_settings = DocumentSource("notion://", "notion://", options={"token": "another"})
    assert second.state_of(other_settings).hashes == {}, "with other settings, everything is read again"
