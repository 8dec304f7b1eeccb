"""Leases: one holder, and a token that tells a newer holder from an older one."""

from __future__ import annotations

import asyncio

from schemas.ports import State
from tests.contracts.state.samples import NOW, later


async def test_one_of_many_gets_the_lease_until_it_ends(state: State) -> None:
    tokens = await asyncio.gather(*(state.leases.acquire("gateway", f"holder-{n}", ttl=30, now=NOW) for n in range(20)))
    (first,) = [token for token in tokens if token is not None]
    assert await state.leases.acquire("gateway", "late", ttl=30, now=later(29.999)) is None
    second = await state.leases.acquire("gateway", "late", ttl=30, now=later(30))
    assert second is not None
    assert second > first


async def test_the_holder_renews_under_the_same_token(state: State) -> None:
    token = await state.leases.acquire("gateway", "one", ttl=30, now=NOW)
    assert await state.leases.acquire("gateway", "one", ttl=30, now=later(20)) == token
    assert await state.leases.acquire("gateway", "two", ttl=30, now=later(40)) is None
    assert await state.leases.acquire("gateway", "two", ttl=30, now=later(50)) is not None
    assert await state.leases.acquire("gateway", "one", ttl=30, now=later(51)) is None


async def test_a_released_lease_is_free_at_once_and_its_next_holder_has_a_newer_token(state: State) -> None:
    first = await state.leases.acquire("gateway", "one", ttl=30, now=NOW)
    await state.leases.release("gateway", "two")
    assert await state.leases.acquire("gateway", "two", ttl=30, now=NOW) is None
    await state.leases.release("gateway", "one")
    await state.leases.release("gateway", "one")
    second = await state.leases.acquire("gateway", "two", ttl=30, now=NOW)
    assert first is not None
    assert second is not None
    assert second > first
    await state.leases.release("gateway", "two")
    third = await state.leases.acquire("gateway", "one", ttl=30, now=NOW)
    assert third is not None
    assert third > second


async def test_leases_of_other_names_are_free(state: State) -> None:
    assert await state.leases.acquire("one", "holder", ttl=30, now=NOW) is not None
    assert await state.leases.acquire("two", "other", ttl=30, now=NOW) is not None
    await state.leases.release("never", "holder")


async def test_only_the_present_holder_leaves_a_note_and_the_next_one_finds_it(state: State) -> None:
    assert await state.leases.read_note("gateway") == ""
    first = await state.leases.acquire("gateway", "one", ttl=30, now=NOW)
    assert first is not None
    assert await state.leases.save_note("gateway", first, "seen up to 7 – é")
    second = await state.leases.acquire("gateway", "two", ttl=30, now=later(30))
    assert second is not None
    assert await state.leases.read_note("gateway") == "seen up to 7 – é"
    assert not await state.leases.save_note("gateway", first, "a zombie's word")
    assert await state.leases.save_note("gateway", second, "seen up to 9")
    await state.leases.release("gateway", "two")
    assert not await state.leases.save_note("gateway", second, "too late")
    assert await state.leases.read_note("gateway") == "seen up to 9"
    assert await state.leases.read_note("another") == ""
