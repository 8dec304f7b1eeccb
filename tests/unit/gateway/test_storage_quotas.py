"""Quotas of stored bytes: shared by all processes, exact for files, and cheap for words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.config.settings import LimitSettings
from gateway.storage.quotas import StorageQuota
from schemas.errors import RateLimited, StorageFull
from schemas.ports import Limiter
from tests.contracts.state.engines import embedded_state, server_state
from tests.contracts.state.samples import NOW

KIB = 1024
LIMITS = LimitSettings(
    contact_bytes_per_day=1000 * KIB, stored_file_bytes=1500 * KIB, text_bytes_per_day=4096 * KIB, address_share=1
)


class CountingLimiter:
    """A limiter that tells how often it was asked."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self.calls = 0

    async def take(self, key: str, *, per_second: float, burst: int, now: datetime, keep: float = 0.0) -> float:
        raise NotImplementedError

    async def occupy(self, key: str, occupant: str, *, limit: int, keep: float, now: datetime) -> float:
        raise NotImplementedError

    async def vacate(self, key: str, occupants: Sequence[str]) -> None:
        raise NotImplementedError

    async def add(self, key: str, amounts: Mapping[str, int], *, keep: float, now: datetime) -> dict[str, int]:
        self.calls += 1
        return await self._limiter.add(key, amounts, keep=keep, now=now)


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.scaled)])
async def limiter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CountingLimiter]:
    if request.param == "redis":
        opened = server_state(request.getfixturevalue("redis_url"))
    else:
        opened = embedded_state(tmp_path / "parley.db")
    async with opened as state:
        yield CountingLimiter(state.limiter)


def process(limiter: CountingLimiter, now: datetime = NOW) -> StorageQuota:
    return StorageQuota(limiter, lambda _tenant: LIMITS, lambda: now)


async def test_files_of_several_processes_never_pass_a_quota_together(limiter: CountingLimiter) -> None:
    processes = [process(limiter) for _ in range(3)]
    taking = (processes[n % 3].reserve_file("shop", f"contact-{n % 7}", 100 * KIB) for n in range(60))
    outcomes = await asyncio.gather(*taking, return_exceptions=True)
    taken = sum(outcome is None for outcome in outcomes)
    assert 1 <= taken <= 15
    assert {type(outcome) for outcome in outcomes} <= {type(None), StorageFull, RateLimited}
    assert await processes[0].read_file_bytes("shop") == taken * 100 * KIB
    assert await processes[0].read_file_bytes("other") == 0


async def test_a_file_that_did_not_fit_the_tenant_counts_for_its_contact_neither(limiter: CountingLimiter) -> None:
    quota = process(limiter)
    await quota.reserve_file("shop", "", 1000 * KIB)
    for _ in range(5):
        with pytest.raises(StorageFull):
            await quota.reserve_file("shop", "ada", 600 * KIB)
    await quota.release_file("shop", "", 1000 * KIB)
    await quota.reserve_file("shop", "ada", 1000 * KIB)
    with pytest.raises(RateLimited):
        await quota.reserve_file("shop", "ada", 1)


async def test_a_new_day_begins_with_nothing(limiter: CountingLimiter) -> None:
    await process(limiter).reserve_file("shop", "ada", 1000 * KIB)
    with pytest.raises(RateLimited) as refused:
        await process(limiter).reserve_text("shop", "ada", 1)
    assert refused.value.retry_after_ms is not None
    tomorrow = NOW + timedelta(milliseconds=refused.value.retry_after_ms)
    assert (tomorrow.hour, tomorrow.minute, tomorrow.day) == (0, 0, NOW.day + 1)
    await process(limiter, tomorrow).reserve_text("shop", "ada", 1000 * KIB)


async def test_words_are_counted_to_the_last_byte_with_few_questions_to_the_store(limiter: CountingLimiter) -> None:
    quota = process(limiter)
    for _ in range(900):
        await quota.reserve_text("shop", "ada", KIB)
    assert limiter.calls < 35
    for _ in range(100):
        await quota.reserve_text("shop", "ada", KIB)
    with pytest.raises(RateLimited):
        await quota.reserve_text("shop", "ada", 1)
    with pytest.raises(RateLimited):
        await process(limiter).reserve_file("shop", "ada", 1)


async def test_words_of_all_contacts_together_are_bounded(limiter: CountingLimiter) -> None:
    quota = process(limiter)
    for number in range(40):
        await quota.reserve_text("shop", f"contact-{number}", 100 * KIB)
    await quota.reserve_text("shop", "late", 96 * KIB)
    with pytest.raises(RateLimited):
        await quota.reserve_text("shop", "later", 1)


SHARED = LimitSettings(stored_file_bytes=4000 * KIB, text_bytes_per_day=4000 * KIB)
FLOODER, NEIGHBOUR = "203.0.113.9", "198.51.100.7"


async def fill(reserve: Callable[[int], Awaitable[None]]) -> tuple[int, RateLimited]:
    """How often it succeeds, and what then refuses."""
    for number in range(1000):
        try:
            await reserve(number)
        except RateLimited as refused:
            return number, refused
    raise AssertionError("it never refuses")


@pytest.mark.parametrize("kind", ["reserve_text", "reserve_file"])
async def test_one_sender_is_refused_long_before_others_notice(limiter: CountingLimiter, kind: str) -> None:
    """An address, however many contacts write from it, and a contact who is signed in."""

    def reserve(now: datetime = NOW) -> Callable[..., Awaitable[None]]:
        quota = StorageQuota(limiter, lambda _tenant: SHARED, lambda: now)
        return getattr(quota, kind)  # type: ignore[no-any-return]

    here, elsewhere = reserve(), reserve()
    sent, refused = await fill(lambda number: here("shop", f"contact-{number}", 32 * KIB, FLOODER))
    signed_in, _ = await fill(lambda _: here("shop", "ada", 32 * KIB))
    # A quarter of 4,000 KiB, then a quarter of the rest.
    assert (sent, signed_in) == (31, 23)
    with pytest.raises(RateLimited):
        await elsewhere("shop", "new", 32 * KIB, FLOODER)
    await elsewhere("shop", "eve", 400 * KIB, NEIGHBOUR)
    assert refused.retry_after_ms is not None
    later = reserve(NOW + timedelta(milliseconds=refused.retry_after_ms))
    await later("shop", "again", 32 * KIB, FLOODER)


async def test_where_waiting_does_not_help_a_file_is_refused_for_good(limiter: CountingLimiter) -> None:
    quota = StorageQuota(limiter, lambda _tenant: SHARED, lambda: NOW)
    with pytest.raises(StorageFull):
        await quota.reserve_file("shop", "ada", 1001 * KIB, FLOODER)
    await quota.reserve_file("shop", "", 3900 * KIB)
    with pytest.raises(StorageFull):
        await quota.reserve_file("shop", "ada", 26 * KIB, FLOODER)
    await quota.reserve_file("shop", "ada", 24 * KIB, FLOODER)
