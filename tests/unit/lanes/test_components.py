"""The small parts by themselves: offset tracker, turnstile, retries."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from infra.bus.assignment import Assignment, OffsetTracker
from infra.bus.fair_queue import FairQueue
from infra.bus.lane import Lane, LaneBatch
from infra.bus.retrying import BatchOutcome, run_handler
from schemas.errors import BusUnavailable, Fenced, ModelFailed, Parked, StateLost, StateUnavailable, UndecodableRecord
from schemas.ports import Batch, Record, TopicPartition
from schemas.runtime.fair_rotation import PARTY_HEADER, party_of
from tests.unit.lanes.virtual_time import run

LATER = datetime(2030, 1, 1, tzinfo=UTC)


def record(offset: int) -> Record:
    return Record("t", 0, offset, "key", 0, {}, b"x")


@given(gaps=st.lists(st.integers(0, 3), max_size=30), order=st.randoms(use_true_random=False))
def test_the_committable_offset_stays_before_the_first_unfinished_record(gaps: list[int], order: object) -> None:
    """In whatever order records end, and whatever offsets are missing in between."""
    offsets = [sum(gaps[: n + 1]) + n for n in range(len(gaps))]
    tracker = OffsetTracker()
    for offset in offsets:
        tracker.add(offset)
    shuffled = list(offsets)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    done: set[int] = set()
    for offset in shuffled:
        tracker.finish([record(offset)])
        done.add(offset)
        first_open = next((one for one in offsets if one not in done), None)
        finished = [one for one in offsets if first_open is None or one < first_open]
        assert tracker.oldest == first_open
        assert tracker.offset_to_commit() == (finished[-1] + 1 if finished else None)
        assert tracker.span == (0 if first_open is None else offsets[-1] - first_open + 1)


def test_a_committed_offset_is_not_due_again() -> None:
    tracker = OffsetTracker()
    tracker.add(7)
    tracker.finish([record(7)])
    assert tracker.offset_to_commit() == 8
    tracker.mark_committed(8)
    assert tracker.offset_to_commit() is None


def test_tenants_take_turns_whatever_the_length_of_their_queues() -> None:
    """Tenant b's three come at every second place, though a has a hundred before it."""
    started: list[str] = []
    turnstile: FairQueue[str] = FairQueue(1, lambda _tenant: 10, started.append)
    for number in range(100):
        turnstile.enter(("a", "", "", ""), f"a{number}")
    for number in range(3):
        turnstile.enter(("b", "", "", ""), f"b{number}")
    while turnstile.running:
        turnstile.leave((started[-1][0], "", "", ""))
    assert started[:7] == ["a0", "a1", "b0", "a2", "b1", "a3", "b2"]
    assert len(started) == 103
    assert turnstile.load == 0.0


def test_in_a_tenant_channels_accounts_and_those_who_write_take_turns() -> None:
    """A flood from one address waits; another address, account, channel and tenant wait for one of it each, also when
    the flood has hundreds of conversations."""
    started: list[str] = []
    queue: FairQueue[str] = FairQueue(1, lambda _tenant: 10, started.append)
    headers = {"ce_tenant": "a", "ce_channel": "web", "ce_account": "main", PARTY_HEADER: "loud"}
    for number in range(500):
        queue.enter(party_of(headers, f"conversation {number}"), f"flood {number}")
    quiet = [{PARTY_HEADER: "quiet"}, {"ce_account": "other"}, {"ce_channel": "slack"}, {"ce_tenant": "b"}]
    for number, change in enumerate(quiet):
        queue.enter(party_of(headers | change, "quiet"), f"quiet {number}")
    while queue.running:
        queue.leave(("a" if started[-1] != "quiet 3" else "b", "", "", ""))
    assert max(started.index(f"quiet {number}") for number in range(4)) <= 8
    assert [item for item in started if item.startswith("flood")] == [f"flood {number}" for number in range(500)]


def test_a_tenant_at_its_limit_leaves_the_other_slots_to_others() -> None:
    started: list[str] = []
    turnstile: FairQueue[str] = FairQueue(5, lambda tenant: {"a": 2, "b": 9}[tenant], started.append)
    for number in range(4):
        turnstile.enter(("a", "", "", ""), f"a{number}")
    turnstile.enter(("b", "", "", ""), "b0")
    assert started == ["a0", "a1", "b0"]
    assert (turnstile.running, turnstile.waiting_count) == (3, 2)
    turnstile.withdraw(lambda item: item == "a2")
    turnstile.leave(("a", "", "", ""))
    assert started[-1] == "a3"
    assert not turnstile.contended


# ── retries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class BatchRun:
    """A batch and what becomes of it."""

    def __init__(self, size: int) -> None:
        self.lane = Lane(Assignment(TopicPartition("t", 0)), "key")
        self.lane.batch = self.batch = LaneBatch(self.lane, [record(offset) for offset in range(size)])
        self.given_up: list[int] = []
        self.attempts = Counter[int]()

    async def give_up(self, key: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        self.given_up += [one.offset for one in records]

    def outcome(self, handler: Callable[[Batch], Awaitable[None]]) -> tuple[BatchOutcome | datetime, float]:
        """With the virtual seconds it took."""

        async def timed() -> tuple[BatchOutcome | datetime, float]:
            async def counted(batch: Batch) -> None:
                self.attempts[len(batch.records)] += 1
                await handler(batch)

            outcome = await run_handler(counted, self.give_up, self.batch, 5)
            return outcome, asyncio.get_running_loop().time()

        with structlog.testing.capture_logs():
            return run(timed())


@pytest.mark.parametrize("error", [StateUnavailable("away"), BusUnavailable("away")])
def test_a_server_of_ours_that_is_away_is_waited_for_without_limit(error: Exception) -> None:
    """An hour of outage gives nothing up, is asked for no more than every few seconds, and its end is noticed soon."""

    async def handler(batch: Batch) -> None:
        if asyncio.get_running_loop().time() < 3600:
            raise error

    bench = BatchRun(3)
    outcome, took = bench.outcome(handler)
    assert (outcome, bench.given_up) == (BatchOutcome.DONE, [])
    assert 3600 <= took < 3606
    assert 3600 / 5 <= bench.attempts[3] < 3600 / 2


def test_only_the_record_at_fault_is_given_up() -> None:
    """Five records were folded into one batch; the third can never be handled."""
    handled: list[int] = []

    async def handler(batch: Batch) -> None:
        if any(one.offset == 2 for one in batch.records):
            raise ValueError("poison")
        handled.extend(one.offset for one in batch.records)

    bench = BatchRun(5)
    assert bench.outcome(handler)[0] is BatchOutcome.DONE
    assert (handled, bench.given_up) == ([0, 1, 3, 4], [2])


def test_a_record_that_can_never_succeed_is_given_up_at_once() -> None:
    async def handler(batch: Batch) -> None:
        raise UndecodableRecord("garbage")

    bench = BatchRun(1)
    outcome, took = bench.outcome(handler)
    assert (outcome, bench.given_up, took) == (BatchOutcome.DONE, [0], 0.0)


def test_a_good_record_that_fails_for_a_moment_while_poison_is_looked_for_is_not_given_up() -> None:
    failed: set[int] = set()

    async def handler(batch: Batch) -> None:
        if any(one.offset == 1 for one in batch.records):
            raise UndecodableRecord("garbage")
        if batch.records[0].offset not in failed:
            failed.add(batch.records[0].offset)
            raise ModelFailed("busy")

    bench = BatchRun(3)
    assert bench.outcome(handler)[0] is BatchOutcome.DONE
    assert bench.given_up == [1]


def test_records_handled_singly_before_parking_are_settled() -> None:
    """Records 0 and 1 are done when 2 asks to be parked; only the rest is set aside."""

    async def handler(batch: Batch) -> None:
        if len(batch.records) > 1:
            raise UndecodableRecord("one of us is garbage")
        if batch.records[0].offset == 2:
            raise Parked("revoked", until=LATER)

    bench = BatchRun(4)
    assert bench.outcome(handler)[0] == LATER
    assert bench.batch.finished == 2


def test_a_cancellation_that_leaks_out_of_a_handler_is_a_failure_like_others() -> None:
    """Only the lanes' own cancellation fences; else the record would never be finished."""
    leaks = iter([True, True, False])

    async def handler(batch: Batch) -> None:
        if next(leaks):
            raise asyncio.CancelledError

    bench = BatchRun(1)
    assert bench.outcome(handler)[0] is BatchOutcome.DONE
    assert bench.attempts[1] == 3


def test_losing_a_race_again_and_again_does_not_give_a_record_up_soon() -> None:
    lost = iter([True] * 40 + [False])

    async def handler(batch: Batch) -> None:
        if next(lost):
            raise Fenced("somebody was faster")

    bench = BatchRun(1)
    assert bench.outcome(handler)[0] is BatchOutcome.DONE
    assert bench.given_up == []


def test_the_end_of_a_rebuild_is_noticed_within_a_second() -> None:
    """It takes seconds, and only the conversations on the lost shards wait."""

    async def handler(batch: Batch) -> None:
        if asyncio.get_running_loop().time() < 60:
            raise StateLost("gone", shards=frozenset({7}))

    bench = BatchRun(1)
    outcome, took = bench.outcome(handler)
    assert (outcome, bench.given_up) == (BatchOutcome.DONE, [])
    assert 60 <= took <= 61
    assert 60 <= bench.attempts[1] < 150


def test_waiting_ends_when_the_partition_is_taken_away() -> None:
    async def handler(batch: Batch) -> None:
        asyncio.get_running_loop().call_later(0.01, batch.revoking.set)
        raise StateUnavailable("away", retry_after_ms=30_000)

    outcome, took = BatchRun(1).outcome(handler)
    assert outcome is BatchOutcome.INTERRUPTED
    assert took == pytest.approx(0.01)


def test_a_batch_that_is_over_takes_no_more() -> None:
    """A handler that kept its batch must not swallow records that nobody would answer for."""
    bench = BatchRun(1)
    bench.lane.queue.append(record(5))
    bench.lane.batch = None
    assert bench.batch.take_more() == []
    assert len(bench.lane.queue) == 1
